"""`tagsweep keys`, the keys that `up` keeps, and signing secrets encrypted with several keys."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.servers.processes import free_port
from tests.support.cli import CommandLine

pytestmark = pytest.mark.slow

OLD, NEW, OTHER = ("o" * 40, "n" * 40, "x" * 40)


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    """The command, with a store and a key that encrypts."""
    return CommandLine(tmp_path, secret_key=OLD)


def _create(command: CommandLine, *options: str, **settings: str) -> dict[str, Any]:
    made = command("keys", "create", *options, "--json", **settings)
    assert made.status == 0, made.err
    shown: dict[str, Any] = made.json
    return shown


def _listed(command: CommandLine) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = command("keys", "list", "--json").json
    return rows


def test_a_key_has_a_name_scopes_rights_and_an_end(command: CommandLine) -> None:
    options = ["--tenant", "acme", "--name", "ci", "--scope", "preview,undo", "--operator"]
    made = _create(command, *options, "--expires", "90d")
    assert {*made} == {"id", "tenant", "key"}
    (row,) = _listed(command)
    assert (row["name"], row["scopes"]) == ("ci", ["read", "preview", "undo"])
    assert (row["operator"], row["admin"], row["tenant"]) == (True, False, "acme")
    left = datetime.fromisoformat(row["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89) < left <= timedelta(days=90)
    assert "read preview undo, operator" in command("keys", "list").out


def test_an_admin_key_belongs_to_no_tenant(command: CommandLine) -> None:
    made = _create(command, "--admin")
    assert made["tenant"] is None
    (row,) = _listed(command)
    assert (row["tenant"], row["admin"], len(row["scopes"])) == (None, True, 5)


@pytest.mark.parametrize(
    "options, told",
    [
        ([], "Give --tenant, or --admin"),
        (["--tenant", "acme", "--admin"], "Give --tenant, or --admin"),
        (["--tenant", "a b"], "--tenant 'a b'"),
        (["--admin", "--operator"], "--admin: --operator and --signing"),
        (["--tenant", "acme", "--scope", "writes"], "--scope 'writes': must be one of read,"),
        (["--tenant", "acme", "--name", ""], "--name ''"),
        (["--tenant", "acme", "--name", "x" * 101], "must be 1 to 100"),
        (["--tenant", "acme", "--expires", "soon"], "--expires 'soon': must be a span"),
        (["--tenant", "acme", "--expires", "2020-01-01"], "must be in the future"),
        (["--tenant", "acme", "--expires", "0d"], "must be a span"),
    ],
)
def test_a_key_that_cannot_be_made_names_the_option(
    command: CommandLine, options: list[str], told: str
) -> None:
    refused = command("keys", "create", *options)
    assert (refused.status, refused.out) == (2, "")
    assert told in refused.err
    assert refused.err.count("\n") == 1
    assert not command.store.exists()


def test_rotation_makes_a_new_key_and_ends_the_old_one_later(command: CommandLine) -> None:
    made = _create(command, "--tenant", "acme", "--name", "ci", "--scope", "undo", "--signing")
    rotated = command("keys", "rotate", made["id"], "--overlap", "2h", "--json")
    assert rotated.status == 0
    assert {*rotated.json} == {"id", "tenant", "key", "access_key", "secret_key"}
    assert rotated.json["key"] != made["key"]
    old, new = _listed(command)
    assert (new["name"], new["scopes"], new["expires_at"]) == ("ci", ["read", "undo"], None)
    left = datetime.fromisoformat(old["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=1.9) < left <= timedelta(hours=2)
    for wrong in (["rotate", "x"], ["rotate", made["id"], "--overlap", "long"]):
        assert command("keys", *wrong).status == 2
    assert command("keys", "rotate", "0" * 32).status == 1


def test_secrets_that_the_key_does_not_open_are_told_and_can_be_encrypted_again(
    command: CommandLine,
) -> None:
    _create(command, "--tenant", "acme", "--signing")
    fine = command("doctor")
    assert (fine.status, "keys" in fine.out) == (0, False)
    wrong = command("doctor", secret_key=NEW)
    assert wrong.status == 1
    assert "WRONG  keys      1 of 1 signing credentials cannot be used" in wrong.out
    both = command("doctor", secret_key=f"{NEW}, {OLD}")
    assert both.status == 0
    assert "1 signing secrets are encrypted with an older TAGSWEEP_SECRET_KEY" in both.out
    done = command("keys", "reencrypt", secret_key=f"{NEW},{OLD}")
    assert (done.status, done.out) == (0, "Secrets encrypted again: 1.\n")
    assert command("doctor", secret_key=NEW).status == 0
    assert command("doctor", secret_key=f"{OTHER},{OLD}").status == 1


def test_each_of_several_keys_must_be_long_enough(command: CommandLine) -> None:
    refused = command("keys", "list", secret_key=f"{NEW},short")
    assert refused.status == 2
    assert "TAGSWEEP_SECRET_KEY='***' is not usable: must be 32 characters or more" in refused.err


def _key_of_up(command: CommandLine, **settings: str) -> str:
    """Run `up` until it has printed its key."""
    with command.started("up", "--port", free_port(), **settings) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("key:"):
                return line.split()[1]
        assert process.stderr is not None
        raise AssertionError(process.stderr.read())


def test_up_keeps_its_key_for_the_next_time(tmp_path: Path) -> None:
    command = CommandLine(tmp_path)
    first = _key_of_up(command)
    kept = tmp_path / "tagsweep.db.keys"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    secret = json.loads(kept.read_text())["secret_key"]
    assert len(secret) == 64
    assert _key_of_up(command) == first
    (row,) = _listed(command)
    assert row["name"] == "tagsweep up"
    _create(command, "--tenant", "demo", "--signing")  # with the kept key
    assert command("keys", "revoke", row["id"]).status == 0
    second = _key_of_up(command)
    assert second != first
    assert _key_of_up(command) == second
    assert json.loads(kept.read_text())["secret_key"] == secret


@pytest.mark.parametrize(
    "content, mode, told",
    [(None, 0o644, "chmod 600"), ("[]", 0o600, "is damaged"), ("{", 0o600, "is damaged")],
)
def test_up_refuses_kept_keys_that_are_not_safe(
    tmp_path: Path, content: str | None, mode: int, told: str
) -> None:
    command = CommandLine(tmp_path)
    kept = tmp_path / "tagsweep.db.keys"
    kept.write_text(content or "{}")
    kept.chmod(mode)
    refused = command("up", "--port", free_port())
    assert (refused.status, refused.out) == (2, "")
    assert told in refused.err
