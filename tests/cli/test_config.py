"""What commands use, store or gateway, is shown, named, and never silently another."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagsweep.worker import settings
from tests.support.cli import CommandLine
from tests.support.gateway import Gateway
from tests.support.stores import new_tenant

pytestmark = pytest.mark.slow

LINE = '{"tenant": "acme", "name": "legacy"}\n'
AT_THE_STORE = [
    ["load", "-"],
    ["keys", "create", "--tenant", "acme"],
    ["keys", "list"],
    ["keys", "revoke", "5e0c6a5c-6a56-4c8e-9e4c-0e9d1c1b2a3f"],
    ["migrate"],
    ["events", "--republish", "--since", "1d"],
]


def test_with_nothing_set_it_shows_the_defaults(tmp_path: Path) -> None:
    shown = CommandLine(tmp_path)("config")
    store = f"sqlite:///{tmp_path / 'tagsweep.db'}"
    assert shown.out.startswith(f"Commands use the store at {store}, and a worker inside each")
    assert shown.out.count("default") == 4
    assert not (tmp_path / "tagsweep.db").exists()


def test_it_shows_where_each_value_comes_from_without_secrets(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("redis://:hidden1@h:1/0")
    command = CommandLine(
        tmp_path,
        database_url="postgresql://u:hidden2@db/x",
        broker_url_file=str(tmp_path / "url"),
        secret_key="hidden3" * 8,
        chunk_size="7",
    )
    shown = command("config")
    assert shown.status == 0
    assert "hidden" not in shown.out + shown.err
    rows = [line.split() for line in shown.out.splitlines()]
    assert ["TAGSWEEP_DATABASE_URL", "postgresql://u:***@db/x", "TAGSWEEP_DATABASE_URL"] in rows
    assert ["TAGSWEEP_BROKER_URL", "redis://:***@h:1/0", "TAGSWEEP_BROKER_URL_FILE"] in rows
    assert ["TAGSWEEP_SECRET_KEY", "***", "TAGSWEEP_SECRET_KEY"] in rows
    assert ["TAGSWEEP_CHUNK_SIZE", "7", "TAGSWEEP_CHUNK_SIZE"] in rows


def test_all_shows_every_setting(tmp_path: Path) -> None:
    shown = CommandLine(tmp_path)("config", "--all", "--json").json["settings"]
    assert {*shown} == {settings.variable(name) for name in settings.Settings.model_fields}


@pytest.mark.parametrize("named", ["url", "api_key", "api_key_file"])
@pytest.mark.parametrize("command", AT_THE_STORE)
def test_what_needs_the_store_never_uses_a_local_file_where_a_gateway_is_named(
    tmp_path: Path, command: list[str], named: str
) -> None:
    (tmp_path / "key").write_text("ts_x")
    value = {"url": "http://127.0.0.1:1", "api_key": "ts_x"}.get(named, str(tmp_path / "key"))
    refused = CommandLine(tmp_path, **{named: value})(*command, stdin=LINE)
    assert (refused.status, refused.out) == (2, "")
    assert f"TAGSWEEP_{named.upper()} names a gateway" in refused.err
    assert not (tmp_path / "tagsweep.db").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["detach", "--tenant", "acme", "--name", "legacy", "--tables", "*"],
        ["jobs", "list"],
        ["events"],
        ["doctor"],
    ],
)
def test_a_gateway_without_a_key_is_not_passed_over(tmp_path: Path, command: list[str]) -> None:
    refused = CommandLine(tmp_path, url="http://127.0.0.1:1")(*command)
    assert (refused.status, refused.out) == (2, "")
    assert "there is no key for it: set TAGSWEEP_API_KEY" in refused.err
    assert not (tmp_path / "tagsweep.db").exists()


def test_where_a_store_is_set_too_load_and_keys_use_it_and_name_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    command = CommandLine(tmp_path, api_key="ts_x", database_url=url)
    assert f"into {url}." in command("load", "-", stdin=LINE).out
    for keys in (["create", "--tenant", "acme"], ["list"]):
        assert f"Credentials of the store at {url}." in command("keys", *keys).err


def test_the_doctor_names_what_it_checks(tmp_path: Path) -> None:
    told = CommandLine(tmp_path)("doctor").out.splitlines()
    store = f"sqlite:///{tmp_path / 'tagsweep.db'}"
    assert told[0] == f"Checked: the store at {store} (default), the broker at memory:// (default)"


def test_the_doctor_asks_the_gateway_that_commands_use(up_gateway: Gateway, tmp_path: Path) -> None:
    key = up_gateway.credential(new_tenant()).key
    told = CommandLine(tmp_path, url=up_gateway.url, api_key=key)("doctor")
    assert told.status == 0
    gateway = f"The gateway at {up_gateway.url}"
    assert told.out.splitlines() == [
        f"Checked: the gateway at {up_gateway.url} (TAGSWEEP_URL)",
        f"ok     gateway   {gateway} answers; its store and broker accept jobs.",
        f"ok     key       {gateway} accepts the key.",
    ]
    assert not (tmp_path / "tagsweep.db").exists()


def test_the_doctor_tells_a_key_that_the_gateway_refuses(
    up_gateway: Gateway, tmp_path: Path
) -> None:
    told = CommandLine(tmp_path, url=up_gateway.url, api_key="ts_000000000000_x")("doctor")
    assert told.status == 1
    assert f"WRONG  key       TAGSWEEP_API_KEY is refused by the gateway at {up_gateway.url}" in (
        told.out
    )


def test_the_doctor_tells_a_gateway_that_is_away(tmp_path: Path) -> None:
    told = CommandLine(tmp_path, url="http://127.0.0.1:1", api_key="ts_x")("doctor")
    assert told.status == 1
    assert "WRONG  gateway   The gateway at http://127.0.0.1:1 does not answer" in told.out
