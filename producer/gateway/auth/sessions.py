"""Sessions of the console, and one-time links that begin one.

Both are 256 random bits whose SHA-256 is stored, each bound to the credential that it stands for. A
session ends when it is not used, when it is old, and with its credential.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, or_, select, update

from tagsweep.worker.models.tables import ago, clock, console_session, sign_in_link
from tagsweep.worker.settings import Settings

#: how long a one-time link works
LINK_S = 600.0
#: how often the use of a session is noted at most
NOTED_EVERY_S = 30.0


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a session lasts."""

    idle: timedelta
    whole: timedelta

    @classmethod
    def of(cls, settings: Settings) -> Lifetime:
        """Return what the settings say."""
        idle = timedelta(minutes=settings.session_idle_minutes)
        return cls(idle, timedelta(hours=settings.session_hours))

    def over(self) -> ColumnElement[bool]:
        """Return the condition that a session is over."""
        unused = console_session.c.seen_at <= ago(self.idle.total_seconds())
        return or_(unused, console_session.c.created_at <= ago(self.whole.total_seconds()))


def begin(connection: Connection, credential_id: UUID, lifetime: Lifetime) -> str:
    """Begin a session and return its token; sessions that are over are deleted."""
    connection.execute(delete(console_session).where(lifetime.over()))
    return _insert(connection, console_session, credential_id)


@dataclass(frozen=True, slots=True)
class Session:
    """A session that is not over."""

    credential: UUID
    noted: bool  #: its use was noted a moment ago


def find(connection: Connection, tokens: Iterable[str], lifetime: Lifetime) -> dict[str, Session]:
    """Return those of these sessions that there are and that are not over, by their tokens."""
    hashes = {_hash(token): token for token in tokens}
    noted = console_session.c.seen_at >= ago(NOTED_EVERY_S)
    query = select(console_session.c.token_hash, console_session.c.credential_id, noted)
    these = console_session.c.token_hash.in_(list(hashes))
    rows = connection.execute(query.where(these, ~lifetime.over()))
    return {hashes[bytes(row[0])]: Session(row[1], bool(row[2])) for row in rows}


def note_use(connection: Connection, token: str) -> None:
    """Let the session's idle time start anew."""
    this = console_session.c.token_hash == _hash(token)
    connection.execute(update(console_session).where(this).values(seen_at=clock()))


def end(connection: Connection, token: str) -> None:
    """End the session."""
    connection.execute(delete(console_session).where(console_session.c.token_hash == _hash(token)))


def make_link(connection: Connection, credential_id: UUID) -> str:
    """Return the token of a new link, which works once and for LINK_S; old ones are deleted."""
    connection.execute(delete(sign_in_link).where(sign_in_link.c.created_at <= ago(LINK_S)))
    return _insert(connection, sign_in_link, credential_id)


def use_link(connection: Connection, token: str) -> UUID | None:
    """Return the credential of a link, which works no more; None if it does not work."""
    this = and_(sign_in_link.c.token_hash == _hash(token), sign_in_link.c.created_at > ago(LINK_S))
    used = delete(sign_in_link).where(this).returning(sign_in_link.c.credential_id)
    found: UUID | None = connection.execute(used).scalar()
    return found


def _insert(connection: Connection, table: Table, credential_id: UUID) -> str:
    token = secrets.token_urlsafe(32)
    row = {"token_hash": _hash(token), "credential_id": credential_id}
    connection.execute(table.insert(), row)
    return token


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
