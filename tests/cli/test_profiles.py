"""Profiles: named settings of clients, below the environment, in a file of their owner alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import CommandLine

pytestmark = pytest.mark.slow

STAGING = """
default = "local"

[profiles.local]
database_url = "sqlite:///local.db"

[profiles.staging]
url = "http://127.0.0.1:1"
api_key = "ts_of-staging"
"""


def _command(folder: Path, text: str = STAGING, mode: int = 0o600, **given: str) -> CommandLine:
    file = folder / ".config" / "tagsweep" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    file.chmod(mode)
    return CommandLine(folder, **given)


def _settings(command: CommandLine, *arguments: str) -> dict[str, tuple[object, str]]:
    ended = command(*arguments, "config", "--json")
    assert ended.status == 0, ended.err
    shown = ended.json["settings"].items()
    return {name: (one["value"], one["from"]) for name, one in shown}


def test_a_profile_is_used_by_name_before_or_after_the_command(tmp_path: Path) -> None:
    command = _command(tmp_path)
    for arguments in (["--profile", "staging", "config"], ["config", "--profile", "staging"]):
        ended = command(*arguments)
        assert "Commands go through the gateway at http://127.0.0.1:1" in ended.out
        assert "ts_of" not in ended.out
    refused = command("jobs", "list", "--profile", "staging")
    assert refused.status == 1
    assert "The gateway at http://127.0.0.1:1 does not answer" in refused.err


def test_without_a_name_the_default_profile_is_used(tmp_path: Path) -> None:
    found = _settings(_command(tmp_path))
    store = f"sqlite:///{tmp_path / 'local.db'}"
    assert found["TAGSWEEP_DATABASE_URL"] == (store, "profile 'local'")
    assert found["TAGSWEEP_API_KEY"] == (None, "default")


def test_the_environment_comes_before_a_profile(tmp_path: Path) -> None:
    command = _command(tmp_path, url="http://127.0.0.1:2", api_key="ts_other")
    found = _settings(command, "--profile", "staging")
    assert found["TAGSWEEP_URL"] == ("http://127.0.0.1:2", "TAGSWEEP_URL")
    assert found["TAGSWEEP_API_KEY"] == ("***", "TAGSWEEP_API_KEY")


def test_a_profile_s_key_never_goes_to_a_gateway_that_the_environment_names(tmp_path: Path) -> None:
    command = _command(tmp_path, url="http://127.0.0.1:2")
    refused = command("jobs", "list", "--profile", "staging")
    assert refused.status == 2
    assert "TAGSWEEP_URL names another gateway" in refused.err


def test_a_profile_s_secret_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("ts_in-a-file\n")
    command = _command(tmp_path, f'[profiles.p]\napi_key_file = "{tmp_path / "key"}"\n')
    assert _settings(command, "--profile", "p")["TAGSWEEP_API_KEY"] == ("***", "profile 'p'")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_may_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    refused = _command(tmp_path, mode=mode)("jobs", "list")
    assert (refused.status, refused.out) == (2, "")
    assert "chmod 600" in refused.err


@pytest.mark.parametrize(
    "text, told",
    [
        ("[profiles.p]\napi_keys = 'x'", "'api_keys' is not a setting. Did you mean api_key?"),
        ("[profiles.p]\nurl = ['x']", "url must be a text or a number"),
        ("[profiles.p]\nurl = 'ftp://h'", "TAGSWEEP_URL='ftp://h' (profile 'p') is not usable"),
        ("[profile.p]\nurl = 'http://h'", "'profile' is not known"),
        ("profiles = 1", "profiles must be tables"),
        ("[profiles]\np = 1", "must be a table"),
        ("[profiles.q]", "--profile 'p': there is no such profile"),
        ("[profiles.p", "is not valid TOML"),
        ("[profiles.p]\nurl = '\xff", "is not valid TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_said_in_a_line(tmp_path: Path, text: str, told: str) -> None:
    refused = _command(tmp_path, text)("jobs", "list", "--profile", "p")
    assert (refused.status, refused.out) == (2, "")
    assert told in refused.err
    assert refused.err.count("\n") == 1


@pytest.mark.parametrize("server", ["migrate", "serve", "up", "worker"])
def test_what_runs_tagsweep_itself_has_no_profile(tmp_path: Path, server: str) -> None:
    refused = _command(tmp_path)(server, "--profile", "local")
    assert refused.status == 2
    assert f"`tagsweep {server}` is no client" in refused.err


def test_migrate_does_not_use_the_default_profile(tmp_path: Path) -> None:
    ended = _command(tmp_path)("migrate")
    assert (tmp_path / "tagsweep.db").exists(), ended.err
    assert not (tmp_path / "local.db").exists()
