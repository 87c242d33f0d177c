"""Webhooks through a gateway: those of the key's tenant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from uuid import UUID

from tagsweep.producer.cli.backends import http_errors
from tagsweep.producer.cli.backends.http import Client, Refused
from tagsweep.producer.cli.backends.request_body import Document
from tagsweep.producer.cli.backends.webhooks.backend import NO_DELIVERY, NO_WEBHOOK, Shown
from tagsweep.worker.errors import Rejected

WEBHOOKS = "/api/v1/webhooks/"
NOT_FOUND, CONFLICT = 404, 409
MAX_PAGE = 1_000
#: how long a gateway may take: it resolves a name meanwhile
ANSWER_S = 10.0


class GatewayWebhooks:
    """Webhooks through the gateway that ``client`` speaks to."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def create(self, tenant: str | None, body: Shown) -> Shown:
        """Make a webhook, and return it with its secret."""
        self._check(tenant)
        return self._send(self._client.post, "", body)

    def listed(self, tenant: str | None) -> list[Shown]:
        """Return the webhooks of the key's tenant."""
        with self._worded():
            found: list[Shown] = self._client.get(WEBHOOKS)["results"]
        if tenant is not None and any(one["tenant"] != tenant for one in found):
            raise http_errors.foreign(tenant)
        return found

    def change(self, webhook_id: UUID, body: Shown) -> Shown:
        """Change what is given of a webhook, and return it."""
        return self._send(self._client.patch, f"{webhook_id}", body, webhook_id)

    def remove(self, webhook_id: UUID) -> None:
        """Delete a webhook."""
        with self._worded(webhook_id):
            self._client.delete(f"{WEBHOOKS}{webhook_id}")

    def rotate(self, webhook_id: UUID, body: Shown) -> Shown:
        """Give a webhook a new secret, and return it with that."""
        return self._send(self._client.post, f"{webhook_id}/rotate", body, webhook_id)

    def rotate_callbacks(self, tenant: str | None, body: Shown) -> Shown:
        """Give the tenant a new callback secret, and return it."""
        self._check(tenant)
        return self._send(self._client.post, "callbacks/rotate", body)

    def log(self, webhook_id: UUID, state: str | None, limit: int) -> list[Shown]:
        """Return the newest deliveries of a webhook."""
        asked = {"page_size": str(min(limit, MAX_PAGE))} | ({"state": state} if state else {})
        rows: list[Shown] = []
        with self._worded(webhook_id):
            while len(rows) < limit:
                path = f"{WEBHOOKS}{webhook_id}/deliveries?{urlencode(asked)}"
                page = self._client.get(path)
                rows += page["results"]
                if not page["next"]:
                    break
                # only its cursor: the link may name a host that must not get the key
                asked["cursor"] = parse_qs(urlsplit(page["next"]).query)["cursor"][0]
        return rows[:limit]

    def redeliver(self, webhook_id: UUID, event_id: str) -> Shown:
        """Have a delivery sent again, and return it."""
        path = f"{webhook_id}/deliveries/{quote(event_id, safe='')}/redeliver"
        return self._send(self._client.post, path, {}, webhook_id, event_id)

    def redeliver_since(self, webhook_id: UUID, moment: datetime) -> int:
        """Have all deliveries since a time sent again; return how many."""
        body = {"since": moment.isoformat()}
        return int(
            self._send(self._client.post, f"{webhook_id}/redeliver", body, webhook_id)["count"]
        )

    def test(self, webhook_id: UUID) -> Shown:
        """Have an event sent that tells of no job, and return its delivery."""
        return self._send(self._client.post, f"{webhook_id}/test", {}, webhook_id)

    def _send(
        self,
        send: Callable[..., Any],
        path: str,
        body: Shown,
        webhook_id: UUID | None = None,
        event_id: str | None = None,
    ) -> Shown:
        with self._worded(webhook_id, event_id):
            answer: Any = send(WEBHOOKS + path, Document(body), seconds=ANSWER_S)
            return dict(answer)

    def _check(self, tenant: str | None) -> None:
        """Raise WrongUse if the key is another tenant's, as far as its webhooks tell."""
        if tenant is not None:
            self.listed(tenant)

    @contextmanager
    def _worded(
        self, webhook_id: UUID | None = None, event_id: str | None = None
    ) -> Iterator[None]:
        """Raise what the gateway refuses in the words of the command line."""
        try:
            yield
        except Refused as refused:
            raise self._error(refused, webhook_id, event_id) from None

    def _error(self, refused: Refused, webhook_id: UUID | None, event_id: str | None) -> Exception:
        detail = str((refused.body or {}).get("detail", ""))
        if refused.status == NOT_FOUND and webhook_id and "detail" in (refused.body or {}):
            words = NO_DELIVERY if "delivery" in detail else NO_WEBHOOK
            return Rejected(words.format(id=webhook_id, event=event_id))
        if refused.status == CONFLICT and refused.body:
            return Rejected(detail)
        return http_errors.worded(refused, self._client.url)
