"""A variable that looks like a setting and is none is refused, reported or passed over."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from pydantic import SecretStr

from tagsweep import TagSweep
from tagsweep.worker import settings
from tagsweep.worker.settings import secret_files
from tests.support.cli import CommandLine
from tests.support.fixtures import configured
from tests.support.stack import environment

#: what Kubernetes sets for the Services tagsweep and tagsweep-gateway
KUBERNETES = {
    "service_host": "10.0.0.1",
    "service_port": "8000",
    "service_port_http": "8000",
    "port": "tcp://10.0.0.1:8000",
    "port_8000_tcp": "tcp://10.0.0.1:8000",
    "port_8000_tcp_proto": "tcp",
    "port_8000_tcp_port": "8000",
    "port_8000_tcp_addr": "10.0.0.1",
    "gateway_service_host": "10.0.0.2",
    "gateway_service_port_http": "8000",
    "gateway_port": "tcp://10.0.0.2:8000",
    "gateway_port_53_udp_addr": "10.0.0.2",
}


def _mistyped(name: str) -> set[str]:
    """Return ``name`` with a letter left out, doubled, exchanged with the next, and one added."""
    at = len(name) // 2
    swapped = f"{name[:at]}{name[at + 1]}{name[at]}{name[at + 2 :]}" if len(name) > 3 else name
    typed = {name[:at] + name[at + 1 :], name[:at] + name[at] + name[at:], swapped, f"{name}S"}
    return typed - {field.upper() for field in settings.Settings.model_fields}


@pytest.mark.parametrize("field", [*settings.Settings.model_fields, "database_url_file"])
def test_every_setting_is_recognised_behind_a_typo(field: str) -> None:
    meant = "TAGSWEEP_DATABASE_URL_FILE" if field.endswith("_file") else settings.variable(field)
    for typo in _mistyped(meant.removeprefix("TAGSWEEP_")):
        with configured(**{typo: "1"}), pytest.warns(settings.UnknownSetting) as told:
            settings.load()
        (warning,) = told
        assert str(warning.message) == (
            f"TAGSWEEP_{typo} is not a setting. Did you mean {meant}? Rename it or unset it."
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["databse_url", "api_keys"])
@pytest.mark.parametrize("command", [["jobs", "list"], ["doctor"], ["migrate"], ["config"]])
def test_a_command_refuses_a_mistyped_setting(
    tmp_path: Path, name: str, command: list[str]
) -> None:
    ended = CommandLine(tmp_path, **{name: "x"})(*command)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"tagsweep: TAGSWEEP_{name.upper()} is not a setting. Did you mean")
    assert ended.err.count("\n") == 1
    assert not (tmp_path / "tagsweep.db").exists()


@pytest.mark.slow
def test_a_command_reports_a_variable_that_is_like_no_setting_and_goes_on(tmp_path: Path) -> None:
    ended = CommandLine(tmp_path, flavour="x")("jobs", "list", "--json")
    assert ended.status == 0
    assert ended.err.startswith("tagsweep: TAGSWEEP_FLAVOUR is not a setting and has no effect")


@pytest.mark.slow
def test_a_worker_that_celery_starts_refuses_a_mistyped_setting() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "tagsweep", "worker"],
        env=environment(brokr_url="redis://h/0"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Did you mean TAGSWEEP_BROKER_URL?" in done.stderr.strip().splitlines()[-1]


def test_a_service_that_imports_it_is_only_warned() -> None:
    with configured(brokr_url="x"), pytest.warns(settings.UnknownSetting, match="BROKER_URL"):
        TagSweep()


def test_what_kubernetes_and_the_tests_set_is_passed_over() -> None:
    with configured(**KUBERNETES, test_anything="1"), warnings.catch_warnings():
        warnings.simplefilter("error")
        settings.load()


def test_a_variable_that_is_set_to_nothing_is_passed_over() -> None:
    with configured(databse_url=""), warnings.catch_warnings():
        warnings.simplefilter("error")
        settings.load()


def test_every_setting_that_can_hold_a_secret_can_be_a_file() -> None:
    fields = settings.Settings.model_fields.items()
    secret = {name for name, field in fields if SecretStr.__name__ in str(field.annotation)}
    urls = {name for name, _ in fields if name.endswith("_url") and name != "public_url"}
    assert secret | urls == {*secret_files.NAMES}
