"""What may be shown of a text that has secrets in it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit


def masked(url: str) -> str:
    """Return ``url`` as it may be shown: without its password, whatever else is wrong with it."""
    try:
        password = urlsplit(url).password
    except ValueError:
        return re.sub(r"(://[^:/@]*):.*@", r"\1:***@", url)
    return url.replace(f":{password}@", ":***@", 1) if password else url
