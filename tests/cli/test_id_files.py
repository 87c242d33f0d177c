"""Files of ids: what is taken, and what is refused with the way out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tagsweep.producer.cli.input import id_files
from tagsweep.producer.cli.input.id_files import Unreadable
from tests.support.cli import CommandLine, ids

A, B, C = ids(3)


def _read(content: bytes, kind: str = "tables", column: str | None = None) -> list[tuple[int, str]]:
    return list(id_files.entries(content.splitlines(keepends=True), kind, column))


RECEIPT = (
    "tag,resource_type,resource,outcome,reason\r\n"
    f"legacy,tables,{A},removed,\r\nlegacy,folders,{B},removed,\r\nlegacy,tables,{C},absent,\r\n"
)
ROWS = [
    {"tag": "legacy", "resource_type": kind, "resource": one, "outcome": "removed", "reason": None}
    for kind, one in (("tables", A), ("folders", B), ("tables", C))
]
OF_WORKSPACES = "key,value,system,workspace,outcome,reason\r\nenv,dev,false,'-w-1,removed,\r\n"


@pytest.mark.parametrize(
    "content,kind,column,found",
    [
        (f"{A}\n\n {B} \n", "tables", None, [(1, A), (3, B)]),
        (f"\n\n{A}\r\n{B}", "tables", None, [(3, A), (4, B)]),
        (f"\ufeff{A}\n", "tables", None, [(1, A)]),
        ("", "tables", None, []),
        ("\n \n", "tables", None, []),
        (f"id,name\n{A},x\n{B},y\n", "tables", "id", [(2, A), (3, B)]),
        (f'name;"id"\n"x;1";"{A}"\n', "tables", "id", [(2, A)]),
        (f"{A}\tx\n{B}\ty\n", "tables", "1", [(1, A), (2, B)]),
        (f'"{A}"\n"{B}"\n', "tables", "1", [(1, A), (2, B)]),
        (f"id\n{A}\n", "tables", "id", [(2, A)]),
        (RECEIPT, "tables", None, [(2, A), (4, C)]),
        (RECEIPT, "folders", None, [(3, B)]),
        ("\n".join(map(json.dumps, ROWS)), "tables", None, [(1, A), (3, C)]),
        (f'{{"id": "{A}"}}\n', "tables", "id", [(1, A)]),
        (OF_WORKSPACES, "workspaces", None, [(2, "-w-1")]),
    ],
)
def test_ids_are_taken_from_lines_columns_and_receipts(
    content: str, kind: str, column: str | None, found: list[tuple[int, str]]
) -> None:
    assert _read(content.encode(), kind, column) == found


@pytest.mark.parametrize(
    "content,column,way_out",
    [
        (f"{A}\n".encode("utf-16"), None, "it is UTF-16: save it as UTF-8"),
        (f"{A}\n".encode("utf-16-be"), None, "it is UTF-16: save it as UTF-8"),
        (f'["{A}", "{B}"]'.encode(), None, "it is JSON: give one id a line (jq -r '.[]')"),
        (f'[\n  "{A}"\n]\n'.encode(), None, "it is JSON: give one id a line"),
        (f'{{"id": "{A}"}}\n'.encode(), None, "name the member that holds it (--column)"),
        (
            f"id,name\n{A},x\n".encode(),
            None,
            "it is CSV: name the column that holds the ids (--column id)",
        ),
        (f"{A},{B}\n".encode(), None, "(--column 1)"),
        (f'"{A}"\n'.encode(), None, "its lines are quoted: read it as CSV (--column 1)"),
        (f"id,name\n{A},x\n".encode(), "nmae", "no column 'nmae', but 'id', 'name'"),
        (f"id,name\n{A}\n".encode(), "name", "line 2 has no column 2"),
        (f'{{"id": "{A}"}}\nx\n'.encode(), "id", "line 2 is no JSON object"),
        (f'{{"id": "{A}"}}\n{{}}\n'.encode(), "id", "line 2 has no 'id'"),
    ],
)
def test_other_files_are_refused_with_the_way_out(
    content: bytes, column: str | None, way_out: str
) -> None:
    with pytest.raises(Unreadable) as refused:
        _read(content, column=column)
    assert way_out in str(refused.value)


@pytest.mark.slow
def test_a_receipt_is_the_list_of_the_next_job(tmp_path: Path) -> None:
    run = CommandLine(tmp_path)
    run.load(tables=ids(3))
    listed = run.file("ids.csv", ["name,id", *(f"x,{one}" for one in ids(5))])
    detach = ("detach", "--tenant", "acme", "--name", "legacy", "--tables", listed)
    done = run(*detach, "--column", "id", "--json").json
    for number, form in enumerate(("csv", "ndjson")):
        receipt = run("jobs", "receipt", done["job_id"], "--outcome", "removed", "-o", form)
        (tmp_path / "receipt").write_text(receipt.out)
        attach = ("attach", "--tenant", "acme", "--name", f"again-{number}", "--tables", "@receipt")
        assert run(*attach, "--json").json["counts"]["added"] == 3
    wrong = run(*detach)
    assert (wrong.status, wrong.out) == (2, "")
    assert wrong.err == (
        "tagsweep: --tables: cannot read 'ids.csv': it is CSV: name the column that holds the ids "
        "(--column name).\n"
    )
