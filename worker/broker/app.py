"""The Celery app, with every policy that workers and producers follow."""

from __future__ import annotations

import threading
from typing import Any

import kombu
from celery import Celery

from tagsweep.worker import settings
from tagsweep.worker.broker import names
from tagsweep.worker.broker.amqp.queues import Queue
from tagsweep.worker.broker.redis import client
from tagsweep.worker.process.single import single
from tagsweep.worker.settings import (
    AMQP,
    REDIS,
    SENTINEL,
    Settings,
    scheme,
    server_url,
)

TASKS = ("accept", "batch", "parts", "run", "start", "sweep", "recover", "control")
#: set while a worker runs in this process; without one, nothing receives from memory://
embedded_worker = threading.Event()
#: set when a pool process of this worker has died while running a task, until it is replaced
process_died = threading.Event()
#: why steps may have to be counted
BEGAN, DIED = "began", "died"
#: connection retries: callers must get an error within seconds
BRIEF = {"max_retries": 1, "interval_start": 0.2, "interval_step": 0.2, "interval_max": 0.5}
#: seconds that a connected broker may keep a sender waiting; after that it counts as gone
SILENT_S = 2
#: options of every message to a queue: sending returns only with the broker's confirmation
SENDING: dict[str, Any] = {"retry": False, "confirm_timeout": SILENT_S, "mandatory": True}
#: how long a result is kept for its caller
RESULT_EXPIRES_S = 24 * 3600


class _App(Celery):
    """Celery, except that its workers store no REVOKED result when a job's task is revoked.

    They would do so at once, even for a job that runs. The job's own task stores it, and only if
    the job has not begun.
    """

    def _get_backend(self) -> Any:
        backend: Any = super()._get_backend()  # type: ignore[misc]  # the stubs lack it
        backend.mark_as_revoked = lambda *_, **__: None
        return backend


def create(config: Settings) -> Celery:
    """Return a Celery app with every policy set. Nothing is connected yet."""
    app = _App(
        "tagsweep",
        broker=_address(config.broker_url),
        backend=_address(config.results_backend),
        amqp="tagsweep.worker.broker.amqp.transport:AMQP",
        include=[f"tagsweep.worker.tasks.{name}" for name in TASKS],
        task_cls="tagsweep.worker.broker.runtime.consumer:Task",
        set_as_current=False,
    )
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        result_expires=RESULT_EXPIRES_S,
        task_ignore_result=True,  # the relay alone stores results
        task_default_queue=names.queue(),
        task_routes=_routes(),
        # served in turn: a new job never waits behind sweeps, or behind the parts of another
        task_queues=[Queue(name, kombu.Exchange(name), name) for name in names.queues()],
        worker_consumer="tagsweep.worker.broker.runtime.consumer:Consumer",
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        # on memory:// a parent process would not receive what its children send
        worker_pool="solo" if config.embedded else "prefork",
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=config.connect_timeout_s,
        broker_transport_options=_transport_options(config),
        result_backend_transport_options=_result_options(config),
        redis_socket_connect_timeout=config.connect_timeout_s,
        redis_socket_timeout=SILENT_S,
        redis_retry_on_timeout=False,
        enable_utc=True,
        **names.of_control(),
        **_tls(config),
    )
    return app


def _routes() -> dict[str, Any]:
    sweeps, parts = ("tags.sweep", "tags.recover"), ("tags.part", "tags.probe")
    return {
        **{name: {"queue": names.sweeps()} for name in sweeps},
        **{name: {"queue": names.parts()} for name in parts},
    }


def _address(url: str) -> str:
    """Return ``url`` as Celery takes it.

    Celery requires ``rediss://`` to state that certificates are verified. TLS behind sentinels is
    configured outside the URL, see ``_tls``.
    """
    if scheme(url) == SENTINEL:
        return server_url.plain(url)
    if scheme(url) != "rediss" or "ssl_cert_reqs=" in url:
        return url
    return url + ("&" if "?" in url else "?") + "ssl_cert_reqs=required"


def _tls(config: Settings) -> dict[str, Any]:
    """Return Celery's settings of TLS to a master behind sentinels."""
    named = {"broker_use_ssl": config.broker_url, "redis_backend_use_ssl": config.results_backend}
    found = {name: client.tls(url) for name, url in named.items()}
    return {name: options for name, options in found.items() if options}


def _transport_options(config: Settings) -> dict[str, Any]:
    kind = scheme(config.broker_url)
    if kind in REDIS:
        return {
            # JSON is text already: base64 would make it a third longer and cost time on both sides
            "body_encoding": "utf-8",
            "visibility_timeout": config.visibility_s,
            # how often a worker shows that it lives; and whether others do
            "unacked_restore_interval": 1,
            "socket_connect_timeout": config.connect_timeout_s,
            "socket_timeout": SILENT_S,
            "socket_keepalive": True,
            **names.of_unacknowledged(),
            **_sentinel_options(config, config.broker_url),
        }
    if kind in AMQP:
        return {"confirm_publish": True, **BRIEF}  # or a lost publish would go unnoticed
    return {"polling_interval": 0.01}


def _result_options(config: Settings) -> dict[str, Any]:
    if scheme(config.results_backend) in REDIS:
        policy = {"timeout": config.connect_timeout_s, **BRIEF}
        return {"retry_policy": policy, **_sentinel_options(config, config.results_backend)}
    return {}


def _sentinel_options(config: Settings, url: str) -> dict[str, Any]:
    """Return the options that Celery and kombu need in addition to the URL of sentinels."""
    if scheme(url) != SENTINEL:
        return {}
    waits = {"socket_timeout": SILENT_S, "socket_connect_timeout": config.connect_timeout_s}
    asked = client.of_sentinels(url, config)
    return {"master_name": config.sentinel_master, "sentinel_kwargs": {**asked, **waits}}


@single
def app() -> Celery:
    """Return this process's app, for the broker that the environment names."""
    return create(settings.load())
