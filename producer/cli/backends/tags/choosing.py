"""Where tags are, as the settings choose it, and what commands ask for there."""

from __future__ import annotations

from typing import Any, Protocol

from tagsweep.producer.cli.backends import choosing

Tag = dict[str, Any]


class Tags(Protocol):
    """The tags of a tenant. Every method raises TagsweepError if a server does not answer."""

    def listed(self, search: str, limit: int, *, links: bool) -> list[Tag]:
        """Return up to ``limit`` tags by name whose names contain ``search``.

        ``links``: with on how many resources each of them is.
        """

    def create(self, name: str) -> Tag:
        """Create a tag, and return it; raises WrongUse if there is one of this name."""

    def rename(self, name: str, new: str) -> Tag:
        """Give a tag another name, and return it.

        Raises WrongUse if there is no such tag, or one that has the other name.
        """


def chosen(tenant: str) -> Tags:
    """Return the tags of ``tenant``; raises SettingsError as for jobs."""
    # each is loaded only if it is used: going through a gateway needs no database driver
    if (client := choosing.gateway()) is None:
        from tagsweep.producer.cli.backends.tags.store import StoredTags

        return StoredTags(tenant)
    from tagsweep.producer.cli.backends.tags.gateway import GatewayTags

    return GatewayTags(client, tenant)
