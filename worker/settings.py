"""The settings: one frozen object, read once from the environment; nobody else reads it."""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from worker import urls
from worker.database_url import normal
from worker.errors import SettingsError
from worker.redaction import masked
from worker.urls import AMQP, MEMORY, REDIS, scheme

__all__ = ["AMQP", "MEMORY", "REDIS", "Settings", "load", "masked", "scheme"]

#: never shown, not even where they are wrong
_SECRET = ("TAGSWEEP_SECRET_KEY", "TAGSWEEP_API_KEY")


def _header(key: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]+", key.get_secret_value()):
        raise ValueError("must be printable ASCII without blanks")
    return key


class Settings(BaseSettings):
    """All settings, each named ``TAGSWEEP_…`` in the environment, with its unit in its name."""

    model_config = SettingsConfigDict(env_prefix="TAGSWEEP_", frozen=True, env_ignore_empty=True)

    database_url: Annotated[str, AfterValidator(normal)] = "sqlite:///tagsweep.db"
    #: whether PostgreSQL is reached through a pooler of transactions; none: it is found out
    pooler: Literal["transaction", "none"] | None = None
    broker_url: Annotated[str, urls.one_of(MEMORY, *REDIS, *AMQP)] = "memory://"
    events_url: Annotated[str, urls.one_of(*REDIS, *AMQP)] | None = None
    results_url: Annotated[str, AfterValidator(urls.readable)] | None = None
    #: the gateway that commands go through, where there is a key for it
    url: Annotated[str, AfterValidator(urls.gateway)] = "http://127.0.0.1:8000"
    api_key: Annotated[SecretStr, AfterValidator(_header)] | None = None
    chunk_size: int = Field(20_000, ge=1, le=1_000_000)
    #: most items per second, over all workers together; none: as fast as the store takes them
    max_rate: int | None = Field(None, ge=1)
    visibility_s: int = Field(60, ge=1)
    #: after how long without a part a stream's producer is asked for, twice, before it is given up
    stream_silence_s: int = Field(60, ge=1)
    #: how long one sweep works before it lets other messages of the queue through
    slice_ms: int = Field(100, ge=1)
    #: sweeps waiting on the broker at any time, however many jobs are open
    sweeps_waiting: int = Field(8, ge=1, le=50)
    #: events kept in the Redis stream; the store keeps its own copy
    events_maxlen: int = Field(1_000_000, ge=1)
    #: how long a job that has ended is kept, with its events: for so long its id is the same job
    keep_jobs_days: int = Field(90, ge=1)
    #: how long it is kept what each job removed: for so long there are receipts, retry and undo
    keep_removals_days: int = Field(30, ge=1)
    #: how long to wait for a server before saying that it does not answer
    connect_timeout_s: int = Field(2, ge=2)
    #: how long a statement may wait for a lock before its transaction is rolled back and retried
    lock_timeout_s: int = Field(10, ge=1)
    statement_timeout_s: int = Field(300, ge=1)
    #: encrypts the signing secrets of credentials
    secret_key: SecretStr | None = Field(None, min_length=32)
    #: most bytes of a request's body
    body_bytes: int = Field(64 << 20, ge=1024)
    #: most ids of one request, over all its lists
    request_ids: int = Field(2_000_000, ge=1)
    #: requests of one tenant that one gateway process takes, on average and, twice as many, at once
    requests_per_s: int = Field(500, ge=1)
    #: requests that wait for their job's end, and open feeds, in one gateway process: each so many
    waiting_requests: int = Field(1_000, ge=1)
    #: how long a request waits for its job's end before it is answered without
    wait_s: int = Field(30, ge=0, le=110)
    #: how long a gateway that is told to stop goes on with the requests that it has
    shutdown_s: int = Field(20, ge=1)
    #: how long it serves on before that, saying at /readyz that it is not ready: no new requests
    #: are sent to it any more when it closes its socket
    drain_s: int = Field(3, ge=0, le=300)

    @property
    def embedded(self) -> bool:
        """Whether the broker lives inside this process: then the store alone is shared."""
        return scheme(self.broker_url) == MEMORY

    @property
    def events_target(self) -> str | None:
        """Where completion events are published; None: nowhere but the store's own feed."""
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
    def recovery_interval_s(self) -> float:
        """How often a worker looks for what stands open in the store.

        A job that a service records in its own transaction, with no message, waits for that.
        """
        return 1.0

    def over(self, **values: object) -> Self:
        """Return these settings with some of them replaced."""
        return self.model_copy(update=values)


@cache
def load() -> Settings:
    """Return the settings of the environment.

    Raises SettingsError, naming the variable and what it takes.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = "TAGSWEEP_" + "_".join(str(part) for part in first["loc"][:1]).upper()
        problem = first["msg"].removeprefix("Value error, ")
        shown = "***" if name in _SECRET else masked(str(first["input"]))
        raise SettingsError(f"{name}={shown!r} is not usable: {problem}") from None
