"""Tags behind a gateway, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tagsweep.producer.cli.backends import http_errors
from tagsweep.producer.cli.backends.http import Client, Refused
from tagsweep.producer.cli.backends.request_body import Document
from tagsweep.producer.cli.input import errors
from tagsweep.producer.cli.input.errors import TAKEN, TAKEN_BY_ANOTHER, WrongUse

TAGS = "/api/v1/tags/"
MAX_PAGE, BAD = 1_000, 400
#: how long a page may take of which the links are counted
COUNT_S = 60.0


class GatewayTags:
    """The tags of the tenant whose key is used; raises WrongUse if it is another tenant's."""

    def __init__(self, client: Client, tenant: str) -> None:
        self._client = client
        self._of = {"tenant": tenant}

    def listed(self, search: str, limit: int, *, links: bool) -> list[dict[str, Any]]:
        """Return them by name, read page by page."""
        asked = {**self._of, "page_size": str(min(limit, MAX_PAGE))}
        asked |= ({"search": search} if search else {}) | ({"expand[]": "links"} if links else {})
        tags: list[dict[str, Any]] = []
        with self._worded("--search"):
            while len(tags) < limit:
                page = self._client.get(f"{TAGS}?{urlencode(asked)}", COUNT_S)
                tags += page["results"]
                if not page["next"]:
                    break
                # only its cursor: the link may name a host that must not get the key
                asked["cursor"] = parse_qs(urlsplit(page["next"]).query)["cursor"][0]
        return tags[:limit]

    def create(self, name: str) -> dict[str, Any]:
        """Create a tag, and return it."""
        with self._worded(f"--name {errors.shown(name)}"):
            made: dict[str, Any] = self._client.post(self._path(), Document({"name": name}))
            return made

    def rename(self, name: str, new: str) -> dict[str, Any]:
        """Give a tag another name, and return it."""
        with self._worded(f"--to {errors.shown(new)}"):
            found = self._client.get(f"{self._path()}&{urlencode({'name': name})}")["results"]
            if not found:
                raise WrongUse(f"--name {errors.shown(name)}: the tenant has no such tag.")
            body = Document({"name": new})
            renamed: dict[str, Any] = self._client.patch(self._path(f"{found[0]['id']}/"), body)
            return renamed

    def _path(self, tag: str = "") -> str:
        return f"{TAGS}{tag}?{urlencode(self._of)}"

    @contextmanager
    def _worded(self, what: str) -> Iterator[None]:
        """Raise what the gateway refuses in the words of the command line."""
        try:
            yield
        except Refused as refused:
            reasons = (refused.body or {}).get("name")
            if refused.status == BAD and isinstance(reasons, list):
                # of a new name the gateway tells also which call joins the two
                own = [TAKEN_BY_ANOTHER if one.startswith(f"{TAKEN} ") else one for one in reasons]
                raise WrongUse(*(f"{what}: {reason}" for reason in own)) from None
            raise http_errors.worded(refused, self._client.url) from None
