"""What a scanner sends: always refused in the contract's own shape, and nothing is changed."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import Any

import httpx
import pytest

from tests.support.gateway import Gateway, serving
from tests.support.stack import ServerStack
from tests.support.stores import new_ids

DETACH = "/api/v1/tags/detach/"
DELETE = "/v1/{tenant}/fabric-workspace/w-1/tags/delete"
JOBS = "/api/v1/jobs/"

BODIES: dict[str, bytes] = {
    "not JSON": b"{",
    "a lone word": b"null",
    "a number": b"1",
    "NaN": b'{"names": [NaN]}',
    "infinity": b'{"names": [-Infinity]}',
    "deep": b'{"names": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "deep objects": b'{"names": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}",
    "a name twice": b'{"names": ["a"], "names": ["b"]}',
    "a key twice": b'{"tags": [{"key": "a", "key": "b"}]}',
    "a surrogate": b'{"names": ["\\ud800"], "tags": [{"key": "\\ud800"}]}',
    "a surrogate as a field": b'{"\\ud800": 1}',
    "NUL": b'{"names": ["a\\u0000b"], "tags": [{"key": "a\\u0000b"}]}',
    "a huge number": b'{"names": [' + b"9" * 5_000 + b'], "tags": ' + b"9" * 5_000 + b"}",
    "a huge exponent": b'{"names": 1e999999, "tags": 1e999999}',
    "not UTF-8": b'{"names": ["\xff"]}',
    "UTF-16": '{"names": []}'.encode("utf-16"),
    "two byte order marks": b'\xef\xbb\xbf\xef\xbb\xbf{"names": []}',
    "many members": json.dumps(dict.fromkeys(map(str, range(5_000)))).encode(),
    "a long name": b'{"' + b"n" * 20_000 + b'": 1}',
    "every list an object": b'{"names": {}, "sources": {}, "tags": {}, "sys_tags": {}}',
    "booleans": b'{"names": [true], "sources": [false], "tags": true}',
    "all": b'{"names": ["a"], "sources": ["*"]}',
    "an integer for an id": b'{"names": ["a"], "sources": [1]}',
    "a float for a tag": b'{"tags": [1.5]}',
    "an unknown field that is null": b'{"tags": [{"key": "a"}], "": null}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
@pytest.mark.parametrize("path", [DETACH, DELETE, JOBS], ids=["detach", "delete", "jobs"])
def test_a_bad_body_is_refused_in_the_shape_of_its_contract(
    redis_gateway: Gateway, tenant: str, path: str, body: bytes
) -> None:
    redis_gateway.store.workspace(tenant, "w-1", {"a": "1"})
    with redis_gateway.client(tenant) as client:
        answer = client.post(
            path.format(tenant=tenant), content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 400
        _in_shape(path, answer)
        assert client.get(JOBS).json()["count"] == 0


def _in_shape(path: str, answer: httpx.Response) -> None:
    told = answer.json()
    assert "Traceback" not in answer.text
    assert answer.headers["x-request-id"]
    if path == DELETE:
        assert {"error_code", "error_msg"} <= told.keys()
        assert 2 <= len(told["error_msg"]) <= 512
    elif path == JOBS:
        assert answer.headers["content-type"] == "application/problem+json"
        assert told["status"] == answer.status_code
    else:
        assert told
        assert all(isinstance(words, str | list | dict) for words in told.values())


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1%2Ftags/detach/",
        "/api/v1/tags%2fdetach/",
        "/v1/{tenant}%2ffabric-workspace/w-1/tags/delete",
        "/v1/{tenant}/fabric-workspace/w-1%2f..%2fw-2/tags/delete",
        "/api/v1/tags/detach//",
        "//api/v1/tags/detach/",
        "/api/v1/tags/../tags/detach/",
        "/v1/{tenant}/fabric-workspace//tags/delete",
        "/v1/{tenant}/fabric-workspace/w%00/tags/delete",
        "/v1/{tenant}/fabric-workspace/w%20/tags/delete",
        "/v1/{tenant}/fabric-workspace/" + "w" * 37 + "/tags/delete",
        "/v1/x%0d%0aSet-Cookie:a/fabric-workspace/w-1/tags/delete",
        "/api/v1/jobs/none",
        "/api/v1/jobs/%F0%9F%92%A9/cancel",
    ],
)
def test_a_path_that_is_none_of_ours_is_a_4xx(
    redis_gateway: Gateway, tenant: str, path: str
) -> None:
    with redis_gateway.client(tenant) as client:
        body = b'{"names": [], "tags": [{"key": "a"}]}'
        head = f"POST {path.format(tenant=tenant)} HTTP/1.1\r\nHost: h"
        head += "\r\nContent-Type: application/json"
        head += f"\r\nx-api-key: {client.headers['x-api-key']}"
        head += f"\r\nX-Auth-Token: {client.headers['x-api-key']}\r\nConnection: close"
        status, text = _raw(
            redis_gateway, f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )
        assert 400 <= status < 500
        assert "Set-Cookie" not in text.split("\r\n\r\n")[0]
        assert client.get(JOBS).json()["count"] == 0


@pytest.mark.parametrize(
    "head",
    [
        b"POST /api/v1/tags/detach/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2",
        b"POST /api/v1/tags/detach/ HTTP/1.1\r\nHost: h\r\nContent-Length: -1",
        b"POST /api/v1/tags/detach/ HTTP/1.1\r\nHost: h\r\nContent-Length: x",
        b"POST /api/v1/tags/detach/ HTTP/1.1\r\nHost: a\r\nHost: b",
        b"POST /api/v1/tags/detach/ HTTP/1.1",
        b"POST /api/v1/tags/detach/ HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 300_000,
        b"POST /api/v1/tags/detach/ HTTP/1.1\r\nHost: h\r\n: x",
        b"GARBAGE",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    ],
    ids=[
        "two lengths",
        "negative",
        "no number",
        "two hosts",
        "no host",
        "huge",
        "no name",
        "words",
        "TLS",
    ],
)
def test_what_is_no_http_is_a_400(redis_gateway: Gateway, head: bytes) -> None:
    status, text = _raw(redis_gateway, head + b"\r\n\r\n")
    assert status == 400
    assert "application/problem+json" in text


def _raw(gateway: Gateway, sent: bytes) -> tuple[int, str]:
    """Send these very bytes, and return status and whole answer."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        with contextlib.suppress(ConnectionError):  # it has heard enough
            connection.sendall(sent)
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
            if b"\r\n\r\n" in received and b"}" in received:
                break
    return int(received.split(b" ")[1]), received.decode("latin-1")


HEADERS: dict[str, tuple[list[tuple[str, str]], int]] = {
    "two keys": ([("x-api-key", "ts_other")], 401),
    "two idempotency keys": ([("Idempotency-Key", "a"), ("Idempotency-Key", "b")], 400),
    "an empty idempotency key": ([("Idempotency-Key", "")], 400),
    "a long idempotency key": ([("Idempotency-Key", "k" * 256)], 400),
    "two media types": ([("Content-Type", "text/plain")], 415),
}


@pytest.mark.parametrize("headers,status", HEADERS.values(), ids=list(HEADERS))
def test_wrong_and_repeated_headers_are_refused(
    redis_gateway: Gateway, tenant: str, headers: list[tuple[str, str]], status: int
) -> None:
    with redis_gateway.client(tenant) as client:
        own = [("x-api-key", client.headers["x-api-key"]), ("Content-Type", "application/json")]
        answer = httpx.post(
            redis_gateway.url + DETACH, content=b'{"names": []}', headers=[*own, *headers]
        )
        assert answer.status_code == status
        assert client.get(JOBS).json()["count"] == 0


@pytest.mark.parametrize(
    "given", ["wait=-1", "wait=x", "wait=9999999999", ";;;,,=", "respond-async=no"]
)
def test_a_preference_that_nobody_understands_is_ignored(
    redis_gateway: Gateway, tenant: str, given: str
) -> None:
    with redis_gateway.client(tenant) as client:
        answer = client.post(DETACH, json={"names": []}, headers={"Prefer": given})
    assert answer.status_code == 200
    assert "preference-applied" not in answer.headers


@pytest.fixture(scope="module")
def strict_gateway(redis_stack: ServerStack) -> Any:
    """A gateway with narrow limits."""
    limits = {"body_bytes": 20_000, "request_ids": 100, "requests_per_s": 5, "waiting_requests": 1}
    with serving(redis_stack, **limits) as gateway:
        yield gateway


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
def test_a_body_beyond_the_limit_is_refused_before_it_is_kept(
    strict_gateway: Gateway, tenant: str, *, chunked: bool
) -> None:
    body = b" " * (5 << 20)
    content: Any = (body[at : at + 65_536] for at in range(0, len(body), 65_536))
    with strict_gateway.client(tenant) as client:
        answer = client.post(
            DETACH,
            content=content if chunked else body,
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 413
        assert set(answer.json()) == {"detail"}
        assert client.get(JOBS).json()["count"] == 0


def test_more_ids_than_allowed_are_refused(strict_gateway: Gateway, tenant: str) -> None:
    body = {"names": ["a"], "sources": new_ids(60), "tables": new_ids(60)}
    with strict_gateway.client(tenant) as client:
        answer = client.post(DETACH, json=body)
    assert answer.status_code == 400
    assert "no more than 100 ids" in answer.json()["non_field_errors"][0]


def test_too_many_requests_are_told_when_to_come_back(strict_gateway: Gateway, tenant: str) -> None:
    with strict_gateway.client(tenant) as client:
        answers = [client.post(DETACH, json={"name": []}) for _ in range(30)]
        throttled = [one for one in answers if one.status_code == 429]
        assert throttled
        assert all(int(one.headers["retry-after"]) >= 1 for one in throttled)
        assert "detail" in throttled[0].json()
    with strict_gateway.client(f"{tenant}-b") as another:
        assert another.get(JOBS).status_code == 200


@pytest.mark.slow
def test_a_body_that_never_ends_is_given_up(redis_gateway: Gateway, tenant: str) -> None:
    key = redis_gateway.credential(tenant).key
    head = (
        f"POST {DETACH} HTTP/1.1\r\nHost: h\r\nx-api-key: {key}\r\nContent-Type: application/json"
    )
    sent = f"{head}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n".encode()
    status, text = _raw(redis_gateway, sent)
    assert status == 400
    assert "did not arrive in time" in text
