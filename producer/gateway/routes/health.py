"""Operation of the gateway: liveness, readiness, metrics."""

from __future__ import annotations

import asyncio
import time

from fastapi import Request, Response

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.errors import document, unavailable
from tagsweep.producer.gateway.openapi import operations
from tagsweep.producer.gateway.routes import query_parameters
from tagsweep.producer.gateway.state import Gateway
from tagsweep.worker.broker import inspection
from tagsweep.worker.doctor.readiness import problem
from tagsweep.worker.errors import BrokerUnavailable, TagsweepError

#: how long an answer of /readyz is reused: many probes check the servers once
FRESH_S = 0.5
BROKER_S = 1.5

router = query_parameters.router()
_OPEN = operations.operation(answers={200: "Health"}, refused=(500,), security=None)


@router.get("/healthz", summary="Liveness", operation_id="health", **_OPEN)
@router.get("/healthz/", include_in_schema=False)
async def health(request: Request) -> Response:  # noqa: ARG001  # nothing of it is needed
    """Report that this process serves requests."""
    return document({"status": "ok"})


@router.get(
    "/readyz",
    summary="Readiness",
    operation_id="readiness",
    **operations.operation(answers={200: "Health"}, refused=(500, 503), security=None),
)
@router.get("/readyz/", include_in_schema=False)
async def readiness(request: Request) -> Response:
    """Report whether store and broker answer, and accept what is sent to them."""
    gateway = state.of(request)
    if gateway.draining:
        raise unavailable("The gateway is stopping.")
    checked_at, problem = gateway.readiness
    if time.monotonic() - checked_at > FRESH_S:
        problem = await _problem(gateway)
        gateway.readiness = (time.monotonic(), problem)
    if problem:
        raise unavailable(problem)
    return document({"status": "ready"})


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    operation_id="metrics",
    **operations.operation(answers={200: "Metrics"}, refused=(500,), security=None),
)
@router.get("/metrics/", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Return the metrics of this process and of the store."""
    return Response(
        await state.of(request).metrics.shown(),
        media_type="text/plain; version=0.0.4; charset=utf-8",
    )


async def _problem(gateway: Gateway) -> str:
    """Return which servers do not answer, in one line; empty if all do."""
    store, messages = await asyncio.gather(
        gateway.store.run(_ask_store),
        gateway.broker.patiently(BROKER_S, _ask_broker),
        return_exceptions=True,
    )
    problems = []
    if isinstance(store, BaseException):
        problems.append("The store does not answer.")
    elif store:
        problems.append(f"The store cannot be written to: {store.rstrip('.')}.")
    if isinstance(messages, BrokerUnavailable):
        problems.append(messages.words)
    for error in (store, messages):
        if isinstance(error, BaseException) and not isinstance(error, TagsweepError):
            raise error
    return " ".join(problems)


def _ask_store() -> str | None:
    """Return why the store accepts no changes; None if it does."""
    return problem()


def _ask_broker() -> None:
    inspection.probe()
