"""The settings as one frozen object: names, defaults, bounds, and what follows from them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import SettingsConfigDict

from tagsweep.worker import redaction
from tagsweep.worker.errors import SettingsError
from tagsweep.worker.redaction import masked
from tagsweep.worker.settings import urls
from tagsweep.worker.settings.database_url import normal
from tagsweep.worker.settings.server_url import check
from tagsweep.worker.settings.urls import AMQP, MEMORY, REDIS, SENTINEL, scheme
from tagsweep.worker.settings.webhooks import WebhookSettings

#: the default prefix of all names on a broker
NAMESPACE = "tagsweep"
#: result backends other than Redis
RESULTS = ("rpc", "cache+memory", "disabled")
#: a setting whose field cannot have the variable's name: pydantic models have a method ``schema``
_SCHEMA = "TAGSWEEP_SCHEMA"
#: characters of a key that encrypts
SHORTEST_KEY = 32
#: never shown, not even if they are invalid
_SECRET = ("TAGSWEEP_SECRET_KEY", "TAGSWEEP_API_KEY", "TAGSWEEP_SENTINEL_PASSWORD")


def _header(key: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]+", key.get_secret_value()):
        raise ValueError("must be printable ASCII without spaces")
    return key


def _keys(keys: SecretStr) -> SecretStr:
    if any(len(key.strip()) < SHORTEST_KEY for key in keys.get_secret_value().split(",")):
        raise ValueError(
            f"must be {SHORTEST_KEY} characters or more, or several such keys, the newest first, "
            "separated by commas"
        )
    return keys


def _schema(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,62}", name):
        raise ValueError(
            "must be the name of a PostgreSQL schema: up to 63 letters a to z, digits, _ and -, "
            "starting with a letter or _; capital letters are kept"
        )
    if name.startswith("pg_") or name == "information_schema":
        raise ValueError("is reserved by PostgreSQL: choose another name")
    return name


class Settings(WebhookSettings):
    """All settings; each is ``TAGSWEEP_…`` in the environment and has its unit in its name."""

    model_config = SettingsConfigDict(
        env_prefix="TAGSWEEP_", frozen=True, env_ignore_empty=True, populate_by_name=True
    )

    database_url: Annotated[str, AfterValidator(normal)] = "sqlite:///tagsweep.db"
    #: the schema of the tables on PostgreSQL; SQLite has none
    schema_name: Annotated[str, AfterValidator(_schema)] = Field(
        "tagsweep", validation_alias=_SCHEMA
    )
    #: the file that maps tags in tables of the operator's own
    map: Path | None = None
    #: whether PostgreSQL is reached through a transaction pooler; None: detected
    pooler: Literal["transaction", "none"] | None = None
    broker_url: Annotated[str, AfterValidator(check(MEMORY, *REDIS, *AMQP))] = "memory://"
    events_url: Annotated[str, AfterValidator(check(*urls.EVENT_SCHEMES))] | None = None
    results_url: Annotated[str, AfterValidator(check(*REDIS, *RESULTS))] | None = None
    #: tells apart installations that share a broker
    namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] = NAMESPACE
    #: the name by which sentinels know the master; for sentinel:// URLs
    sentinel_master: Annotated[str, Field(pattern=r"^[!-~]{1,255}$")] | None = None
    #: the password of the sentinels themselves; the one in a URL is their master's
    sentinel_password: SecretStr | None = None
    #: the gateway that commands use if there is an API key
    url: Annotated[str, AfterValidator(urls.gateway)] = "http://127.0.0.1:8000"
    api_key: Annotated[SecretStr, AfterValidator(_header)] | None = None
    chunk_size: int = Field(20_000, ge=1, le=1_000_000)
    #: the most items per second, over all workers together; None: as fast as the store allows
    max_rate: int | None = Field(None, ge=1)
    visibility_s: int = Field(60, ge=1)
    #: how long a stream may be silent before it is probed, and again before it is given up
    stream_silence_s: int = Field(60, ge=1)
    #: how long one sweep works before other messages of the queue get their turn
    slice_ms: int = Field(100, ge=1)
    #: the most sweeps that wait on the broker, however many jobs are open
    sweeps_waiting: int = Field(8, ge=1, le=50)
    #: events kept in the Redis stream; the store keeps its own copy
    events_maxlen: int = Field(1_000_000, ge=1)
    #: how long an ended job is kept, with its events; until then its id stays taken
    keep_jobs_days: int = Field(90, ge=1)
    #: how long the record of a job's changes is kept, for its receipt, retry and undo
    keep_removals_days: int = Field(30, ge=1)
    #: how long an entry of the audit trail is kept; what is written has its end with it
    keep_audit_days: int = Field(400, ge=1, le=36_500)
    #: how long to wait for a connection to a server
    connect_timeout_s: int = Field(2, ge=2)
    #: how long a statement may wait for a lock before its transaction is rolled back and retried
    lock_timeout_s: int = Field(10, ge=1)
    statement_timeout_s: int = Field(300, ge=1)
    #: encrypts the signing secrets of credentials; older keys, with which some still are, follow it
    secret_key: Annotated[SecretStr, AfterValidator(_keys)] | None = None
    #: the most bytes in a request's body
    body_bytes: int = Field(64 << 20, ge=1024)
    #: the most ids in a request, over all its lists
    request_ids: int = Field(2_000_000, ge=1)
    #: requests per tenant and gateway process, on average; twice as many in a burst
    requests_per_s: int = Field(500, ge=1)
    #: the limit, per gateway process, of requests that wait for a job's end, and of open feeds
    waiting_requests: int = Field(1_000, ge=1)
    #: most items of a synchronous request that the gateway does itself; 0: workers do all
    inline_items: int = Field(1_000, ge=0)
    #: how long a preview can be run after its end
    preview_hours: int = Field(24, ge=1)
    #: who has to run what was previewed: another credential than the one that previewed it
    approval: Literal["other"] | None = None
    #: a job of more items has to be previewed, and then run
    approval_items: int | None = Field(None, ge=1)
    #: how long a request waits for its job's end before it is answered without it
    wait_s: int = Field(30, ge=0, le=110)
    #: the console of the gateway: people may act in it, only read, or it is not served
    console: Literal["on", "read-only", "off"] = "on"
    #: where people see the gateway: links, cookies, and which host names it answers to
    public_url: Annotated[str, AfterValidator(urls.gateway)] | None = None
    #: when a browser has to sign in again: after so long unused, and after so long in any case
    session_idle_minutes: int = Field(60, ge=1)
    session_hours: int = Field(12, ge=1)
    #: how long a stopping gateway continues the requests that it has
    shutdown_s: int = Field(20, ge=1)
    #: how long it still accepts requests before that while /readyz says that it is not ready: load
    #: balancers have stopped sending requests by the time it closes its socket
    drain_s: int = Field(3, ge=0, le=300)

    @property
    def embedded(self) -> bool:
        """Whether the broker runs inside this process, so that only the store is shared."""
        return scheme(self.broker_url) == MEMORY

    @property
    def limits_deliveries(self) -> bool:
        """Whether the broker may drop a message after it was returned too often."""
        return scheme(self.broker_url) in AMQP

    @property
    def events_target(self) -> str | None:
        """Where completion events are published; None: only in the store's own feed."""
        if self.events_url or self.embedded:
            return self.events_url
        return self.broker_url

    @property
    def results_backend(self) -> str:
        """The Celery result backend."""
        if self.results_url:
            return self.results_url
        if self.embedded:
            return "cache+memory://"
        return self.broker_url if scheme(self.broker_url) in REDIS else "rpc://"

    @property
    def servers(self) -> dict[str, str]:
        """The URLs of all servers except the store, by variable."""
        named = {"BROKER": self.broker_url, "EVENTS": self.events_url, "RESULTS": self.results_url}
        return {
            f"TAGSWEEP_{name}_URL": url
            for name, url in named.items()
            if url and scheme(url) in (*REDIS, *AMQP)
        }

    @property
    def lacks_store(self) -> str | None:
        """The variable that names a server although none names the store; None if there is none.

        The store's default suits only the embedded broker: any other worker would take everybody's
        jobs and do them on an empty file of its own.
        """
        if "database_url" in self.model_fields_set:
            return None
        return next(iter(self.servers), None)

    @property
    def sentinel_login(self) -> dict[str, str]:
        """The login for sentinels, as redis-py takes it."""
        password = self.sentinel_password
        return {"password": password.get_secret_value()} if password else {}

    @model_validator(mode="after")
    def _sentinels_have_a_master(self) -> Self:
        for variable, url in self.servers.items():
            if scheme(url) == SENTINEL and self.sentinel_master is None:
                raise ValueError(f"TAGSWEEP_SENTINEL_MASTER is not set: {variable} needs it.")
        return self

    def over(self, **values: object) -> Self:
        """Return these settings with some of them replaced; raises SettingsError."""
        learn({f"TAGSWEEP_{name}": str(value) for name, value in values.items()})
        given = {name: getattr(self, name) for name in self.model_fields_set}
        with named():
            return type(self)(**{**given, **values})


def learn(given: Mapping[str, str]) -> None:
    """Make this process mask the secrets in these settings, whether they are valid or not."""
    for name, value in ((name.upper(), value.strip()) for name, value in given.items()):
        if name in _SECRET:
            for each in {value, *value.split(",")}:
                redaction.learn(each.strip())
        elif name.startswith("TAGSWEEP_") and name.endswith("_URL"):
            redaction.learn_url(value)


def variable(name: str) -> str:
    """Return the environment variable of the field ``name``."""
    return _SCHEMA if name in ("schema_name", _SCHEMA) else f"TAGSWEEP_{name}".upper()


@contextmanager
def named(sources: Mapping[str, str] | None = None) -> Iterator[None]:
    """Raise the error of an invalid setting as a SettingsError that names its variable.

    ``sources`` names, by variable, the other places that values come from.
    """
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        problem = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:  # the message names the variables
            raise SettingsError(problem) from None
        name = variable(str(first["loc"][0]))
        shown = "***" if name in _SECRET else masked(str(first["input"]))
        place = f" ({(sources or {})[name]})" if name in (sources or {}) else ""
        raise SettingsError(f"{name}={shown!r}{place} is not usable: {problem}") from None
