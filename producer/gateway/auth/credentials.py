"""Credentials of the gateway's callers: created, found, listed and revoked.

A key is 256 random bits, so storing its plain SHA-256 is safe: nobody can try them all, and a slow
hash would only slow down every request.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, bindparam, select, update

from tagsweep.producer.gateway.auth.grants import Grant
from tagsweep.worker.audit import trail
from tagsweep.worker.audit.actions import Action
from tagsweep.worker.models.requester import CODE, Requester
from tagsweep.worker.models.tables import Id, Moment, clock
from tagsweep.worker.models.tables import credential as table

#: how keys begin
MARK = "ts"
_ALPHABET = string.ascii_uppercase + string.digits
_COLUMNS = (
    table.c.id,
    table.c.tenant,
    table.c.operator,
    table.c.key_hash,
    table.c.access_key,
    table.c.sealed_secret,
    table.c.revoked_at,
    table.c.name,
    table.c.scopes,
    table.c.admin,
    table.c.expires_at,
)


@dataclass(frozen=True, slots=True)
class Credential:
    """Who calls, and what it may do."""

    id: UUID
    tenant: str
    operator: bool  #: may change system tags
    key_hash: bytes
    access_key: str | None
    sealed_secret: bytes | None
    revoked_at: datetime | None
    name: str | None
    scopes: str  #: separated by blanks
    admin: bool  #: spans all tenants
    expires_at: datetime | None

    @property
    def has_expired(self) -> bool:
        """Whether its end has come."""
        return self.expires_at is not None and self.expires_at <= datetime.now(UTC)

    @property
    def is_valid(self) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and not self.has_expired

    def fits(self, key: str) -> bool:
        """Return whether ``key`` is this credential's, in constant time, and not revoked."""
        return hmac.compare_digest(self.key_hash, _hash(key)) and self.revoked_at is None


@dataclass(frozen=True, slots=True)
class Created:
    """A new credential with its secrets, which cannot be read again."""

    id: UUID
    tenant: str
    key: str
    access_key: str | None = None
    secret_key: str | None = None

    def shown(self) -> dict[str, str | None]:
        """Return it as JSON."""
        own = {"id": str(self.id), "tenant": self.tenant or None, "key": self.key}
        if self.access_key is None or self.secret_key is None:
            return own
        return {**own, "access_key": self.access_key, "secret_key": self.secret_key}


def create(connection: Connection, grant: Grant, by: Requester = CODE) -> Created:
    """Create a credential, as ``by`` asks.

    Raises SettingsError if a signing secret cannot be encrypted.
    """
    prefix, credential_id = secrets.token_hex(6), uuid4()
    key = f"{MARK}_{prefix}_{secrets.token_urlsafe(32)}"
    access_key = "".join(secrets.choice(_ALPHABET) for _ in range(20)) if grant.signing else None
    secret_key = secrets.token_urlsafe(32) if grant.signing else None
    row = {
        "id": credential_id,
        "tenant": grant.tenant,
        "prefix": prefix,
        "key_hash": _hash(key),
        "operator": grant.operator,
        "access_key": access_key,
        "sealed_secret": _sealed(secret_key, credential_id) if secret_key else None,
        "name": grant.name,
        "scopes": " ".join(grant.scopes),
        "admin": grant.admin,
        "expires_at": grant.expires_at,
    }
    connection.execute(table.insert(), row)
    _note(connection, "key.create", by, (grant.tenant, credential_id), **grant.shown())
    return Created(credential_id, grant.tenant, key, access_key, secret_key)


def prefix_of(key: str) -> str | None:
    """Return the part of ``key`` by which its row is found; None if it is not a key of ours."""
    mark, _, rest = key.partition("_")
    prefix, separator, secret = rest.partition("_")
    whole = mark == MARK and separator and secret and len(prefix) == 12  # noqa: PLR2004  # as made
    return prefix if whole and prefix.isascii() and prefix.isalnum() else None


def find_by_prefix(connection: Connection, prefix: str) -> Credential | None:
    """Return the credential whose key has this prefix, revoked or not."""
    return _find(connection, table.c.prefix == prefix)


def find_by_access_key(connection: Connection, access_key: str) -> Credential | None:
    """Return the credential that signs with this access key, revoked or not."""
    return _find(connection, table.c.access_key == access_key)


def find(connection: Connection, credential_id: str) -> Credential | None:
    """Return the credential with this id, a UUID, revoked or not."""
    return _find(connection, table.c.id == UUID(credential_id))


def that_sign(connection: Connection) -> list[Credential]:
    """Return the valid credentials that sign their requests."""
    signing = table.c.access_key.is_not(None) & table.c.revoked_at.is_(None)
    rows = connection.execute(select(*_COLUMNS).where(signing).order_by(table.c.id))
    return [one for row in rows if (one := Credential(*row)).is_valid]


def revoke(connection: Connection, credential_id: UUID, by: Requester = CODE) -> bool:
    """Revoke the credential, as ``by`` asks; False if there is none, or it was revoked before."""
    this = (table.c.id == credential_id) & table.c.revoked_at.is_(None)
    statement = update(table).where(this).values(revoked_at=clock())
    revoked = connection.execute(statement.returning(table.c.tenant, table.c.name)).first()
    if revoked is None:
        return False
    _note(connection, "key.revoke", by, (revoked.tenant, credential_id), name=revoked.name)
    return True


def rotate(
    connection: Connection, old: Credential, overlap: timedelta, by: Requester = CODE
) -> Created:
    """Create a credential that allows what ``old`` does, which ends when ``overlap`` is over."""
    created = create(
        connection,
        Grant(
            old.tenant,
            old.name,
            tuple(old.scopes.split()),
            operator=old.operator,
            admin=old.admin,
            expires_at=old.expires_at,
            signing=old.access_key is not None,
        ),
        by,
    )
    _note(connection, "key.rotate", by, (old.tenant, old.id), successor=str(created.id))
    end = datetime.now(UTC) + overlap
    if old.expires_at is None or end < old.expires_at:
        this = table.c.id == old.id
        connection.execute(update(table).where(this).values(expires_at=end))
    return created


def seal_again(connection: Connection, credential: Credential, secret: str, by: Requester) -> None:
    """Encrypt the signing secret of ``credential`` with the newest key, as ``by`` asks."""
    sealed = _sealed(secret, credential.id)
    this = (table.c.id == credential.id) & (table.c.sealed_secret == credential.sealed_secret)
    connection.execute(update(table).where(this).values(sealed_secret=sealed))
    _note(connection, "key.reencrypt", by, (credential.tenant, credential.id))


def note_use(connection: Connection, used: Mapping[UUID, datetime]) -> None:
    """Record when credentials were last used, many in one statement."""
    this = bindparam("credential", type_=Id())
    statement = update(table).where(table.c.id == this)
    statement = statement.values(last_used_at=bindparam("moment", type_=Moment()))
    rows = [{"credential": id_, "moment": moment} for id_, moment in sorted(used.items())]
    connection.execute(statement, rows)


def _note(
    connection: Connection, action: Action, by: Requester, key: tuple[str, UUID], **details: Any
) -> None:
    """Note what ``by`` did to a key: its tenant, and its credential's id."""
    tenant, credential_id = key
    told = details or None
    trail.append(connection, action, by, tenant=tenant, target=str(credential_id), details=told)


def _find(connection: Connection, condition: ColumnElement[bool]) -> Credential | None:
    row = connection.execute(select(*_COLUMNS).where(condition)).one_or_none()
    return Credential(*row) if row else None


def _sealed(secret: str, owner: UUID) -> bytes:
    from tagsweep.producer.gateway.auth import (
        encryption,  # cryptography comes with the gateway, and not every worker has it
    )

    return encryption.seal(secret, owner)


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogatepass")).digest()
