"""Settings: read once from the environment, and each bad value told with its variable."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from pydantic import ValidationError

from tests.fixtures import configured
from tests.stack import ROOT, environment
from worker import settings
from worker.errors import SettingsError

README = (ROOT / "README.md").read_text()


def test_with_nothing_set_everything_is_embedded() -> None:
    with configured():
        found = settings.load()
    assert found.database_url == "sqlite:///tagsweep.db"
    assert found.broker_url == "memory://"
    assert found.embedded
    assert found.events_target is None
    assert found.results_backend == "cache+memory://"


@pytest.mark.parametrize("name", ["chunk_size", "visibility_s", "database_url"])
def test_the_readme_tells_the_default(name: str) -> None:
    with configured():
        default = getattr(settings.load(), name)
    row = re.search(rf"^\| `TAGSWEEP_{name.upper()}` \| `?([^`,|]*[^`,| ])", README, re.MULTILINE)
    assert row is not None
    assert row[1] == str(default)


@pytest.mark.parametrize(
    "broker, events, results",
    [
        ("redis://h:1/0", "redis://h:1/0", "redis://h:1/0"),
        ("rediss://h:1/0", "rediss://h:1/0", "rediss://h:1/0"),
        ("amqp://h//", "amqp://h//", "rpc://"),
        ("amqps://h//", "amqps://h//", "rpc://"),
        ("REDIS://h:1/0", "REDIS://h:1/0", "REDIS://h:1/0"),
    ],
)
def test_events_and_results_go_where_the_broker_is(broker: str, events: str, results: str) -> None:
    with configured(broker_url=broker):
        found = settings.load()
    assert (found.events_target, found.results_backend) == (events, results)
    assert not found.embedded


def test_events_and_results_may_go_elsewhere() -> None:
    with configured(broker_url="amqp://a//", events_url="redis://b/1", results_url="redis://c/2"):
        found = settings.load()
    assert (found.events_target, found.results_backend) == ("redis://b/1", "redis://c/2")


@pytest.mark.parametrize(
    "name, value",
    [
        ("database_url", "mysql://h/db"),
        ("database_url", "tagsweep.db"),
        ("broker_url", "kafka://h"),
        ("broker_url", "localhost:6379"),
        ("broker_url", "redis://h:port/0"),
        ("events_url", "http://h"),
        ("events_url", "memory://"),
        ("chunk_size", "0"),
        ("chunk_size", "-1"),
        ("chunk_size", "many"),
        ("chunk_size", "1000001"),
        ("visibility_s", "0"),
        ("visibility_s", "1.5"),
        ("slice_ms", "0"),
        ("sweeps_waiting", "51"),
        ("events_maxlen", "0"),
        ("connect_timeout_s", "0"),
        ("lock_timeout_s", "x"),
        ("statement_timeout_s", "0"),
        ("max_rate", "0"),
    ],
)
def test_a_bad_value_names_its_variable_in_one_line(name: str, value: str) -> None:
    with configured(**{name: value}), pytest.raises(SettingsError) as raised:
        settings.load()
    message = str(raised.value)
    assert message.startswith(f"TAGSWEEP_{name.upper()}=")
    assert value in message
    assert "\n" not in message


def test_an_empty_value_is_the_default() -> None:
    with configured(broker_url="", chunk_size=""):
        assert settings.load().broker_url == "memory://"


@pytest.mark.parametrize(
    "url, shown",
    [
        ("redis://:secret@h:1/0", "redis://:***@h:1/0"),
        ("amqp://user:secret@h//", "amqp://user:***@h//"),
        ("postgresql://u:s%40cret@h/db", "postgresql://u:***@h/db"),
        ("redis://h:1/0", "redis://h:1/0"),
        ("sqlite:///a.db", "sqlite:///a.db"),
    ],
)
def test_a_password_is_never_shown(url: str, shown: str) -> None:
    assert settings.masked(url) == shown


def test_a_password_in_a_bad_value_is_not_shown() -> None:
    with (
        configured(broker_url="kafka://user:secret@h"),
        pytest.raises(SettingsError, match=r"kafka://user:\*\*\*@h"),
    ):
        settings.load()


def test_the_settings_cannot_be_changed() -> None:
    with configured():
        found = settings.load()
    with pytest.raises(ValidationError):
        found.chunk_size = 7  # type: ignore[misc]  # that is the point
    assert found.over(chunk_size=7).chunk_size == 7


def test_a_worker_does_not_start_on_a_bad_value() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "worker", "worker"],
        env=environment(chunk_size="many"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr.strip().splitlines()[-1].startswith("tagsweep: TAGSWEEP_CHUNK_SIZE='many'")
