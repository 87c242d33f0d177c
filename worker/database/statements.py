"""Statements written as SQL, in which ``@tag`` stands for the store's table ``tag``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import TextClause, bindparam
from sqlalchemy.ext.compiler import compiles

from tagsweep.worker.models.tables import metadata

_TABLES = {table.name: table for table in metadata.sorted_tables}
_NAMED = re.compile(r"@(\w+)")


class Statement(TextClause):
    """SQL whose tables are written as the engine names them: quoted, with their schema."""

    inherit_cache = True


def typed(sql: str, types: Mapping[str, Any]) -> TextClause:
    """Return ``sql``, which knows the types of those of its bind parameters that have one.

    ``IN :unless``: a parameter after IN is a list, which is written out.
    """
    named = set(re.findall(r":(\w+)", sql)) & types.keys()
    listed = set(re.findall(r"\bIN :(\w+)", sql))
    return Statement(sql).bindparams(
        *(bindparam(name, type_=types[name], expanding=name in listed) for name in named)
    )


@compiles(Statement)
def _compile(statement: Statement, compiler: Any, **options: Any) -> str:
    written: str = compiler.visit_textclause(statement, **options)
    names = compiler.preparer
    return _NAMED.sub(lambda match: names.format_table(_TABLES[match[1]]), written)
