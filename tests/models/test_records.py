"""A chunk: what it holds, whether as a list or as a range."""

from __future__ import annotations

from uuid import UUID

from tagsweep.worker.models.records import Chunk


def test_the_ends_of_a_list_are_its_lowest_and_highest_id() -> None:
    ids = [UUID(int=at) for at in range(1, 4)]
    chunk = Chunk(0, 7, 3, b"".join(one.bytes for one in ids))
    assert (chunk.ends, chunk.is_range) == ((ids[0], ids[2]), False)
    assert chunk.cut(0, 1).ends == (ids[0], ids[0])


def test_the_ends_of_a_range_are_those_that_span_it() -> None:
    low, high = UUID(int=1), UUID(int=9)
    chunk = Chunk(0, 7, 3, span=(str(low), str(high)))
    assert (chunk.ends, chunk.is_range) == ((low, high), True)


def test_what_lists_a_range_is_no_range() -> None:
    chunk = Chunk(0, 0, 3, span=("a", "c")).listing(names=["a", "b"], target=1)
    assert (chunk.is_range, chunk.names, chunk.targets, chunk.items) == (False, ["a", "b"], [1], 2)


def test_a_chunk_of_workspaces_is_about_no_links() -> None:
    assert not Chunk(0, 0, 1, names=["w"]).about_links
    assert Chunk(0, 7, 1, UUID(int=1).bytes).about_links
