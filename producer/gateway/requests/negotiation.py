"""Which of several media types a client prefers (RFC 9110, 12.5.1)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from fastapi import Request

from tagsweep.producer.gateway.errors import Refusal


def preferred(request: Request, media_types: Iterable[str]) -> str | None:
    """Return the one that the client prefers, the first if it has no preference.

    None if it accepts none of them.
    """
    accepted = ",".join(request.headers.getlist("accept")).strip() or "*/*"
    ranges = [_range(text) for text in accepted.split(",") if text.strip()]
    quality = {media_type: _quality(media_type, ranges) for media_type in media_types}
    best = max(quality, key=lambda media_type: quality[media_type])
    return best if quality[best] else None


def required(request: Request, media_types: Collection[str], what: str) -> str:
    """Return the one that the client prefers; raises Refusal (406) if it accepts none of them.

    ``what``: what is answered, in the words of the refusal.
    """
    found = preferred(request, media_types)
    if found is None:
        raise Refusal(406, f"{what} is available as {' or '.join(media_types)}.")
    return found


def _range(text: str) -> tuple[str, float]:
    media, *parameters = text.lower().split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return media.strip(), float(value)
            except ValueError:
                return media.strip(), 0.0
    return media.strip(), 1.0


def _quality(media_type: str, ranges: list[tuple[str, float]]) -> float:
    """Return the quality of a media type: that of the narrowest range it is in."""
    for wide in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        given = [quality for media, quality in ranges if media == wide]
        if given:
            return max(given)
    return 0.0
