"""Names that are no tags, with the nearest that is one.

Looking for it is bounded: the names on either side of the missing one in the order of the index.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from sqlalchemy import CompoundSelect, Connection, bindparam, select

from tagsweep.worker.errors import ItemError
from tagsweep.worker.store.layout import OWN, Layout
from tagsweep.worker.store.unmatched import words

#: names that are compared with a missing one, on either side of it
_NEIGHBOURS = 50


class MissingNames:
    """Warns of names that are no tags, and looks up each of them once."""

    def __init__(self, connection: Connection, at: Layout = OWN) -> None:
        self._connection = connection
        self._at = at
        self._neighbours: dict[tuple[str | None, str], list[str]] = {}

    def warnings(
        self,
        tenant: str | None,
        names: Sequence[str],
        known: Collection[str],
        field: str = "names",
    ) -> list[ItemError]:
        """Return a warning for each of ``names``, which ``field`` lists, that is not ``known``.

        One more if the tenant has no tag at all.
        """
        places = {name: at for at, name in reversed([*enumerate(names)]) if name not in known}
        missing = sorted(places, key=places.__getitem__)
        if not missing:
            return []
        near = {name: self._near(tenant, name) for name in missing[: words.MOST_LOOKED_UP]}
        found = [
            words.warning(f"/{field}/{places[name]}", f'There is no tag "{name}".', near.get(name))
            for name in missing
        ]
        if known or self._neighbours[tenant, missing[0]]:
            return words.bounded(found, f"/{field}")
        reason = f'The tenant "{tenant}" has no tags.'
        nobody: ItemError = {"path": "/tenant", "code": "unknown_tenant", "reason": reason}
        return [nobody, *words.bounded(found, f"/{field}")]

    def _near(self, tenant: str | None, name: str) -> str | None:
        place = (tenant, name)
        if place not in self._neighbours:
            rows = self._connection.execute(_around(self._at), {"of": tenant, "missing": name})
            self._neighbours[place] = list(rows.scalars())
        return words.nearest(name, self._neighbours[place])


@cache
def _around(at: Layout) -> CompoundSelect[Any]:
    """Return the statement of the names before and after a missing one."""
    name = at.tag_table.c.name
    names = select(name).where(at.of_tenant(bindparam("of"))).limit(_NEIGHBOURS)
    missing = bindparam("missing", type_=name.type)
    after = names.where(name > missing).order_by(name).subquery()
    before = names.where(name < missing).order_by(name.desc()).subquery()
    return select(after.c.name).union_all(select(before.c.name))
