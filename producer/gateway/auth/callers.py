"""Who calls: credentials, found by key and cached so briefly that revoking takes seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection
from starlette.datastructures import Headers

from tagsweep.producer.gateway.auth import credentials
from tagsweep.producer.gateway.auth.credentials import Credential
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.threadpool import Threads
from tagsweep.worker import database
from tagsweep.worker.models.requester import Requester

#: how long a revoked key may remain valid
CACHED_S = 2.0
MAX_CACHED = 10_000
#: how often the last use of credentials is recorded
NOTED_EVERY_S = 30.0

EXPIRED = "This API key has expired."

Finder = Callable[[Connection, str], Credential | None]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, authenticated."""

    tenant: str
    operator: bool
    credential: UUID
    name: str | None  #: of the key, for people
    scopes: frozenset[str]
    admin: bool

    def through(self, door: str) -> Requester:
        """Return the caller as whoever asks for something through ``door``."""
        name = self.name or str(self.credential)
        return Requester(name=name, door=door, proved=True, credential=self.credential)


class Callers:
    """Finds credentials, and remembers when each was last used."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._cache: dict[tuple[str, str], tuple[float, Credential | None]] = {}
        self._used: dict[UUID, datetime] = {}

    async def by_key(self, key: str) -> Caller | None:
        """Return the caller with this key; None if the key is unknown or revoked.

        Raises Refusal (401) if it has expired.
        """
        prefix = credentials.prefix_of(key)
        if prefix is None:
            return None
        credential = await self._find("prefix", prefix, credentials.find_by_prefix)
        if credential is None or not credential.fits(key):
            return None
        if credential.has_expired:
            raise Refusal(401, EXPIRED)
        return self.used(credential)

    async def by_access_key(self, access_key: str) -> Credential | None:
        """Return the valid credential that signs with ``access_key``; nothing is verified yet."""
        credential = await self._find("access", access_key, credentials.find_by_access_key)
        return credential if credential and credential.is_valid else None

    async def by_credential(self, credential_id: UUID) -> Caller | None:
        """Return the caller with this credential; None if it was revoked or has expired."""
        credential = await self._find("id", str(credential_id), credentials.find)
        return self.used(credential) if credential and credential.is_valid else None

    async def still_valid(self, caller: Caller) -> bool:
        """Return whether the caller's credential has been neither revoked nor expired since."""
        credential = await self._find("id", str(caller.credential), credentials.find)
        return credential is not None and credential.is_valid

    def used(self, credential: Credential) -> Caller:
        """Return the caller whose credential was verified, and note that it was used."""
        self._used[credential.id] = datetime.now(UTC)
        return Caller(
            credential.tenant,
            credential.operator,
            credential.id,
            credential.name,
            frozenset(credential.scopes.split()),
            credential.admin,
        )

    def take_used(self) -> dict[UUID, datetime]:
        """Return when credentials were last used, since the last call."""
        taken, self._used = self._used, {}
        return taken

    async def _find(self, by: str, value: str, finder: Finder) -> Credential | None:
        now = time.monotonic()
        seen, credential = self._cache.get((by, value), (-CACHED_S, None))
        if now - seen < CACHED_S:
            return credential
        credential = await self._threads.run(_read, finder, value)
        if credential is not None and credential.revoked_at is not None:
            self._forget(credential.id)
        self._cache.pop((by, value), None)
        if len(self._cache) >= MAX_CACHED:
            del self._cache[next(iter(self._cache))]
        self._cache[by, value] = (now, credential)
        return credential

    def _forget(self, revoked: UUID) -> None:
        """Drop a credential from the cache under every key, once it is known to be revoked."""
        known = self._cache.items()
        self._cache = {
            key: (seen, credential)
            for key, (seen, credential) in known
            if credential is None or credential.id != revoked
        }


def one_key(headers: Headers, name: str) -> str | None:
    """Return the header ``name``; None if it is missing, or repeated with another value."""
    given = set(headers.getlist(name))
    return given.pop().strip() if len(given) == 1 else None


def note_use(used: dict[UUID, datetime]) -> None:
    """Record when credentials were last used."""
    if used:
        with database.transaction() as connection:
            credentials.note_use(connection, used)


def _read(finder: Finder, value: str) -> Credential | None:
    with database.reading() as connection:
        return finder(connection, value)
