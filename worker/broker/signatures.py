"""Signatures as messages carry them: JSON objects from which Celery's canvas makes tasks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast
from uuid import NAMESPACE_OID, uuid5

from celery import canvas


def identified(request: dict[str, Any], owner: str) -> dict[str, Any]:
    """Return ``request`` with an id for each attached task, the same for the same owner.

    A task that has an id keeps it, because its caller waits for it.
    """
    named = {
        name: _all_identified(request[name] or [], f"{owner}/{name}")
        for name in ("callbacks", "errbacks", "chain")
    }
    chord = request["chord"]
    if chord:  # Celery itself sends its errbacks if it fails
        chord = _identified(chord, f"{owner}/chord")
        errbacks = _all_identified(chord["options"].get("link_error") or [], f"{owner}/failed")
        chord["options"]["link_error"] = errbacks
    group = str(uuid5(NAMESPACE_OID, f"{owner}/group"))
    return {**request, **named, "chord": chord, "group_of_callbacks": group}


def _identified(signature: dict[str, Any], name: str) -> dict[str, Any]:
    """Return ``signature`` with an id for each task in it."""
    if signature.get("subtask_type") == "chunks":  # a group in disguise, without ids
        group = cast("Any", canvas.chunks.from_dict(signature)).group()
        signature = {**group, "kwargs": {"tasks": [dict(one) for one in group.tasks]}}
    options, kwargs = dict(signature["options"]), dict(signature["kwargs"])
    if signature.get("subtask_type") != "chain":  # its id would be that of its last task
        options.setdefault("task_id", str(uuid5(NAMESPACE_OID, name)))
    if signature.get("subtask_type") in ("chain", "group", "chord"):
        for many in ("tasks", "header"):
            if many in kwargs:
                kwargs[many] = _all_identified(kwargs[many], f"{name}/{many}")
        if kwargs.get("body"):
            kwargs["body"] = _identified(kwargs["body"], f"{name}/body")
    return {**signature, "options": options, "kwargs": kwargs}


def _all_identified(signatures: Any, name: str) -> list[dict[str, Any]]:
    """Return signatures with their ids; ``signatures`` may also be a single one, or a group."""
    if isinstance(signatures, dict):
        is_group = signatures.get("subtask_type") == "group"
        signatures = signatures["kwargs"]["tasks"] if is_group else [signatures]
    return [_identified(one, f"{name}/{at}") for at, one in enumerate(signatures)]


def needs_chord(signature: Any) -> bool:
    """Return whether sending ``signature`` needs a chord.

    Celery makes one from a group that is followed by a task.
    """
    kind = signature.get("subtask_type")
    tasks = signature["kwargs"].get("tasks", []) if kind in ("chain", "group") else []
    if kind == "chord" or any(needs_chord(one) for one in tasks):
        return True
    return kind == "chain" and any(one.get("subtask_type") == "group" for one in tasks[:-1])


def leaves(chain: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the tasks of a discontinued chain whose results a caller may wait for."""
    return [leaf for one in chain for leaf in _leaves(one)]


def _leaves(signature: dict[str, Any]) -> Iterator[dict[str, Any]]:
    kind, kwargs = signature.get("subtask_type"), signature["kwargs"]
    if kind in ("chain", "group"):
        for one in kwargs["tasks"]:
            yield from _leaves(one)
    elif kind == "chord" and kwargs.get("body"):
        yield from _leaves(kwargs["body"])
    else:
        yield signature
