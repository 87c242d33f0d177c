"""A Redis user with the rights that the documentation names, and no others, is enough."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from tagsweep import TagSweep
from tagsweep.worker.events import redis_stream
from tests.servers import Redis
from tests.support.fixtures import configured
from tests.support.stack import (
    ROOT,
    Worker,
    close,
    eventually,
)
from tests.support.stores import Store, new_ids

pytestmark = pytest.mark.integration

IDS = sorted(new_ids(2, seed=13))


def _documented(namespace: str) -> list[str]:
    """Return the rules of ACL SETUSER in the documentation, for a namespace."""
    text = (ROOT / "docs" / "brokers.md").read_text()
    block = re.search(rf"^ACL SETUSER {namespace} (.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    return [rule for rule in block[1].replace("\\\n", " ").split() if not rule.startswith(">")]


@pytest.fixture(params=["tagsweep", "acme"])
def named(request: pytest.FixtureRequest) -> str:
    """A namespace; the user is called so too."""
    return str(request.param)


def test_the_rights_that_the_documentation_names_are_enough(
    own_redis: Redis,
    postgres_store: Store,
    tmp_path: Path,
    named: str,
    tenant: str,
) -> None:
    admin: Any = redis.Redis.from_url(own_redis.url, decode_responses=True)
    admin.execute_command("ACL SETUSER", named, "on", ">secret", *_documented(named))
    url = urlsplit(own_redis.url)._replace(netloc=f"{named}:secret@127.0.0.1:{own_redis.port}")
    given = {"database_url": postgres_store.url, "broker_url": url.geturl(), "namespace": named}
    postgres_store.tag(tenant, "legacy", tables=IDS)
    worker = Worker(tmp_path, given)
    try:
        worker.wait_until_ready()
        with configured(**given):
            sender = TagSweep()
            handle = sender.detach(tenant=tenant, names=["legacy"], tables=IDS)
            assert handle.result(timeout=30)["counts"]["removed"] == len(IDS)
            streamed = sender.detach(tenant=tenant, names=["legacy"], tables=iter(IDS))
            assert streamed.result(timeout=30)["counts"]["absent"] == len(IDS)
            followed = redis_stream.follow(url.geturl())
            assert next(followed) is None
            redis_stream.check(url.geturl())
            close(sender._app, connections=True)
        eventually(lambda: admin.xlen(f"{named}:events") >= 2)
    finally:
        worker.kill()
        denied = {(one["reason"], one["object"]) for one in admin.acl_log()}
        admin.close()
    # what a client library tells of itself, and goes on without
    assert denied <= {("command", "client|setinfo"), ("command", "client")}
    assert "NOPERM" not in worker.log
