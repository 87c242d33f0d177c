"""A person at the console, with a browser that runs no scripts."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.support.gateway import Gateway

_CSRF = re.compile(r'name="csrf" value="([0-9a-f]+)"')


class Person(httpx.Client):
    """Somebody at the console of a gateway, who has a cookie jar and sends forms as pages do."""

    def __init__(self, gateway: Gateway, **headers: str) -> None:
        # behind a proxy on this machine: failed attempts count by the address that it names
        address = ".".join(["10", *(str(secrets.randbelow(256)) for _ in range(3))])
        own = {"origin": gateway.url, "x-forwarded-for": address, **headers}
        super().__init__(base_url=gateway.url, headers=own, timeout=60)
        self.gateway = gateway

    def csrf(self, path: str = "/console/sign-in") -> str:
        """Return the token in the forms of a page."""
        found = _CSRF.search(self.get(path).text)
        assert found, f"{path} has no form"
        return found[1]

    def submit(self, path: str, csrf: str | None = None, **fields: Any) -> httpx.Response:
        """Send a form with the session's token."""
        token = self.csrf("/console/jobs") if csrf is None else csrf
        return self.post(path, data={"csrf": token, **fields})

    def sign_in(self, key: str, **fields: str) -> httpx.Response:
        """Sign in with a key."""
        return self.submit("/console/sign-in", self.csrf(), key=key, **fields)

    @property
    def cookie(self) -> str:
        """The session's token."""
        (value,) = self.cookies.values()
        return value


@contextmanager
def signed_in(gateway: Gateway, tenant: str, **grant: Any) -> Iterator[Person]:
    """Yield somebody who has signed in with a key of the tenant."""
    with Person(gateway) as person:
        answer = person.sign_in(gateway.credential(tenant, **grant).key)
        assert answer.status_code == 303, answer.text
        yield person
