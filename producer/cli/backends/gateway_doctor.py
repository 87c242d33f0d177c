"""What is wrong between a command and the gateway that it goes through."""

from __future__ import annotations

from collections.abc import Iterator

from tagsweep.producer.cli.backends import http_errors
from tagsweep.producer.cli.backends.http import Client, Refused
from tagsweep.worker.doctor.findings import Finding
from tagsweep.worker.errors import TagsweepError

BELOW = "Run `tagsweep doctor` where the gateway runs: it checks store, broker and workers."
UNAVAILABLE = 503


def findings(client: Client) -> Iterator[Finding]:
    """Check that the gateway answers, is ready, and accepts the key."""
    try:
        client.get("/readyz")
    except Refused as refused:
        yield Finding("gateway", _unready(client, refused), BELOW)
        if refused.status != UNAVAILABLE or refused.body is None:
            return
    except TagsweepError as error:
        yield Finding("gateway", str(error), "Nothing works without it.")
        return
    else:
        what = f"The gateway at {client.url} answers; its store and broker accept jobs."
        yield Finding("gateway", what)
    yield from _key(client)


def _unready(client: Client, refused: Refused) -> str:
    if refused.status == UNAVAILABLE and refused.body is not None:
        return f"The gateway at {client.url} is not ready: {refused.body.get('detail')}"
    return str(http_errors.worded(refused, client.url))


def _key(client: Client) -> Iterator[Finding]:
    try:
        client.get("/api/v1/jobs/?page_size=1")
    except Refused as refused:
        worded = str(http_errors.worded(refused, client.url))
        yield Finding(
            "key", worded, "Use a valid key: `tagsweep keys list` shows them at the store."
        )
    except TagsweepError as error:
        yield Finding("key", str(error), BELOW)
    else:
        yield Finding("key", f"The gateway at {client.url} accepts the key.")
