"""The option of a job to have its end told to a URL, and what can be one.

Whether it may be reached is decided where the job is recorded (``webhooks.callbacks``).
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, StringConstraints
from pydantic_core import PydanticCustomError

from tagsweep.worker.models.fields import text_of

MOST_URL = 2_000

NO_URL = "Must be a URL like https://hooks.example.com/tagsweep."
NO_SCHEME = "Must begin with https://."
NO_USER = "Must have no user and no password: a webhook is known by its signature."
_PRINTABLE = re.compile(r"[!-~]+")


def parsed(url: str) -> SplitResult:
    """Return the parts of a URL that something can be sent to; raises ValueError."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(NO_URL) from None
    if not _PRINTABLE.fullmatch(url) or not parts.hostname or parts.fragment or "\\" in url:
        raise ValueError(NO_URL)
    if parts.scheme not in ("https", "http"):
        raise ValueError(NO_SCHEME)
    if "@" in parts.netloc:
        raise ValueError(NO_USER)
    return parts


def _url(text: str) -> str:
    try:
        parsed(text)
    except ValueError as error:
        raise PydanticCustomError("invalid_url", str(error)) from None
    return text


Url = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MOST_URL),
    BeforeValidator(text_of),
    AfterValidator(_url),
]
