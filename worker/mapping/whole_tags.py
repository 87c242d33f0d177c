"""All links of a tag: those on every type whose tags are in our own table."""

from __future__ import annotations

from tagsweep.worker.mapping import file
from tagsweep.worker.models.fields import EVERY
from tagsweep.worker.models.ids import RESOURCE_TYPES


def every() -> dict[str, str]:
    """Return what selects all that carries a tag of our own table: "*" by the name of the list."""
    mapping = file.load()
    types = (name for name in RESOURCE_TYPES if mapping is None or name not in mapping.resources)
    return dict.fromkeys(types, EVERY)
