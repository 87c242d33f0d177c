"""The extras of the distribution: which one a missing module comes with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

#: by top-level module; those of an extra's own requirements, and what we import of theirs
EXTRAS = {
    "rich": "cli",
    "shellingham": "cli",
    "typer": "cli",
    "alembic": "worker",
    "numpy": "worker",
    "psycopg": "worker",
    "sqlalchemy": "worker",
    "cryptography": "worker",
    "fastapi": "gateway",
    "h11": "worker",
    "jinja2": "gateway",
    "prometheus_client": "gateway",
    "starlette": "gateway",
    "structlog": "gateway",
    "uvicorn": "gateway",
    "django": "django",
}


class MissingExtra(ImportError):
    """What was asked for comes with an extra that is not installed."""


def check(extra: str) -> None:
    """Raise MissingExtra if a module that comes with ``extra`` is not installed."""
    for module, name in EXTRAS.items():
        if name == extra and find_spec(module) is None:
            raise _missing(extra, module)


@contextmanager
def required(extra: str | None = None) -> Iterator[None]:
    """Raise MissingExtra for a module that comes with an extra and is not installed.

    ``extra`` is named in place of the module's own, which may be only the first of several.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in EXTRAS:
            raise
        raise _missing(extra or EXTRAS[module], module) from None


def _missing(extra: str, module: str) -> MissingExtra:
    return MissingExtra(
        f"This needs the extra {extra!r} of tagsweep, which is not installed ({module} is "
        f"missing): install tagsweep[{extra}]."
    )
