"""Every statement on tags: one module per kind of job, and the catalogue that they act on.

Each module of a kind offers the same words:

* ``match(connection, tenant, head)``: what the job acts on, found when it is split; reads alone;
* ``prepare(connection, job)``: create what must be there before the first chunk is applied; return
  the job's targets as they are then;
* ``count(connection, job, chunk)``: how many items ``apply`` would change, by the same conditions;
* ``apply(connection, job, chunk)``: change links, or tags of workspaces, and record which were
  changed, in one transaction;
* ``report(connection, job)``: the tag array of its completion event; of a preview, nothing moves.

and those whose lists may be ``"*"``:

* ``cut(connection, job, most)``: what the job selects, in ranges of up to ``most``;
* ``later(connection, job, chunk)``: how many items of a range are none of the job's, for they
  came to be after it was accepted;
* ``listed(connection, job, chunk)``: what of a range is there, as chunks that name it;
* ``remaining(connection, job)``: how much still carries what the job is about.
"""

from __future__ import annotations

from types import ModuleType

from tagsweep.worker.store import attach, delete, detach, undo

KINDS: dict[str, ModuleType] = {"detach": detach, "delete": delete, "attach": attach, "undo": undo}
