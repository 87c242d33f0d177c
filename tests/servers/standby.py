"""A PostgreSQL server that follows another one, until it is promoted."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import psycopg

from tests.servers.postgres import Postgres
from tests.servers.processes import wait_until
from tests.servers.server import START_TIMEOUT_S, run


class Standby(Postgres):
    """A copy of ``primary``, made at the first start, which follows it asynchronously."""

    def __init__(self, primary: Postgres, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(settings=settings)
        self._primary = primary

    def prepare(self) -> None:
        """Copy the primary as it is now."""
        super().prepare_user()
        where = ["--host=127.0.0.1", f"--port={self._primary.port}", "--username=postgres"]
        how = ["--pgdata=data", "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        run([self._programs / "pg_basebackup", *where, *how], self)

    def promote(self) -> None:
        """Let it take over; returns once it takes writes."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SELECT pg_promote(true)")
        wait_until(lambda: not self.is_following(), seconds=START_TIMEOUT_S)

    def is_following(self) -> bool:
        """Return whether it only repeats what its primary does."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
        return bool(row and row[0])

    def knows_all(self) -> bool:
        """Return whether it has everything that the primary, which runs, has written."""
        with psycopg.connect(self._primary.url, autocommit=True) as connection:
            row = connection.execute("SELECT pg_current_wal_lsn()").fetchone()
        query = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
        with psycopg.connect(self.url, autocommit=True) as connection:
            known = connection.execute(query, row).fetchone()
        return bool(known and known[0])

    def moved(self, url: str) -> str:
        """Return the URL, here, of a database of the primary's."""
        return self.url.removesuffix("/postgres") + urlsplit(url).path
