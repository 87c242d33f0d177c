"""Tags in the store itself."""

from __future__ import annotations

from typing import Any

from tagsweep.producer.cli.backends import transactions
from tagsweep.producer.cli.backends.transactions import CommitLost
from tagsweep.producer.cli.input import errors, user
from tagsweep.producer.cli.input.errors import TAKEN, TAKEN_BY_ANOTHER, WrongUse
from tagsweep.worker import database
from tagsweep.worker.database import Connection
from tagsweep.worker.errors import NameTaken, NoSuchTag, TagsweepError
from tagsweep.worker.mapping import readiness
from tagsweep.worker.store.inventory import tag_list
from tagsweep.worker.store.inventory.tag_list import TagFilter
from tagsweep.worker.store.tags import naming

UNKNOWN = "It is not known whether that was done: `tagsweep tags list` tells."


class StoredTags:
    """The tags of a tenant; raises SchemaMismatch if the store is not this version's."""

    def __init__(self, tenant: str) -> None:
        readiness.check()
        self._tenant = tenant

    def listed(self, search: str, limit: int, *, links: bool) -> list[dict[str, Any]]:
        """Return them by name."""
        with database.reading() as connection:
            found = tag_list.page(connection, TagFilter(self._tenant, search), None, limit)
            return tag_list.with_links(connection, found) if links else found

    def create(self, name: str) -> dict[str, Any]:
        """Create a tag, and return it."""
        by = user.requester()
        return _changed(
            f"--name {errors.shown(name)}: {TAKEN}",
            lambda at: naming.create(at, self._tenant, name, by),
        )

    def rename(self, name: str, new: str) -> dict[str, Any]:
        """Give a tag another name, and return it."""

        def renamed(connection: Connection) -> dict[str, Any]:
            found = naming.named(connection, self._tenant, name)
            if found is None:
                raise NoSuchTag
            return naming.rename(connection, self._tenant, found.id, new, user.requester())

        try:
            return _changed(f"--to {errors.shown(new)}: {TAKEN_BY_ANOTHER}", renamed)
        except NoSuchTag:
            raise WrongUse(f"--name {errors.shown(name)}: the tenant has no such tag.") from None


def _changed(taken: str, step: Any) -> dict[str, Any]:
    try:
        with transactions.opened() as connection:
            shown: dict[str, Any] = step(connection)
    except CommitLost as lost:
        raise TagsweepError(f"{lost} {UNKNOWN}") from lost
    except NameTaken:
        raise WrongUse(taken) from None
    return shown
