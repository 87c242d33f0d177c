"""Messages as they were fetched: read, and those chosen that can be done together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads

from tagsweep.worker.broker import batching


def read(channel: Any, raw: bytes, name: str) -> Any:
    """Return the message as kombu expects it; None if malformed, which would end the worker.

    ``name``: the one under which it was taken is its delivery tag from here on.
    """
    try:
        payload = loads(bytes_to_str(raw))
        payload["properties"]["delivery_tag"] = name
        message = channel.Message(payload, channel=channel)
        whole = {"exchange", "routing_key"} <= message.delivery_info.keys()
        whole = whole and message.body is not None and isinstance(message.headers, dict)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return message if whole else None


def together(fetched: Sequence[Any]) -> list[Any]:
    """Return the first message, with those that can be done together with it."""
    first, others = fetched[:1], fetched[1:]
    if not others or not batching.fits(first[0]):
        return list(first)
    return [*first, *(one for one in others if batching.fits(one))]
