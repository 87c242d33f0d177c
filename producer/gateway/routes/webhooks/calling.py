"""What the routes of webhooks have in common: who calls, for which webhook, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from fastapi import Request

from tagsweep.producer.gateway import errors, state
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.requests import parsing
from tagsweep.producer.gateway.requests.parsing import NotJson
from tagsweep.producer.gateway.state import Gateway
from tagsweep.worker.errors import InvalidJob, SettingsError
from tagsweep.worker.webhooks.addresses import LOOKUP_S
from tagsweep.worker.webhooks.deliveries import NoSuchDelivery
from tagsweep.worker.webhooks.endpoints import NoSuchWebhook, TooManyWebhooks
from tagsweep.worker.webhooks.operations import Actor

#: bytes of a body
MOST_BODY = 16_384

NO_WEBHOOK = "There is no such webhook."
NO_DELIVERY = "There is no such delivery."
REFUSED = "Nothing may be sent to this address."


async def run(request: Request, operation: Callable[..., Any], *arguments: Any) -> Any:
    """Return what ``operation`` does for the caller's tenant; raises Refusal."""
    caller = await state.of(request).caller_by_key(request)
    return await done(state.of(request), operation, caller.tenant, *arguments)


async def act(request: Request, operation: Callable[..., Any], *arguments: Any) -> Any:
    """Return the same, of an operation that changes something, which is on record."""
    return await done(state.of(request), operation, await _actor(request), *arguments)


async def act_on_body(request: Request, operation: Callable[..., Any], *arguments: Any) -> Any:
    """Return the same, of one whose last argument is the JSON of the body."""
    actor = await _actor(request)
    body = await _body(request)
    return await done(state.of(request), operation, actor, *arguments, body)


async def _actor(request: Request) -> Actor:
    caller = await state.of(request).caller_by_key(request)
    return Actor(caller.tenant, caller.through("http"))


async def done(gateway: Gateway, operation: Callable[..., Any], *arguments: Any) -> Any:
    """Return what ``operation`` does, which may resolve a name; raises Refusal."""
    patience = gateway.webhooks.patience_s + LOOKUP_S
    with refusing():
        return await gateway.webhooks.patiently(patience, operation, *arguments)


@contextmanager
def refusing() -> Iterator[None]:
    """Raise Refusal for what an operation cannot do."""
    try:
        yield
    except NoSuchWebhook:
        raise Refusal(404, NO_WEBHOOK) from None
    except NoSuchDelivery:
        raise Refusal(404, NO_DELIVERY) from None
    except TooManyWebhooks as error:
        raise Refusal(409, str(error)) from None
    except InvalidJob as invalid:
        if any(error["code"] == "address_refused" for error in invalid.errors):
            raise Refusal(422, REFUSED, errors=invalid.errors) from None
        raise errors.invalid(invalid) from None
    except SettingsError as error:
        raise errors.unavailable(str(error)) from None


def event_id(request: Request) -> str:
    """Return the event's id in the path."""
    given: str = request.path_params["event_id"]
    return given.replace("\0", "")  # the store takes none


def webhook_id(request: Request) -> UUID:
    """Return the webhook's id in the path; raises Refusal (404) if it is not a UUID."""
    try:
        return UUID(request.path_params["webhook_id"])
    except ValueError:
        raise Refusal(404, NO_WEBHOOK) from None


async def _body(request: Request) -> Any:
    """Return the JSON of the body, ``{}`` if there is none; raises Refusal (400, 413, 415)."""
    async with state.of(request).bodies.receive(request, MOST_BODY) as body:
        try:
            return parsing.decode(body.in_memory())
        except NotJson as error:
            raise Refusal(400, f"JSON parse error - {error}") from None
