"""What signing in and out does in the store: each function is one transaction, run in a thread."""

from __future__ import annotations

from uuid import UUID

from tagsweep.producer.gateway.auth import credentials, sessions
from tagsweep.producer.gateway.auth.callers import Caller
from tagsweep.producer.gateway.auth.sessions import Lifetime
from tagsweep.worker import database
from tagsweep.worker.audit import trail
from tagsweep.worker.models.requester import Requester


def use_link(token: str) -> UUID | None:
    """Return the credential of a one-time link, which works no more; None if it does not work."""
    with database.transaction() as connection:
        return sessions.use_link(connection, token)


def begin(before: str, caller: Caller, lifetime: Lifetime, address: str) -> str:
    """Begin a session in place of the one ``before``, and return its token."""
    with database.transaction() as connection:
        sessions.end(connection, before)
        by, details = caller.through("console"), {"address": address}
        trail.append(connection, "console.sign_in", by, tenant=caller.tenant, details=details)
        return sessions.begin(connection, caller.credential, lifetime)


def end(token: str, caller: Caller) -> None:
    """End the session."""
    with database.transaction() as connection:
        sessions.end(connection, token)
        by = caller.through("console")
        trail.append(connection, "console.sign_out", by, tenant=caller.tenant)


def note_failure(key: str, address: str) -> None:
    """Note that somebody tried a key that is ours, but wrong, revoked or expired.

    Other attempts are not noted: whoever knows no key could fill the store with them.
    """
    with database.transaction() as connection:
        known = credentials.find_by_prefix(connection, credentials.prefix_of(key) or "")
        if known is not None:
            trail.append(
                connection,
                "console.sign_in_failed",
                Requester(door="console"),
                tenant=known.tenant,
                target=str(known.id),
                details={"address": address},
            )
