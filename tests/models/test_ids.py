"""Ids packed as 16 bytes each, in whatever spelling they come."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagsweep.worker.models.ids import (
    RESOURCE_TYPES,
    UnreadableIds,
    count,
    name_of,
    number_of,
    pack,
    slices,
    unpack,
)

ONE = UUID("8d5e2b9e-1c3a-4f70-9b1d-00ffab12cd34")
SPELLINGS = [
    str(ONE),
    str(ONE).upper(),
    ONE.hex,
    ONE.hex.upper(),
    ONE.urn,
    f"{{{ONE}}}",
    f"{{{ONE.hex}}}",
    f"urn:uuid:{ONE.hex}",
    "8d5e2b9e1c3a-4f70-9b1d00ffab12cd34",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_id_is_packed_alike_in_any_spelling(spelling: str) -> None:
    assert pack([spelling]) == ONE.bytes
    assert pack([str(ONE), spelling, str(ONE)]) == ONE.bytes * 3


@given(st.lists(st.uuids()))
def test_what_was_packed_comes_back_in_its_order(ids: list[UUID]) -> None:
    texts = [str(one) for one in ids]
    packed = pack(texts)
    assert len(packed) == 16 * len(ids)
    assert list(unpack(packed)) == texts
    assert list(slices(packed)) == [one.bytes for one in ids]
    assert count(packed) == len(ids)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "x",
        str(ONE)[:-1],
        str(ONE) + "0",
        str(ONE).replace("8", "g", 1),
        f"{ONE}\n",
        f"{ONE}\n{ONE}",
        f" {ONE}",
        None,
        7,
        1.5,
        True,
        ONE.bytes,
        [str(ONE)],
        {"id": str(ONE)},
    ],
)
def test_what_is_no_uuid_is_told_by_its_position(value: object) -> None:
    with pytest.raises(UnreadableIds) as raised:
        pack([str(ONE), value, str(ONE), value])
    assert raised.value.positions == [1, 3]


def test_positions_are_right_beyond_a_block() -> None:
    ids: list[object] = [str(ONE)] * 120_000
    for at in (0, 49_999, 50_000, 119_999):
        ids[at] = "x"
    with pytest.raises(UnreadableIds) as raised:
        pack(ids)
    assert raised.value.positions == [0, 49_999, 50_000, 119_999]


def test_the_number_of_a_type_is_its_place_in_the_contract() -> None:
    numbers = [number_of(name) for name in RESOURCE_TYPES]
    assert numbers == list(range(1, 9))
    assert [name_of(number) for number in numbers] == list(RESOURCE_TYPES)
    assert (
        *("sources", "transformations", "destinations", "visualizations"),
        *("layers", "folders", "tables", "volumes"),
    ) == RESOURCE_TYPES
