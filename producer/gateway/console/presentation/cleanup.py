"""The form for a new clean-up, as the body of a job."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from tagsweep.producer.gateway.errors import Refusal
from tagsweep.worker.mapping import whole_tags
from tagsweep.worker.models.fields import EVERY
from tagsweep.worker.models.ids import RESOURCE_TYPES

#: the kinds that a form can ask for, and what they do
KINDS = {
    "detach": "Detach: take tags off resources",
    "attach": "Attach: put tags on resources",
    "merge": "Merge: turn tags into another tag",
    "delete": "Delete: take key/value tags off workspaces",
    "set": "Set: give workspaces key/value tags",
}
#: those that are about workspaces
OF_WORKSPACES = frozenset({"delete", "set"})
#: those that take tags off, of which conditions can spare some, and which can drop the tags
REMOVING = frozenset({"detach", "merge"})
#: what stands for all of a list
ALL, LISTED = "all", "listed"
NO_NUMBER = "max_affected must be a whole number."
ALL_AND_LISTED = "{name}: choose all of them, or give ids, not both. Nothing was done."
EVERY_AND_SOME = "Choose all resources of every type, or some, not both. Nothing was done."

_BETWEEN = re.compile(r"[\s,;]+")


class Fields(Protocol):
    """What a form sent."""

    def one(self, name: str) -> str:
        """Return the value of a field; empty if it is missing."""


def prefilled(given: Mapping[str, str], mapped: list[str]) -> dict[str, Any]:
    """Return what the form shows at first, as a link to it asks."""
    kind, drop = given.get("kind", ""), bool(given.get("drop"))
    return {
        "kinds": KINDS,
        "chosen": kind if kind in KINDS else next(iter(KINDS)),
        "drop": drop,
        "every": drop and kind == "detach",  # a tag goes once nothing carries it
        "lists": [*RESOURCE_TYPES, *mapped],
        "name": given.get("name", ""),
    }


def body(sent: Fields, mapped: list[str]) -> dict[str, Any]:
    """Return the job that a form describes; ``mapped``: the names of resources of a map.

    Raises Refusal (400) for what no job could have; the rest is checked with the job.
    """
    kind = sent.one("kind")
    if kind not in KINDS:
        raise Refusal(400, f"kind must be one of {', '.join(KINDS)}.")
    job: dict[str, Any] = {"kind": kind, **_options(sent)}
    if kind in OF_WORKSPACES:
        job["workspaces"] = _list(sent, "workspaces") or []
        job |= {
            name: [_wanted(line) for line in _lines(sent.one(name))]
            for name in ("tags", "sys_tags")
            if sent.one(name)
        }
        return job
    job |= {"names": _lines(sent.one("names")), **_resources(sent, kind, mapped)}
    if kind == "merge":
        job["into"] = sent.one("into")
    return job | (_removal(sent) if kind in REMOVING else {})


def _resources(sent: Fields, kind: str, mapped: list[str]) -> dict[str, Any]:
    """Return the lists of a job about links; what is attached is given by its ids alone."""
    read = _list if kind in REMOVING else _ids
    lists: dict[str, Any] = {name: one for name in RESOURCE_TYPES if (one := read(sent, name))}
    resources = {name: listed for name in mapped if (listed := read(sent, name))}
    if resources:
        lists["resources"] = resources
    if kind not in REMOVING or sent.one("which-every") != ALL:
        return lists
    if lists:
        raise Refusal(400, EVERY_AND_SOME)
    return dict(whole_tags.every())


def _options(sent: Fields) -> dict[str, Any]:
    options: dict[str, Any] = {"note": sent.one("note")} if sent.one("note") else {}
    if sent.one("strict"):
        options["strict"] = True
    guard = sent.one("max_affected").replace(",", "").replace(" ", "")
    if guard:
        if not guard.isascii() or not guard.isdecimal() or len(guard) > 18:  # noqa: PLR2004  # digits of a bigint
            raise Refusal(400, NO_NUMBER)
        options["max_affected"] = int(guard)
    return options


def _removal(sent: Fields) -> dict[str, Any]:
    """Return which links are spared, and whether tags go; a browser's times are UTC."""
    times = {name: sent.one(name) for name in ("attached_before", "attached_after")}
    given: dict[str, Any] = {name: f"{time}Z" for name, time in times.items() if time}
    spared = _lines(sent.one("unless"))
    if spared:
        given["unless"] = spared
    return given | ({"drop": True} if sent.one("drop") else {})


def _list(sent: Fields, name: str) -> list[str] | str | None:
    ids = _ids(sent, name)
    if sent.one(f"which-{name}") != ALL:
        return ids
    if ids:
        raise Refusal(400, ALL_AND_LISTED.format(name=name))
    return EVERY


def _ids(sent: Fields, name: str) -> list[str] | None:
    return [entry for entry in _BETWEEN.split(sent.one(f"ids-{name}")) if entry] or None


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _wanted(line: str) -> dict[str, str]:
    key, separator, value = line.partition("=")
    return {"key": key, "value": value} if separator else {"key": key}
