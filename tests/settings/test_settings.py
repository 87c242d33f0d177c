"""Settings: read once from the environment, and each bad value told with its variable."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from tagsweep import TagSweep
from tagsweep.worker import settings
from tagsweep.worker.errors import SettingsError
from tagsweep.worker.settings import secret_files
from tests.support.fixtures import configured
from tests.support.stack import ROOT, environment


def test_with_nothing_set_everything_is_embedded() -> None:
    with configured():
        found = settings.load()
    assert found.database_url == "sqlite:///tagsweep.db"
    assert found.broker_url == "memory://"
    assert found.embedded
    assert found.events_target is None
    assert found.results_backend == "cache+memory://"


def _documented() -> dict[str, tuple[str, str]]:
    """Return the default and the unit of each setting in its documentation."""
    text = (ROOT / "docs" / "settings.md").read_text()
    rows = re.findall(
        r"^\| `TAGSWEEP_(\w+)` \| `?([^`|]*?)`? \| ([^|]*?) ?\| \S", text, re.MULTILINE
    )
    return {name: (default, unit) for name, default, unit in rows}


def test_every_setting_is_documented_with_its_default_and_unit() -> None:
    documented = _documented()
    fields = settings.Settings.model_fields
    names = {name: "SCHEMA" if name == "schema_name" else name.upper() for name in fields}
    assert set(documented) == set(names.values())
    for name, field in fields.items():
        default, unit = documented[names[name]]
        assert default == ("none" if field.default is None else str(field.default)), name
        expected = {"S": "s", "MS": "ms", "DAYS": "days", "BYTES": "bytes"}
        last = names[name].removesuffix("_PER_S").rpartition("_")[2]
        assert unit == expected.get(last, unit), name
        assert unit or not isinstance(field.default, int), name


@pytest.mark.parametrize("name", secret_files.NAMES)
def test_every_setting_that_may_be_a_file_is_documented(name: str) -> None:
    assert f"`TAGSWEEP_{name.upper()}_FILE`" in (ROOT / "docs" / "settings.md").read_text()


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
        ("broker_url", "redis+sentinel://h:1/0"),
        ("broker_url", "redis+cluster://h:1/0"),
        ("broker_url", "memory://h"),
        ("broker_url", "redis://h:1/0?health_check_interval=5"),
        ("broker_url", "redis://h:1/0?ssl_ca_certs=/ca.pem"),
        ("broker_url", "rediss://h:1/0?ssl_cert_reqs=never"),
        ("broker_url", "amqps://h:1//?ssl_ca_certs=/ca.pem"),
        ("broker_url", "redis://h:65536/0"),
        ("broker_url", "redis://h:0/0"),
        ("broker_url", "redis:///0"),
        ("broker_url", "redis://h:1/0#1"),
        ("broker_url", "redis://a:1/0;redis://b:1/0"),
        ("broker_url", "amqp://a;amqps://b"),
        ("broker_url", "amqp://a;b"),
        ("broker_url", "redis+socket://h/0"),
        ("events_url", "redis://h one/0"),
        ("results_url", "db+sqlite:///x.db"),
        ("results_url", "rpc://h"),
        ("broker_url", "sentinel://h:1/0?ssl_ca_file=/ca.pem"),
        ("broker_url", "sentinel://h:1/0?ssl_cert_reqs=never"),
        ("sentinel_master", "my master"),
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


def test_blanks_and_line_ends_around_a_url_go() -> None:
    with configured(broker_url=" redis://h:1/0\r\n", url="http://h/ \n"):
        assert settings.load().broker_url == "redis://h:1/0"
        assert settings.load().url == "http://h"


@pytest.mark.parametrize("url", ["unix://:p@/s?db=2", "redis+socket://:p@/s?virtual_host=2"])
def test_a_socket_has_one_form(url: str) -> None:
    with configured(broker_url=url):
        assert settings.load().broker_url == "redis+socket://:p@/s?virtual_host=2"


def test_what_one_sentinel_s_url_names_is_meant_for_all() -> None:
    url = "sentinel://:p@a:1;sentinel://b:2/3"
    with configured(broker_url=url, sentinel_master="m"):
        assert settings.load().broker_url == "sentinel://:p@a:1/3;sentinel://:p@b:2/3"
    with configured(broker_url=url), pytest.raises(SettingsError, match="SENTINEL_MASTER is not"):
        settings.load()


@pytest.mark.parametrize("name", secret_files.NAMES)
def test_a_secret_may_be_given_as_a_file(tmp_path: Path, name: str) -> None:
    value = {"database_url": "sqlite:///x.db"}.get(name, "redis://:p@h:1/0")
    file = tmp_path / "secret"
    file.write_text(f"{value * 3 if name == 'secret_key' else value}\n")
    with configured(**{f"{name}_file": file}):
        found = getattr(settings.load(), name)
    text = found if isinstance(found, str) else found.get_secret_value()
    assert text == file.read_text().strip()


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff", b"x" * 100_000])
def test_a_secret_s_file_that_holds_none_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with configured(api_key_file=file), pytest.raises(SettingsError) as raised:
        settings.load()
    assert str(raised.value).startswith("TAGSWEEP_API_KEY_FILE=")
    assert "\n" not in str(raised.value)


def test_a_secret_and_its_file_are_not_both_taken(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("redis://h:1/0")
    given = {"broker_url": "redis://h:1/0", "broker_url_file": file}
    with configured(**given), pytest.raises(SettingsError, match="TAGSWEEP_BROKER_URL_FILE"):
        settings.load()


def test_a_sender_s_own_url_is_checked_too() -> None:
    with configured(), pytest.raises(SettingsError, match="TAGSWEEP_BROKER_URL='redis://h/x'"):
        TagSweep(broker_url="redis://h/x")


def test_who_only_sends_needs_no_store() -> None:
    with configured(broker_url="redis://127.0.0.1:1/0"):
        TagSweep()


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


@pytest.mark.slow
def test_a_worker_does_not_start_on_a_bad_value() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "tagsweep", "worker"],
        env=environment(chunk_size="many"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr.strip().splitlines()[-1].startswith("tagsweep: TAGSWEEP_CHUNK_SIZE='many'")
