"""Around every request: its id, its line in the log, its metrics; no traceback gets out."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tagsweep.producer.gateway.metrics import Metrics
from tagsweep.producer.gateway.requests.bodies import Gone

#: the status that is logged if the client left before the answer
CLIENT_GONE = 499


@dataclass(slots=True)
class Account:
    """What is logged of a request."""

    request_id: str = field(default_factory=lambda: uuid4().hex)
    tenant: str | None = None
    job: UUID | None = None
    status: int = CLIENT_GONE
    head_only: bool = False  #: the request is a HEAD


class Access:
    """The outermost layer of the gateway."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._log: Any = structlog.get_logger("tagsweep.access")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        account = Account(head_only=scope["method"] == "HEAD")
        scope.setdefault("state", {})["account"] = account
        start = time.monotonic()

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                account.status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", account.request_id.encode()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Gone:
            pass
        except Exception as error:  # noqa: BLE001  # the error handler has sent the answer already
            self._log.exception("fault", request_id=account.request_id, error=type(error).__name__)
        finally:
            self._log_request(scope, account, time.monotonic() - start)

    def _log_request(self, scope: Scope, account: Account, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        status = str(account.status)
        self._metrics.count(route, _method(scope), status, seconds)
        self._log.info(
            "request",
            request_id=account.request_id,
            method=_method(scope),
            route=route,
            tenant=account.tenant,
            job=account.job and str(account.job),
            status=account.status,
            ms=round(seconds * 1000, 1),
        )


def _method(scope: Scope) -> str:
    """Return the method, or OTHER if unknown: metrics need a bounded set of labels."""
    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return scope["method"] if scope["method"] in known else "OTHER"
