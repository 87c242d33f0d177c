"""Compare a column with a list of any length: a statement has only so many places for values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Connection, Text, any_, bindparam, func, select


def among(
    connection: Connection, column: ColumnElement[Any], names: Sequence[str]
) -> ColumnElement[bool]:
    """Return the condition that ``column``, a text, is one of ``names``: one value for them all."""
    if connection.dialect.name == "sqlite":
        return column.in_(select(func.json_each(json.dumps(names)).table_valued("value").c.value))
    return column == any_(bindparam(None, list(names), type_=ARRAY(Text), unique=True))
