"""Lists cut into chunks: sorted over all, each entry once, none too long."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker import chunks
from worker.models.resources import slices


@given(
    st.lists(st.sampled_from([UUID(int=at << 96) for at in range(40)]), max_size=100),
    st.integers(1, 50),
)
def test_ids_are_sorted_over_all_and_distinct(ids: list[UUID], most: int) -> None:
    cut = list(chunks.split_ids(b"".join(one.bytes for one in ids), most))
    joined = [one for chunk in cut for one in slices(chunk)]
    assert joined == sorted({one.bytes for one in ids})
    assert all(len(chunk) == 16 * most for chunk in cut[:-1])
    assert all(0 < len(chunk) <= 16 * most for chunk in cut)


@given(st.lists(st.sampled_from("abcdefgh"), max_size=30), st.integers(1, 10))
def test_names_are_sorted_over_all_and_distinct(names: list[str], most: int) -> None:
    cut = list(chunks.split_names(names, most))
    assert [name for chunk in cut for name in chunk] == sorted(set(names))
    assert all(len(chunk) == most for chunk in cut[:-1])
    assert all(0 < len(chunk) <= most for chunk in cut)


@pytest.mark.parametrize(
    "most, targets, expected",
    [
        (10_000, 1, 10_000),
        (10_000, 20, 10_000),
        (10_000, 21, 9_523),
        (10_000, 1_000, 200),
        (10_000, 300_000, 1),
        (1, 1, 1),
        (7, 0, 7),
    ],
)
def test_a_job_of_many_tags_has_smaller_chunks(most: int, targets: int, expected: int) -> None:
    assert chunks.size(most, targets) == expected


def test_the_ends_of_a_chunk_are_its_lowest_and_highest_id() -> None:
    ids = [UUID(int=at).bytes for at in range(1, 4)]
    assert chunks.ends(b"".join(ids)) == (ids[0], ids[2])
    assert chunks.ends(ids[0]) == (ids[0], ids[0])
