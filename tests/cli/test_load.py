"""`tagsweep load`: a file whole, or nothing of it."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import CommandLine, ids


@pytest.fixture
def run(tmp_path: Path) -> CommandLine:
    """The command in an empty folder, everything embedded."""
    return CommandLine(tmp_path)


def lines(*entries: dict[str, Any]) -> str:
    return "".join(json.dumps(entry) + "\n" for entry in entries)


GOOD = {"tenant": "acme", "name": "legacy", "tables": ids(3)}


@pytest.mark.slow
def test_tags_links_and_workspaces_are_loaded(run: CommandLine) -> None:
    workspace = {
        "tenant": "p-1",
        "workspace": "w-1",
        "tags": [{"key": "env", "value": "dev"}, {"key": "owner"}],
        "sys_tags": [{"key": "env", "value": "x"}],
    }
    text = lines(GOOD, {"tenant": "acme", "name": " pii ", "sources": ids(2)}, workspace)
    loaded = run("load", "-", "--json", stdin=text)
    assert (loaded.status, loaded.json) == (0, {"lines": 3, "links": 5, "workspace_tags": 3})
    assert run.count("tag_link") == 5
    assert run.count("tag", "name = 'pii'") == 1
    assert run.count("workspace_tag", "system") == 1


@pytest.mark.slow
def test_loading_again_changes_nothing(run: CommandLine) -> None:
    run.load(tables=ids(30_000), volumes=ids(10))
    run.load(tables=ids(30_000), volumes=ids(10))
    assert run.count("tag_link") == 30_010


@pytest.mark.slow
def test_an_id_that_stands_twice_in_a_line_is_one_link(run: CommandLine) -> None:
    again = [one.upper() for one in ids(3)]
    run.load(tables=ids(3) + again)
    assert run.count("tag_link") == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "line,fault",
    [
        ('{"tenant": "acme", ', "not valid JSON"),
        ("[]", "Expected a JSON object"),
        ('{"tenant": "a", "tenant": "b", "name": "x"}', "occurs twice"),
        (lines({**GOOD, "tabels": []}), "tabels: Unknown field. Did you mean tables?"),
        (lines({**GOOD, "tenant": "a b"}), "tenant: Must be 1 to 36"),
        (lines({**GOOD, "name": "  "}), "name: This field may not be blank"),
        (lines({**GOOD, "name": "n" * 256}), "name: Ensure this field has no more than 255"),
        (lines({**GOOD, "name": "a\0b"}), "name: Null characters"),
        (lines({**GOOD, "tables": [ids(1)[0], "abc"]}), "tables, item 2: Must be a valid UUID"),
        (lines({"tenant": "a"}), "name: This field is required"),
        (
            lines({"tenant": "a", "workspace": "w", "tags": [{"key": " "}]}),
            "tags, item 1, key: This field may not be blank",
        ),
        (
            lines({"tenant": "a", "workspace": "w", "tags": [{"key": "k" * 256}]}),
            "key: Ensure this field has no more than 255",
        ),
        (
            lines({"tenant": "a", "workspace": "w", "tags": [{"key": "k", "value": "v" * 1025}]}),
            "value: Ensure this field has no more than 1024",
        ),
        (
            lines({"tenant": "a", "workspace": "w", "tags": [{"key": "k"}, {"key": "k"}]}),
            'tags: The key "k" is given more than once',
        ),
    ],
)
def test_a_faulty_file_loads_nothing_and_names_the_line(
    run: CommandLine, line: str, fault: str
) -> None:
    (run.folder / "tags.ndjson").write_text(lines(GOOD) + "\n" + line.strip() + "\n")
    refused = run("load", "tags.ndjson")
    assert refused.status == 2
    assert "tags.ndjson, line 3: " in refused.err
    assert fault in refused.err
    assert "Traceback" not in refused.err
    assert run.count("tag") == run.count("tag_link") == run.count("workspace") == 0


@pytest.mark.slow
def test_a_file_that_is_not_there_is_told(run: CommandLine) -> None:
    refused = run("load", "nowhere.ndjson")
    assert (refused.status, refused.out) == (2, "")
    assert "nowhere.ndjson" in refused.err
    assert len(refused.err.splitlines()) == 1


@pytest.mark.slow
def test_a_byte_order_mark_before_a_line_is_passed_over(run: CommandLine) -> None:
    mark = codecs.BOM_UTF8
    one, two = (lines({**GOOD, "name": name}).encode() for name in ("one", "two"))
    (run.folder / "tags.ndjson").write_bytes(mark + one + b"\n" + mark + two)
    assert run("load", "tags.ndjson").status == 0
    assert run.count("tag") == 2
