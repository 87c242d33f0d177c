"""Every URL that events may be published to has a sink, and no other URL is taken for one."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import kombu
import pytest

from tagsweep.worker import settings
from tagsweep.worker.errors import BrokerUnavailable, SettingsError
from tagsweep.worker.events import amqp_exchange, sinks
from tagsweep.worker.settings.urls import EVENT_SCHEMES
from tests.support.fixtures import configured
from tests.support.listeners import AmqpEvents, RedisEvents
from tests.support.wire import EXCHANGE

URLS = {
    "redis": "redis://h:1/0",
    "rediss": "rediss://h:1/0",
    "sentinel": "sentinel://h:1/0",
    "redis+socket": "redis+socket:///run/redis.sock",
    "amqp": "amqp://h//",
    "amqps": "amqps://h//",
}


def test_the_settings_take_no_other_scheme_than_these() -> None:
    assert set(URLS) == set(EVENT_SCHEMES)


@pytest.mark.parametrize("scheme", URLS)
@pytest.mark.parametrize("variable", ["events_url", "broker_url"])
def test_where_events_go_by_the_settings_there_is_a_sink(scheme: str, variable: str) -> None:
    with configured(
        **{variable: URLS[scheme], "sentinel_master": "m", "database_url": "sqlite://"}
    ):
        target = settings.load().events_target
    assert target is not None
    sink = sinks.sink_for(target)
    expected = "amqp_exchange" if scheme.startswith("amqp") else "redis_stream"
    assert getattr(sink, "__name__", "").endswith(f".{expected}")


@pytest.mark.parametrize("url", ["https://user:secret@h/events", "kafka://h:1", "h:1"])
def test_a_url_that_has_no_sink_is_refused_and_never_taken_for_amqp(url: str) -> None:
    with configured(events_url=url), pytest.raises(SettingsError, match="TAGSWEEP_EVENTS_URL"):
        settings.load()
    with pytest.raises(SettingsError, match="only to redis://") as raised:
        sinks.sink_for(url)
    assert "secret" not in str(raised.value)


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize("server", ["redis_url", "amqp_url"])
def test_threads_that_publish_at_once_publish_each_event_once(
    request: pytest.FixtureRequest, server: str
) -> None:
    url: str = request.getfixturevalue(server)
    listening = RedisEvents if server == "redis_url" else AmqpEvents
    batches = [[_event(f"{thread}-{at}") for at in range(100)] for thread in range(4)]
    with configured(broker_url=url, database_url="sqlite://"), closing(listening(url)) as listener:
        with ThreadPoolExecutor(len(batches)) as pool:
            list(pool.map(lambda events: sinks.sink_for(url).publish(url, events), batches))
        published = sorted(event["id"] for event in listener.all())
    assert published == sorted(json.loads(event)["id"] for some in batches for event in some)


@pytest.mark.integration
def test_events_of_which_a_queue_refuses_one_are_not_published_and_later_ones_are(
    amqp_url: str,
) -> None:
    with (
        configured(broker_url=amqp_url, database_url="sqlite://"),
        kombu.Connection(amqp_url) as it,
    ):
        exchange = kombu.Exchange(EXCHANGE, type="topic", durable=True)
        full = {"x-max-length": 2, "x-overflow": "reject-publish"}
        bound = kombu.Queue("full", exchange, "#", queue_arguments=full)(it.default_channel)
        bound.declare()
        with pytest.raises(BrokerUnavailable, match="refused"):
            amqp_exchange.publish(amqp_url, [_event(str(at)) for at in range(10)])
        bound.delete()
        with closing(AmqpEvents(amqp_url)) as listener:
            for number in (1, 50):  # the refusal of one was not taken for another's
                amqp_exchange.publish(amqp_url, [_event(str(at)) for at in range(number)])
            assert len(listener.all()) == 51


def _event(name: str) -> str:
    return json.dumps({"id": name, "type": "tagsweep.detach.completed"})
