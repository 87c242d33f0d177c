"""Every URL that events may be published to has a sink, and no other URL is taken for one."""

from __future__ import annotations

import pytest

from tagsweep.worker import settings
from tagsweep.worker.errors import SettingsError
from tagsweep.worker.events import sinks
from tagsweep.worker.settings.urls import EVENT_SCHEMES
from tests.support.fixtures import configured

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
