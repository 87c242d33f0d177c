"""Every statement on tags: one module per kind of job, and the catalogue that they act on.

Each module of a kind offers the same three words:

* ``match(connection, tenant, head)``: what the job acts on, found when it is split;
* ``apply(connection, job, chunk)``: remove and record what was removed, in one transaction;
* ``report(connection, job)``: the tag array of its completion event.
"""

from __future__ import annotations

from types import ModuleType

from worker.store import delete, detach

KINDS: dict[str, ModuleType] = {"detach": detach, "delete": delete}
