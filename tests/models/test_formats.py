"""Rows as CSV are opened in spreadsheets: what somebody named a tag must not be run there."""

from __future__ import annotations

import csv

import pytest

from tagsweep.worker.models import formats


def _cell(value: object) -> str:
    text = "".join(formats.comma_separated(("tag",), [{"tag": value}]))
    (_, (cell,)) = csv.reader(text.splitlines(keepends=True))
    return str(cell)


@pytest.mark.parametrize(
    "value",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1",
        '=HYPERLINK("http://a")',
        "\uff1d1",
        "\uff0b1",
        "\uff0d1",
        "\uff201",
    ],
)
def test_a_formula_is_text(value: str) -> None:
    text = "".join(formats.comma_separated(("tag",), [{"tag": value}]))
    assert text.removeprefix("tag\r\n").lstrip('"').startswith("'")


@pytest.mark.parametrize("value", ["legacy", "a=b", "1-2", "'quoted", "", " a", "3 @ home"])
def test_what_is_no_formula_stays_as_it_is(value: str) -> None:
    assert _cell(value) == value


@pytest.mark.parametrize("value,told", [(None, ""), (True, "true"), (False, "false"), (-3, "-3")])
def test_what_is_no_text_is_told_as_it_is(value: object, told: str) -> None:
    assert _cell(value) == told


def test_a_line_of_json_has_the_value_itself() -> None:
    assert list(formats.ndjson(("tag",), [{"tag": "=1+1"}])) == ['{"tag":"=1+1"}\n']
