"""Redis that answers but refuses."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from tests.servers import Redis
from tests.servers.processes import free_port, wait_until
from tests.weather.refusals import Refusal, Switch, again_and_again, silent

#: whom the refusals of rights mean; everybody else may do everything
USER, PASSWORD = "weather", "weather-0123"
ALL_RIGHTS = ["reset", "on", f">{PASSWORD}", "~*", "&*", "+@all"]
BACK_S = 20


@contextmanager
def control(server: Redis) -> Iterator[Any]:
    """Connect as the default user, whom no refusal of rights means."""
    with redis.Redis(port=server.port, socket_timeout=BACK_S) as client:
        yield client


def prepare(server: Redis) -> None:
    """Make the user ``USER``, who may do everything, also after a restart."""
    server.settings["user"] = " ".join([USER, *ALL_RIGHTS])
    with control(server) as client:
        client.execute_command("ACL", "SETUSER", USER, *ALL_RIGHTS)


def url_of(url: str) -> str:
    """Return ``url`` for the user ``USER``."""
    return url.replace("redis://", f"redis://{USER}:{PASSWORD}@")


def drop_clients(client: Any) -> None:
    """Close every connection but the client's own."""
    for kind in ("normal", "pubsub"):
        client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")


def configured(*, drop: bool = False, **values: str) -> Switch[Redis]:
    """Set parameters of the server, and set them back; ``drop``: all connect anew meanwhile."""

    @contextmanager
    def switch(server: Redis) -> Iterator[None]:
        wanted = {name.replace("_", "-"): value for name, value in values.items()}
        with control(server) as client:
            usual = {name: client.config_get(name)[name] for name in wanted}
            for name, value in wanted.items():
                client.config_set(name, value)
            if drop:
                drop_clients(client)
            try:
                yield
            finally:
                for name, value in usual.items():
                    client.config_set(name, value)

    return switch


def without(*rules: str) -> Switch[Redis]:
    """Take rights from the user ``USER``, in the words of ``ACL SETUSER``."""

    @contextmanager
    def switch(server: Redis) -> Iterator[None]:
        with control(server) as client:
            client.execute_command("ACL", "SETUSER", USER, *rules)
            drop_clients(client)
            try:
                yield
            finally:
                client.execute_command("ACL", "SETUSER", USER, *ALL_RIGHTS)

    return switch


@contextmanager
def password_wanted(server: Redis) -> Iterator[None]:
    """Ask everybody who names no user for a password (NOAUTH)."""
    with control(server) as client:
        client.execute_command("ACL", "SETUSER", "default", "resetpass", ">another")
        drop_clients(client)
        try:
            yield
        finally:
            client.execute_command("ACL", "SETUSER", "default", "nopass")


@contextmanager
def replica(server: Redis, *, stale: bool = True) -> Iterator[None]:
    """Make it the replica of a master that nobody finds: READONLY; not stale: MASTERDOWN."""
    with control(server) as client:
        client.config_set("replica-serve-stale-data", "yes" if stale else "no")
        client.replicaof("127.0.0.1", str(free_port()))
        try:
            yield
        finally:
            client.replicaof("NO", "ONE")
            client.config_set("replica-serve-stale-data", "yes")


@contextmanager
def master_down(server: Redis) -> Iterator[None]:
    """Make it a replica without a master that answers no reads either."""
    with replica(server, stale=False):
        yield


@contextmanager
def busy(server: Redis) -> Iterator[None]:
    """Run a script that does not end: others are told BUSY."""

    def run() -> None:
        with (
            redis.Redis(port=server.port, socket_timeout=None) as client,
            contextlib.suppress(redis.RedisError),
        ):
            client.eval("while true do end", 0)

    def ended() -> bool:
        with contextlib.suppress(redis.RedisError):
            client.script_kill()
        return not thread.is_alive()

    thread = threading.Thread(target=run, name="busy")
    with control(server) as client:
        client.config_set("busy-reply-threshold", "50")
        thread.start()
        try:
            yield
        finally:
            assert wait_until(ended, seconds=BACK_S)
            client.config_set("busy-reply-threshold", "5000")


@contextmanager
def not_saved(server: Redis) -> Iterator[None]:
    """Let snapshots fail, so that writes are refused (MISCONF)."""
    obstacle = server.folder / "dump.rdb"
    with control(server) as client:
        obstacle.unlink(missing_ok=True)
        obstacle.mkdir()
        client.config_set("save", "3600 1")
        client.bgsave()
        failed = wait_until(lambda: _last_save(client) == "err", seconds=BACK_S)
        try:
            assert failed
            yield
        finally:
            client.config_set("save", "")
            obstacle.rmdir()


def _last_save(client: Any) -> str:
    return str(client.info("persistence")["rdb_last_bgsave_status"])


@contextmanager
def loading(server: Redis) -> Iterator[None]:
    """Restart it with data that take some seconds to load; it must keep them on disk."""
    with control(server) as client:
        for number in range(300):
            client.set(f"loaded-{number}", "x" * 2_000)
        client.execute_command("BGREWRITEAOF")
        assert wait_until(lambda: _rewritten(client), seconds=BACK_S)
    server.stop()
    slowly = {"key-load-delay": "10000", "loading-process-events-interval-bytes": "2048"}
    server.settings |= slowly
    starting = threading.Thread(target=server.start, name="loading")
    starting.start()
    try:
        yield
    finally:
        starting.join()
        for name in slowly:
            del server.settings[name]


def _rewritten(client: Any) -> bool:
    found = client.info("persistence")
    return not (found["aof_rewrite_in_progress"] or found["aof_rewrite_scheduled"])


def paused(mode: str) -> Switch[Redis]:
    """Let it answer nobody (``ALL``), or no writes (``WRITE``)."""

    @contextmanager
    def switch(server: Redis) -> Iterator[None]:
        # short ones: in the first of these modes, even their end has to wait for it
        order = ("CLIENT", "PAUSE", 600, mode)
        with control(server) as one, again_and_again(lambda: one.execute_command(*order), 0.5):
            yield

    return switch


@contextmanager
def dropping(server: Redis) -> Iterator[None]:
    """Close all connections, ten times a second."""
    with control(server) as client, again_and_again(lambda: drop_clients(client), 0.1):
        yield


@contextmanager
def forgetting_scripts(server: Redis) -> Iterator[None]:
    """Forget all scripts, a hundred times a second."""
    with control(server) as client, again_and_again(client.script_flush, 0.01):
        yield


@contextmanager
def stopped(server: Redis) -> Iterator[None]:
    """Let the server fall silent."""
    assert server.pid
    with silent(server.pid):
        yield


#: what a user may be kept from
CATEGORIES = ["write", "read", "scripting", "pubsub", "list", "hash", "sortedset", "stream", "set"]

REFUSALS: list[Refusal[Redis]] = [
    Refusal("read-only", replica, core=True),
    Refusal("master-down", master_down, connected=False),
    Refusal("out-of-memory", configured(maxmemory="1"), core=True),
    *(Refusal(f"no-right-to-{one}", without(f"-@{one}"), connected=False) for one in CATEGORIES),
    Refusal("no-right-on-keys", without("resetkeys", "~other*"), connected=False),
    Refusal("no-right-on-channels", without("resetchannels"), connected=False),
    Refusal("another-password", without("resetpass", ">another"), connected=False),
    Refusal("user-off", without("off"), connected=False),
    Refusal("busy", busy, core=True, connected=False),
    Refusal("not-saved", not_saved),
    Refusal("loading", loading, connected=False),
    Refusal("no-replicas", configured(min_replicas_to_write="1")),
    Refusal("crowded", configured(drop=True, maxclients="1"), connected=False),
    Refusal("paused", paused("ALL"), connected=False),
    Refusal("writes-paused", paused("WRITE"), connected=False),
    Refusal("dropping", dropping, connected=False),
    Refusal("forgetting-scripts", forgetting_scripts),
    Refusal("silent", stopped, connected=False),
]
