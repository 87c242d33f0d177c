"""Sentinels and a master that ask for passwords and speak TLS alone, and what is told otherwise."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tagsweep import TagSweep
from tagsweep.worker import settings
from tagsweep.worker.broker import app
from tagsweep.worker.doctor import checks
from tagsweep.worker.errors import BrokerUnavailable
from tagsweep.worker.events import redis_stream
from tagsweep.worker.settings import server_url
from tests.servers import Postgres
from tests.servers.certificates import Certificates
from tests.servers.processes import kill_tree, spawn
from tests.servers.sentinel import MASTER, Access, Sentinel, running
from tests.support.fixtures import configured
from tests.support.stack import (
    ROOT,
    Worker,
    close,
    environment,
    eventually,
)
from tests.support.stores import Store, new_ids

pytestmark = pytest.mark.integration

PASSWORD, SENTINEL_PASSWORD = "Zq9#master/é", "Zq9-sentinels"
IDS = sorted(new_ids(2, seed=12))


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Access:
    """Passwords, and certificates of an authority of our own."""
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))
    return Access(PASSWORD, SENTINEL_PASSWORD, certificates)


@pytest.fixture(scope="module")
def guarded(access: Access) -> Iterator[Sentinel]:
    """Sentinels and servers that want all of it; the last test kills their master."""
    with running(access) as found:
        yield found


def _given(guarded: Sentinel, **changed: object) -> dict[str, Any]:
    given: dict[str, Any] = {"broker_url": guarded.url, "sentinel_master": MASTER}
    return {**given, "sentinel_password": SENTINEL_PASSWORD, "connect_timeout_s": 2, **changed}


WRONG = {
    "sentinel password": ({"sentinel_password": "Zq9-wrong"}, "TAGSWEEP_SENTINEL_PASSWORD"),
    "no sentinel password": ({"sentinel_password": ""}, "TAGSWEEP_SENTINEL_PASSWORD"),
    "master password": (
        {},
        "Correct user and password in TAGSWEEP_BROKER_URL",
    ),
    "master name": ({"sentinel_master": "nobody"}, "TAGSWEEP_SENTINEL_MASTER"),
    "authority": ({}, "tagsweep doctor"),
}


def _wrong(guarded: Sentinel, case: str) -> dict[str, Any]:
    changed = dict(WRONG[case][0])
    if case == "master password":
        changed["broker_url"] = guarded.url.replace("Zq9%23master%2F%C3%A9", "Zq9-wrong")
    if case == "authority":
        own = guarded.access.certificates
        assert own is not None
        changed["broker_url"] = guarded.url.replace(str(own.authority), str(own.certificate))
    return _given(guarded, **changed)


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.slow
def test_what_is_wrong_is_told_in_one_line_with_advice(guarded: Sentinel, case: str) -> None:
    with configured(**_wrong(guarded, case)):
        sender = TagSweep()
        with pytest.raises(BrokerUnavailable) as raised:
            sender.detach(tenant="t", names=["n"], tables=IDS)
        with pytest.raises(BrokerUnavailable) as of_events:
            redis_stream.check(settings.load().broker_url)
    for told in (str(raised.value), str(of_events.value)):
        assert WRONG[case][1] in told
        assert "\n" not in told
        assert "Zq9" not in told
        assert "<redis" not in told


@pytest.mark.parametrize("case", ["sentinel password", "master password", "master name"])
@pytest.mark.slow
def test_doctor_and_a_worker_that_starts_say_it(
    guarded: Sentinel, postgres_store: Store, tmp_path: Path, case: str
) -> None:
    given = environment(database_url=postgres_store.url, **_wrong(guarded, case))
    command = [sys.executable, "-m", "tagsweep.producer.cli", "doctor"]
    done = subprocess.run(
        command, cwd=ROOT, env=given, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1, done
    assert WRONG[case][1] in done.stdout
    if case != "master password":  # that is the master's own to say
        assert "WRONG  sentinels " in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "Zq9" not in done.stdout + done.stderr
    command = [sys.executable, "-m", "tagsweep.producer.cli", "worker"]
    process = spawn(command, folder=tmp_path, environment=given)
    try:
        eventually(lambda: WRONG[case][1] in (tmp_path / "log").read_text())
    finally:
        kill_tree(process)
    assert "Zq9" not in (tmp_path / "log").read_text()


@pytest.mark.slow
def test_doctor_names_the_master_and_each_sentinel_that_is_silent(
    guarded: Sentinel, postgres_store: Store
) -> None:
    master = guarded.master()
    silent = guarded.sentinels[2]
    silent.stop()
    try:
        with configured(database_url=postgres_store.url, **_given(guarded)):
            found = [one for one in checks.findings() if one.about == "sentinels"]
    finally:
        silent.start()
    first, second = found
    assert first.what == f"2 of 3 sentinels name the master {MASTER!r}: 127.0.0.1:{master.port}."
    assert not first.is_wrong
    assert second.is_wrong
    assert second.what.startswith(f"127.0.0.1:{silent.port} does not answer: ")


def test_tls_is_verified_unless_the_url_says_otherwise() -> None:
    (server,) = server_url.servers("sentinel://h:1/0?ssl_ca_certs=/ca.pem")
    verified = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    assert server.tls == {**verified, "ssl_ca_certs": "/ca.pem"}
    (server,) = server_url.servers("sentinel://h:1/0?ssl_cert_reqs=none&ssl_check_hostname=false")
    assert server.tls == {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
    assert server_url.servers("sentinel://h:1/0")[0].tls == {}


def test_results_alone_may_be_behind_sentinels_with_tls() -> None:
    url = "sentinel://h:1/0?ssl_ca_certs=/ca.pem"
    with configured(broker_url="redis://h/0", results_url=url, sentinel_master="m"):
        conf = app.create(settings.load()).conf
    assert conf.redis_backend_use_ssl["ssl_ca_certs"] == "/ca.pem"
    assert conf.result_backend_transport_options["sentinel_kwargs"]["ssl"] is True
    assert not conf.broker_use_ssl


def _removed(sender: TagSweep, tenant: str, one: str) -> bool:
    with contextlib.suppress(BrokerUnavailable):
        handle = sender.detach(tenant=tenant, names=["legacy"], tables=[one])
        return bool(handle.result(timeout=30)["counts"]["removed"] == 1)
    return False


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_jobs_answers_and_events_go_through_tls_and_passwords_also_after_a_failover(
    guarded: Sentinel,
    postgres_server: Postgres,
    postgres_template: str,
    tmp_path: Path,
    tenant: str,
) -> None:
    given = _given(guarded, database_url=postgres_server.create_database(postgres_template))
    given["broker_url"] = guarded.create_database()
    number = int(given["broker_url"].partition("?")[0].rpartition("/")[2])
    store = Store(given["database_url"])
    store.tag(tenant, "legacy", tables=IDS)
    worker = Worker(tmp_path, given, 1)
    try:
        worker.wait_until_ready()
        with configured(**given):
            sender = TagSweep()
            assert _removed(sender, tenant, IDS[0])
            guarded.kill_master()
            eventually(lambda: _removed(sender, tenant, IDS[1]), seconds=60)
            close(sender._app, connections=True)
        # itself: on a busy machine the sentinels may take it for down at this moment
        access, port = guarded.access, guarded.master().port
        with access.client(port, access.password, number) as client:
            eventually(lambda: client.xlen("tagsweep:events") >= 2)
        assert "Zq9" not in worker.log
    finally:
        worker.kill()
        store.close()
