"""Errors: their type says what happens next, their docstring is their message."""

from __future__ import annotations

import pytest

from tagsweep.worker import errors
from tagsweep.worker.errors import InvalidJob, ItemError, sentence
from tagsweep.worker.models.events import failure


def _fault(path: str, reason: str = "Wrong.") -> ItemError:
    return {"path": path, "code": "wrong", "reason": reason}


@pytest.mark.parametrize(
    "faults, told",
    [
        ([], ""),
        ([_fault("/names", "This field is required.")], "names: This field is required."),
        ([_fault("", "Expected an object.")], "job: Expected an object."),
        ([_fault("/tables/0"), _fault("/tables/7")], "tables/0: Wrong. tables/7: Wrong."),
        ([_fault("/a")] * 5, " ".join(["a: Wrong."] * 5)),
        ([_fault("/a")] * 8, " ".join(["a: Wrong."] * 5) + " (and 3 more)"),
    ],
)
def test_the_first_faults_are_told_in_one_line(faults: list[ItemError], told: str) -> None:
    assert sentence(faults) == told


def test_an_invalid_job_is_a_value_error_that_keeps_its_faults() -> None:
    faults = [_fault("/names")]
    invalid = InvalidJob(faults)
    assert isinstance(invalid, ValueError)
    assert invalid.errors == faults
    assert str(invalid) == "names: Wrong."


def test_an_error_without_a_message_says_its_docstring() -> None:
    assert str(errors.StoreUnavailable()) == "The store does not answer."


def test_what_is_tried_again_is_never_what_is_refused() -> None:
    kinds = [one for one in vars(errors).values() if isinstance(one, type)]
    ours = [one for one in kinds if issubclass(one, errors.TagsweepError)]
    assert len(ours) > 8
    for one in ours:
        assert not (issubclass(one, errors.Retryable) and issubclass(one, errors.Rejected))
        assert one.__doc__


@pytest.mark.parametrize(
    "status, kind",
    [
        ("succeeded", None),
        ("partial", None),
        ("failed", errors.JobFailed),
        ("cancelled", errors.JobCancelled),
        ("rejected", errors.JobRejected),
    ],
)
def test_a_waiting_caller_is_told_an_end_that_is_no_success(
    status: str, kind: type[Exception] | None
) -> None:
    told = failure({"status": status, "errors": [_fault("/a")] if kind else []})
    if kind is None:
        assert told is None
    else:
        assert isinstance(told, kind)
        assert str(told) == "a: Wrong."
