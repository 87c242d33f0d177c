"""What a form sent: names and values, read within the limits of any other body."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from fastapi import Request

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.errors import Refusal

MEDIA_TYPE = "application/x-www-form-urlencoded"
MAX_FIELDS = 200
#: bytes up to which a form is read at once
SMALL = 64 << 10


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form; one that is missing is empty."""

    fields: Mapping[str, Sequence[str]]

    def one(self, name: str) -> str:
        """Return the value of a field."""
        return self.fields.get(name, ("",))[0].strip()

    def all(self, name: str) -> list[str]:
        """Return the values of a field that may be repeated, without empty ones."""
        return [value.strip() for value in self.fields.get(name, ()) if value.strip()]


async def read(request: Request) -> Form:
    """Return the form in the request's body; raises Refusal (400, 413, 415)."""
    gateway = state.of(request)
    limit = gateway.settings.body_bytes
    async with gateway.bodies.receive(request, limit, media_type=MEDIA_TYPE) as body:
        text = body.in_memory()
        if body.size <= SMALL:
            return _parsed(text)
        return await asyncio.to_thread(_parsed, text)


def _parsed(text: bytes) -> Form:
    try:
        fields = parse_qs(
            text.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        raise Refusal(400, "The form cannot be read.") from None
    return Form(fields)
