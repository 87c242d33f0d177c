"""Lists cut into chunks: sorted over all, each entry once, none too long."""

from __future__ import annotations

from unittest.mock import patch
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagsweep.worker.models import sorting
from tagsweep.worker.models.ids import slices

IDS = st.lists(st.sampled_from([UUID(int=at << 96).bytes for at in range(40)]), max_size=60)


@pytest.mark.slow
@given(st.lists(IDS, max_size=5), st.integers(1, 50), st.integers(1, 8))
def test_runs_are_merged_sorted_over_all_and_distinct(
    lists: list[list[bytes]], most: int, window: int
) -> None:
    runs = [sorting.reader(sorting.distinct(b"".join(ids))) for ids in lists]
    with patch.multiple(sorting, WINDOWS=window, LEAST_WINDOW=1):
        cut = list(sorting.split(runs, most))
    joined = [one for chunk in cut for one in slices(chunk)]
    assert joined == sorted({one for ids in lists for one in ids})
    assert all(len(chunk) == 16 * most for chunk in cut[:-1])
    assert all(0 < len(chunk) <= 16 * most for chunk in cut)


@given(
    st.lists(st.sampled_from([b"\0" * 16, b"\0" * 15 + b"\1", b"\1" + b"\0" * 15, b"\xff" * 16]))
)
def test_ids_are_sorted_as_the_database_sorts_them(ids: list[bytes]) -> None:
    assert list(slices(sorting.distinct(b"".join(ids)))) == sorted(set(ids))


@given(st.lists(st.text("ABCabc019-", min_size=1, max_size=36), max_size=30))
def test_names_are_packed_and_come_back_sorted_and_distinct(names: list[str]) -> None:
    packed = sorting.distinct(sorting.pack_names(names), sorting.NAME_WIDTH)
    assert sorting.unpack_names(packed) == sorted(set(names))


@pytest.mark.parametrize(
    "most, targets, expected",
    [
        (10_000, 1, 10_000),
        (10_000, 5, 10_000),
        (10_000, 6, 8_333),
        (10_000, 1_000, 50),
        (10_000, 300_000, 1),
        (1, 1, 1),
        (7, 0, 7),
    ],
)
def test_a_job_of_many_tags_has_smaller_chunks(most: int, targets: int, expected: int) -> None:
    assert sorting.size(most, targets) == expected
