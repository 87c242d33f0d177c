"""Print the reference of commands, HTTP and events, made from the code, as docs/reference holds it.

``--write`` puts it there. Given a folder as well, it writes there.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from tagsweep.producer.gateway import application
from tagsweep.producer.gateway.openapi import examples, operations
from tagsweep.worker.models.events import Completion, JobCompleted

FOLDER = Path("docs/reference")
NOTE = "<!-- made from the code: python .ci/reference.py --write -->\n"
WIDTH = 100

command_line = importlib.import_module("tagsweep.producer.cli.main")


def _paragraphs(text: str) -> str:
    """Return a help text as Markdown: its examples, which the terminal shows as typed, as code."""
    parts = []
    for part in re.split(r"\n\s*\n", text.strip()):
        literal = part.startswith("\b")
        lines = textwrap.dedent(part.removeprefix("\b").strip("\n")).splitlines()
        if literal:
            head = [lines.pop(0), ""] if lines and not lines[0].startswith(" ") else []
            code = textwrap.dedent("\n".join(lines))
            parts.append(
                "\n".join([*head, "<!-- not run: from the help -->", f"```sh\n{code}\n```"])
            )
        else:
            parts.append(textwrap.fill(" ".join(" ".join(lines).split()), WIDTH))
    return "\n\n".join(parts)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    if not getattr(command, "commands", None):
        yield path, command
    for name, each in getattr(command, "commands", {}).items():
        yield from _commands(each, f"{path} {name}")


def _option(parameter: Any) -> list[str]:
    names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    metavar = "" if getattr(parameter, "is_flag", False) else f" {parameter.metavar or ''}".rstrip()
    default = parameter.default
    shown = "" if default in (None, False, (), []) or callable(default) else f"`{default}`"
    panel = getattr(parameter, "rich_help_panel", None)
    return [names + metavar, shown, parameter.help or panel or ""]


def _command(path: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    words = [each.metavar or each.name.upper() for each in arguments]
    usage = " ".join([path, *(["[options]"] if options else []), *words])
    text = _paragraphs(command.help or "")
    rows = [[f"`{word}`", "", each.help or ""] for word, each in zip(words, arguments, strict=True)]
    rows += [_option(each) for each in options]
    head = ["argument or option", "default", "meaning"]
    table = _table(head, rows) if rows else ""
    return "\n\n".join(filter(None, [f"## {path}", f"`{usage}`", text, table]))


def commands() -> str:
    """Return the reference of the command line."""
    parts = ["# Commands", NOTE.strip(), _paragraphs(str(command_line.HELP))]
    for name in command_line.COMMANDS:
        found = _commands(command_line.load(name), f"tagsweep {name}")
        parts += [_command(*each) for each in found]
    return "\n\n".join(parts) + "\n"


def schema() -> dict[str, Any]:
    """Return the gateway's OpenAPI document."""
    app = FastAPI()
    for module, heading in application.MODULES.items():
        app.include_router(module.router, tags=[heading])
    return examples.add(operations.complete(get_openapi(title="", version="", routes=app.routes)))


def _body(operation: dict[str, Any]) -> Iterator[str]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    for summary, example in content.get("examples", {}).items():
        yield f"{summary}:"
        yield f"```json\n{json.dumps(example['value'], indent=2)}\n```"


def _answers(operation: dict[str, Any]) -> Iterator[str]:
    found = ((status, answer["description"]) for status, answer in operation["responses"].items())
    yield _table(["status", "meaning"], [[status, meaning] for status, meaning in found])
    for status, answer in operation["responses"].items():
        for media_type, content in answer.get("content", {}).items():
            if "example" in content:
                value, is_text = content["example"], isinstance(content["example"], str)
                text = value.strip() if is_text else json.dumps(value, indent=2)
                text = text.replace("\r", "")
                yield f"{status}, as `{media_type}`:"
                yield f"```{'text' if is_text else 'json'}\n{text}\n```"


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [f"### {operation['summary']}", f"`{method.upper()} {path}`"]
    parts.append(_paragraphs(operation.get("description", "")))
    rows = [
        [f"`{each['name']}`", each["in"], each.get("description", "")]
        for each in operation.get("parameters", [])
    ]
    if rows:
        parts.append(_table(["parameter", "in", "meaning"], rows))
    return "\n\n".join(filter(None, [*parts, *_body(operation), *_answers(operation)]))


def http() -> str:
    """Return the reference of the HTTP calls."""
    intro = (
        "The gateway shows the same at `/docs`, where the calls can be tried, and as OpenAPI at "
        "`/openapi.json`. How callers identify themselves, and what the gateway promises, is in "
        "[its own page](../gateway.md)."
    )
    parts = ["# HTTP", NOTE.strip(), textwrap.fill(intro, WIDTH, break_on_hyphens=False)]
    headings: dict[str, list[str]] = {}
    for path, item in schema()["paths"].items():
        for method, operation in item.items():
            shown = _operation(method, path, operation)
            headings.setdefault(operation["tags"][0], []).append(shown)
    for heading, shown_ones in headings.items():
        parts += [f"## {heading}", *shown_ones]
    return "\n\n".join(parts) + "\n"


def _comment(source: str, name: str) -> str:
    """Return the comment behind a field, in the code."""
    found = re.search(rf"^    {name}: [^#\n]*#: ([^\n]*)$", source, re.MULTILINE)
    return found[1] if found else ""


def events() -> str:
    """Return the reference of the completion events."""
    source = Path(sys.modules[Completion.__module__].__file__ or "").read_text()
    example = Completion.model_validate(
        {
            "job_id": examples.JOB,
            "kind": "detach",
            "tenant": examples.TENANT,
            "request": {"names": ["legacy"], "lists": {"tables": 2}},
            "requested_by": {"name": "nightly", "door": "http", "proved": True},
            "status": "succeeded",
            "tags": [
                {
                    "id": examples.TAG,
                    "name": "legacy",
                    "created_at": examples.MOMENT,
                    "updated_at": examples.MOMENT,
                }
            ],
            "counts": {"total": 2, "removed": 1, "absent": 1, "failed": 0, "unprocessed": 0},
            "accepted_at": examples.MOMENT,
            "started_at": examples.MOMENT,
            "finished_at": examples.MOMENT,
            "errors": [],
        }
    )
    envelope = JobCompleted(end=1, completion=example).envelope()
    always = set(example.data())
    rows = [
        [f"`{name}`", "always" if name in always else "where it applies", _comment(source, name)]
        for name in Completion.model_fields
    ]
    return (
        "\n\n".join(
            [
                "# Events",
                NOTE.strip(),
                INTRO.strip(),
                f"```json\n{json.dumps(envelope, indent=2)}\n```",
                "The members of `data`:",
                _table(["member", "is there", "meaning"], rows),
            ]
        )
        + "\n"
    )


INTRO = """
One [CloudEvents](https://cloudevents.io) 1.0 envelope for every end of a job, whichever it is,
written in the very transaction that ended the job. It is delivered at least once, each time with
the same `id`: the job's id, and the number of its end (a retry makes the job end again).

| where | how |
| --- | --- |
| Redis | the stream `tagsweep:events`; the whole event is in the field `data` |
| RabbitMQ | the topic exchange `tagsweep.events`; the routing key is the event's `type` |
| HTTP | `GET /api/v1/events`, Server-Sent Events; `Last-Event-ID` resumes without a gap |
| the store | `tagsweep events --follow` |

`TAGSWEEP_NAMESPACE` takes the place of `tagsweep` in the names of stream and exchange.
`get()` and `link` of Celery callers receive `data`.
"""

PAGES = {"cli.md": commands, "http.md": http, "events.md": events}


def main() -> None:
    """Print the pages, or write them."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--write"]
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[1]
    for name, page in PAGES.items():
        if "--write" in sys.argv:
            (root / FOLDER).mkdir(parents=True, exist_ok=True)
            (root / FOLDER / name).write_text(page())
        else:
            print(page())


if __name__ == "__main__":
    main()
