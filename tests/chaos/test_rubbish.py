"""What is no message at all takes no worker down, is not looped, and is kept to be looked at."""

from __future__ import annotations

import redis

from tests.chaos.conftest import MakeStack
from tests.servers import Redis
from tests.support.stack import eventually
from tests.support.stores import new_tenant

INFO = b'{"exchange": "", "routing_key": "tagsweep"}'
RUBBISH = (
    b"garbage",
    b"\xff\xfe",
    b"[1]",
    b"{}",
    b'{"body": "!", "properties": {"delivery_tag": "x", "body_encoding": "base64"}}',
    b'{"headers": null, "properties": {"delivery_tag": "y", "delivery_info": {"exchange": ""}}}',
    b'{"headers": {}, "properties": {"delivery_tag": "z", "delivery_info": %s}}' % INFO,
)


def test_rubbish_in_the_queue_is_set_aside(make_stack: MakeStack, redis_server: Redis) -> None:
    stack = make_stack(redis_server.create_database(), visibility_s=1)
    worker = stack.start_worker()
    stack.wait()
    with redis.Redis.from_url(stack.broker_url) as client:
        for rubbish in RUBBISH:
            client.lpush("tagsweep", rubbish)
    eventually(lambda: len(stack.store.set_aside("")) == len(RUBBISH))
    tenant = new_tenant()
    stack.store.tag(tenant, "t")
    assert stack.detach(tenant, ["t"])["status"] == "succeeded"
    assert not worker.ended
    with redis.Redis.from_url(stack.broker_url) as client:
        assert client.hlen("tagsweep.taken") == client.zcard("tagsweep.taken_at") == 0
