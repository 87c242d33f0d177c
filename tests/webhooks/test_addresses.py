"""Addresses: nothing is sent into the operator's own network, whatever a name leads to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.models.jobs import DetachJob
from tagsweep.worker.webhooks import addresses, operations, posting
from tagsweep.worker.webhooks.addresses import AddressRefused
from tagsweep.worker.webhooks.posting import Poster
from tests.servers.certificates import Certificates
from tests.support.fixtures import configured
from tests.support.gateway import SECRET_KEY
from tests.support.receivers import receiving
from tests.support.stores import Store
from tests.webhooks.conftest import actor

PRIVATE = [
    *("127.0.0.1", "127.255.0.1", "0.0.0.1", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255"),
    *("192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.1", "192.0.2.1"),
    *("198.18.0.1", "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.1.1.1", "240.0.0.1"),
    *("255.255.255.255", "168.63.129.16", "192.88.99.1"),
    *("::1", "::", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "::127.0.0.1", "2002:7f00:1::"),
    *("2002:a9fe:a9fe::1", "2001:0:1::1", "2001:db8::1", "3fff::1", "fe80::1", "fc00::1"),
    *("fd00:ec2::254", "ff02::1", "fec0::1", "5f00::1", "100::1"),
]
PUBLIC = ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]

Answers = Callable[..., None]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Let names lead where the test says: to these addresses, once after the other."""

    def lead(*answers: list[str]) -> None:
        left = list(answers)

        def lookup(_: str, port: int, **__: Any) -> list[Any]:
            found = left.pop(0) if len(left) > 1 else left[0]
            families = {True: socket.AF_INET6, False: socket.AF_INET}
            kind = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
            return [(families[":" in one], *kind, (one, port)) for one in found]

        monkeypatch.setattr(socket, "getaddrinfo", lookup)

    return lead


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_to_any_private_address_is_refused(names: Answers, address: str) -> None:
    names(["93.184.216.34", address])
    with configured(), pytest.raises(AddressRefused, match="no public address"):
        addresses.check("https://hooks.example.com/a")


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(names: Answers, address: str) -> None:
    names([address])
    with configured():
        (found,) = addresses.resolved("https://hooks.example.com/a?b=c").addresses
    assert ip_address(found) == ip_address(address)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[fe80::1]", "2130706433", "0x7f.1"),
        *("0177.0.0.1", "127.1", "0", "localhost", "localhost.", "[64:ff9b::7f00:1]"),
    ],
)
def test_an_address_in_the_url_is_refused_however_it_is_written(host: str) -> None:
    with configured(), pytest.raises(AddressRefused):
        addresses.check(f"https://{host}/")


@pytest.mark.parametrize(
    "url, reason",
    [
        ("http://hooks.example.com/", "https://"),
        ("ftp://hooks.example.com/", "https://"),
        ("https://user:word@hooks.example.com/", "no user"),
        ("https://user@hooks.example.com/", "no user"),
        ("https:///path", "URL like"),
        ("https://hooks.example.com:99999/", "URL like"),
        ("https://hooks.example.com/#part", "URL like"),
        ("https://hooks.example.com\\@127.0.0.1/", "URL like"),
        ("https://hooks.example.com/a b", "URL like"),
        ("hooks.example.com", "URL like"),
        ("https://h" + "o" * 2_000 + "/", "2000 characters"),
    ],
)
def test_what_is_no_usable_url_is_refused(
    store: Store, names: Answers, tenant: str, url: str, reason: str
) -> None:
    names(["93.184.216.34"])
    with configured(database_url=store.url, secret_key=SECRET_KEY):
        with pytest.raises(InvalidJob) as refused:
            operations.create(actor(tenant), {"url": url})
        assert [error["path"] for error in refused.value.errors] == ["/url"]
        assert reason in refused.value.errors[0]["reason"]
        assert operations.listed(tenant) == []


def test_what_is_private_can_be_allowed_by_network_and_by_name(names: Answers) -> None:
    names(["10.1.2.3"])
    with configured(webhooks_private="10.1.0.0/16"):
        addresses.check("http://hooks.internal/")
    with configured(webhooks_private="10.2.0.0/16, hooks.internal"):
        addresses.check("http://hooks.internal/")
        with pytest.raises(AddressRefused):
            addresses.check("https://other.internal/")
    names(["10.1.2.3", "93.184.216.34"])
    with configured(webhooks_private="10.1.0.0/16"):
        addresses.check("https://hooks.internal/")
        with pytest.raises(AddressRefused, match="https"):
            addresses.check("http://hooks.internal/")


@pytest.mark.slow
def test_a_name_that_is_resolved_anew_to_loopback_is_refused_at_delivery(names: Answers) -> None:
    with receiving() as receiver:
        url = f"https://hooks.example.com:{receiver.port}/a"
        names(["93.184.216.34"], ["127.0.0.1"])
        with configured():
            addresses.check(url)
            poster = Poster(1, 5)
            attempt = asyncio.run(poster.post(url, [], "{}"))
            poster.close()
        assert attempt.status is None
        assert "127.0.0.1, which is no public address" in str(attempt.reason)
        assert receiver.requests == []


@pytest.mark.slow
def test_the_connection_goes_to_the_address_that_was_checked_under_the_name_in_the_url(
    names: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = Certificates(tmp_path, "hooks.example.com")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    posting._context.cache_clear()
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with receiving(certificates) as receiver:
        poster = Poster(1, 5)
        # a second look-up would lead elsewhere
        names(["127.0.0.1"], ["192.0.2.1"])
        receiver.secrets["/a?b=c"] = []
        url = f"https://hooks.example.com:{receiver.port}/a?b=c"
        with configured(webhooks_private="hooks.example.com,other.example.com"):
            sent = [("webhook-id", "1")]
            attempt = asyncio.run(poster.post(url, sent, '{"id": "1"}'))
            names(["127.0.0.1"])
            other = url.replace("hooks", "other")
            refused = asyncio.run(poster.post(other, sent, '{"id": "1"}'))
        poster.close()
    posting._context.cache_clear()
    assert (attempt.status, attempt.reason) == (204, None)
    ((path, headers),) = receiver.requests
    assert (path, headers["host"]) == ("/a?b=c", f"hooks.example.com:{receiver.port}")
    assert receiver.names == ["hooks.example.com", "other.example.com"]
    assert "certificate is not valid for other.example.com" in str(refused.reason)


def test_a_job_with_a_callback_url_that_is_none_is_refused(tenant: str) -> None:
    body = {"tenant": tenant, "names": ["a"], "callback_url": "https://u:p@hooks.example.com"}
    with pytest.raises(InvalidJob, match="callback_url: Must have no user"):
        DetachJob.parse(body)
