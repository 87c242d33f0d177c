"""A fingerprint is the same for two bodies of the same meaning, and for no others."""

from __future__ import annotations

from typing import Any

import pytest

from tagsweep.worker.models.jobs import DeleteJob, DetachJob
from tests.support.stores import new_ids

ONE, TWO = new_ids(2, seed=5)
DETACH: dict[str, Any] = {"tenant": "acme", "names": ["a", "b"], "tables": [ONE, TWO]}
DELETE: dict[str, Any] = {"tenant": "acme", "workspaces": ["w-1"], "tags": [{"key": "env"}]}


@pytest.mark.parametrize(
    "same",
    [
        dict(reversed(DETACH.items())),
        {**DETACH, "names": [" a", "b\t"]},
        {**DETACH, "tables": [ONE.upper(), TWO.replace("-", "")]},
        {**DETACH, "folders": [], "dry_run": False, "max_affected": None},
    ],
)
def test_a_detach_of_the_same_meaning_has_the_same_fingerprint(same: dict[str, Any]) -> None:
    assert DetachJob.parse(same).fingerprint() == DetachJob.parse(DETACH).fingerprint()


@pytest.mark.parametrize(
    "other",
    [
        {**DETACH, "tenant": "acme2"},
        {**DETACH, "names": ["b", "a"]},
        {**DETACH, "names": ["a"]},
        {**DETACH, "names": ["a", "B"]},
        {**DETACH, "tables": [ONE]},
        {"tenant": "acme", "names": ["a", "b"], "folders": [ONE, TWO]},
        {**DETACH, "tables": [ONE], "volumes": [TWO]},
    ],
)
def test_another_detach_has_another_fingerprint(other: dict[str, Any]) -> None:
    assert DetachJob.parse(other).fingerprint() != DetachJob.parse(DETACH).fingerprint()


@pytest.mark.parametrize(
    "same", [{**DELETE, "tags": [{"key": "env", "value": None}]}, {**DELETE, "sys_tags": []}]
)
def test_a_delete_of_the_same_meaning_has_the_same_fingerprint(same: dict[str, Any]) -> None:
    assert DeleteJob.parse(same).fingerprint() == DeleteJob.parse(DELETE).fingerprint()


@pytest.mark.parametrize(
    "other",
    [
        {**DELETE, "workspaces": ["w-2"]},
        {**DELETE, "workspaces": ["w-1", "w-2"]},
        {**DELETE, "tags": [{"key": "env", "value": "dev"}]},
        {"tenant": "acme", "workspaces": ["w-1"], "sys_tags": [{"key": "env"}]},
    ],
)
def test_another_delete_has_another_fingerprint(other: dict[str, Any]) -> None:
    assert DeleteJob.parse(other).fingerprint() != DeleteJob.parse(DELETE).fingerprint()
