"""Dead letters: messages that no job comes of, kept in the table ``set_aside`` for inspection."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

from sqlalchemy import Connection

from tagsweep.worker import database
from tagsweep.worker.jobs import queries
from tagsweep.worker.models.tables import set_aside as set_aside_table

#: characters that are kept of a message
MOST_BODY = 65_536


def keep(task: str, task_id: str, body: object, reason: str) -> bool:
    """Keep a message that reached no task; return whether its id already belongs to a job."""
    with database.transaction() as connection:
        put(connection, task, task_id, body, reason)
        try:
            return queries.find(connection, UUID(task_id)) is not None
        except ValueError:
            return False


def put(connection: Connection, task: str, task_id: str, body: object, reason: str) -> None:
    """Keep a message, as far as MOST_BODY goes, and why no job comes of it."""
    text = body if isinstance(body, str) else json.dumps(body, default=str)
    row = {
        "id": uuid4(),
        "task": _storable(task, 255),
        "task_id": _storable(task_id, 255),
        "reason": _storable(reason, MOST_BODY),
        "body": _storable(text, MOST_BODY),
    }
    connection.execute(set_aside_table.insert(), row)


def _storable(text: str, most: int) -> str:
    """Return ``text`` in a form that every database takes."""
    return text[:most].replace("\0", "\ufffd").encode(errors="replace").decode()
