"""Print the man pages of ``tagsweep``, made from its help, as docs/man holds them.

``--write`` puts them there. Given a folder as well, it writes there. The wheel installs them into
share/man, where ``man tagsweep-detach`` finds them.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

FOLDER = Path("docs/man")
#: begins a block of help that keeps its lines
KEPT = "\b"
STATUS = "Exit status:"

command_line = importlib.import_module("tagsweep.producer.cli.main")


def pages() -> dict[str, str]:
    """Return every page by the name of its file."""
    summaries = command_line.COMMANDS
    found = {"tagsweep.1": _main_page(get_command(command_line.app), summaries)}
    for name, summary in summaries.items():
        found[f"tagsweep-{name}.1"] = _page(name, summary, command_line.load(name))
    return found


def _main_page(command: Any, summaries: dict[str, str]) -> str:
    text, _, statuses = command_line.HELP.partition(STATUS)
    text, _, examples = text.partition(f"{KEPT}\nExamples:")
    lines = [
        *_title("tagsweep", "remove tags from very many resources"),
        ".SH SYNOPSIS",
        r"\fBtagsweep\fR [\fIOPTIONS\fR] \fICOMMAND\fR [\fIARGUMENTS\fR]",
        ".SH DESCRIPTION",
        *_text(text),
        ".SH COMMANDS",
    ]
    for name, summary in summaries.items():
        lines += [".TP", rf"\fB{_escaped(f'tagsweep-{name}')}\fR(1)", _escaped(summary)]
    lines += [".SH OPTIONS", *_options(command), ".SH EXIT STATUS", *_statuses(statuses)]
    lines += [".SH EXAMPLES", *_text(KEPT + examples)]
    return "\n".join(lines) + "\n"


def _statuses(text: str) -> Iterator[str]:
    for each in " ".join(text.split()).rstrip(".").split("; "):
        status, _, meaning = each.partition(" ")
        yield from (".TP", rf"\fB{status}\fR", _escaped(meaning))


def _page(name: str, summary: str, command: Any) -> str:
    leaves = [*_leaves(f"tagsweep {name}", command)]
    lines = [*_title(f"tagsweep-{name}", summary.rstrip(".")), ".SH SYNOPSIS"]
    for path, each in leaves:
        lines += [_usage(path, each), ".br"]
    lines[-1:] = [".SH DESCRIPTION", *_text(inspect.cleandoc(command.help or "") or summary)]
    if len(leaves) == 1:
        lines += [*_arguments(command), ".SH OPTIONS", *_options(command)]
    else:
        lines += [".SH COMMANDS"]
        for path, each in leaves:
            lines += [f'.SS "{_escaped(path)}"', *_text(inspect.cleandoc(each.help or ""))]
            lines += [*_arguments(each), *_options(each)]
    return "\n".join([*lines, ".SH SEE ALSO", r"\fBtagsweep\fR(1) has the exit statuses.", ""])


def _leaves(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Yield each command that can be typed, with its whole name."""
    subcommands = getattr(command, "commands", {})
    if not subcommands:
        yield path, command
    for name, each in subcommands.items():
        yield from _leaves(f"{path} {name}", each)


def _usage(path: str, command: Any) -> str:
    words = [rf"\fI{_escaped(_value(each))}\fR" for each in _of(command, "argument")]
    required = [
        rf"\fB{_escaped(each.opts[0])}\fR \fI{_escaped(_value(each))}\fR"
        for each in _of(command, "option")
        if each.required
    ]
    return " ".join([rf"\fB{_escaped(path)}\fR", *words, *required, r"[\fIOPTIONS\fR]"])


def _of(command: Any, kind: str) -> list[Any]:
    return [
        each
        for each in command.params
        if each.param_type_name == kind and not getattr(each, "hidden", False)
    ]


def _arguments(command: Any) -> Iterator[str]:
    for each in _of(command, "argument"):
        yield from (".TP", rf"\fI{_escaped(_value(each))}\fR", _escaped(each.help or ""))


def _options(command: Any) -> Iterator[str]:
    for each in _of(command, "option"):
        names = ", ".join(rf"\fB{_escaped(name)}\fR" for name in (*each.opts, *each.secondary_opts))
        value = "" if each.is_flag else rf" \fI{_escaped(_value(each))}\fR"
        told = each.help or getattr(each, "rich_help_panel", None) or ""
        yield from (".TP", names + value, _escaped(f"{told} {_default(each)}".strip()))


def _default(option: Any) -> str:
    default = option.default
    is_none = default in (None, False, (), []) or callable(default)
    return "" if is_none else f"Default: {default}."


def _value(parameter: Any) -> str:
    """Return what stands for the value of an option or argument."""
    return str(parameter.metavar or parameter.name.replace("_", "-")).upper()


def _text(text: str) -> Iterator[str]:
    """Yield paragraphs; those that begin with KEPT keep their lines."""
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        yield ".PP"
        if paragraph.startswith(KEPT):
            kept = textwrap.dedent(paragraph.removeprefix(KEPT).strip("\n")).split("\n")
            yield from (".nf", *map(_escaped, kept), ".fi")
        else:
            yield _escaped(" ".join(paragraph.split()))


def _title(name: str, summary: str) -> tuple[str, ...]:
    head = f'.TH "{_escaped(name.upper())}" 1 "" tagsweep "tagsweep manual"'
    own = summary[0].lower() + summary[1:]
    # no hyphenation, ragged right: names and URLs stay whole
    return head, ".nh", ".ad l", ".SH NAME", rf"{_escaped(name)} \- {_escaped(own)}"


def _escaped(text: str) -> str:
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")
    escaped = escaped.replace("`", r"\(ga").replace("~", r"\(ti").replace("^", r"\(ha")
    return r"\&" + escaped if escaped.startswith(".") else escaped


def main() -> None:
    """Print the pages, or write them."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--write"]
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[1]
    for name, page in pages().items():
        if "--write" in sys.argv:
            (root / FOLDER).mkdir(parents=True, exist_ok=True)
            (root / FOLDER / name).write_text(page)
        else:
            print(page)


if __name__ == "__main__":
    main()
