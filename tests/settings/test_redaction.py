"""Secrets in settings: whatever a URL looks like, nothing that is printed shows them."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tagsweep.worker import redaction, settings
from tagsweep.worker.errors import BrokerUnavailable, SettingsError
from tagsweep.worker.redaction import masked, redacted
from tests.support.fixtures import configured
from tests.support.stack import environment

SECRETS = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="*"), min_size=6
).map(lambda text: f"Zq9{text}")
#: some forms of a URL that has a secret in it
FORMS = (
    "redis://:{}@h:1/0",
    "rediss://u:{}@h:1/0?ssl_cert_reqs=none",
    "redis://{}@h/0",
    "amqp://u:{}@h//",
    "amqp://u:{}@a;amqp://u:{}@b//",
    "sentinel://:{}@a:1;sentinel://:{}@b:1/0",
    "redis+socket://:{}@/tmp/s?virtual_host=1",
    "kafka://u:{}@h",
    "redis://:{}@h:port/x#y",
    "redis://:{}@[h",
    "postgresql://u:{}@h/db",
    "postgresql://u:{}@a:1,b:2/db",
)
PARAMETERS = (
    "redis://h/0?password={}",
    "postgresql://h/db?user=u&password={}",
    "postgresql://h/db?sslpassword={}&application_name=x",
    "rediss://h/0?ssl_keyfile_password={}",
    "sentinel://h?sentinel_kwargs={}",
)
COMMANDS = (
    ("doctor",),
    ("detach", "--tenant", "t", "--name", "n", "--tables", "*"),
    ("jobs", "list"),
    ("worker",),
    ("serve", "--port", "0"),
    ("migrate",),
    ("events", "--republish"),
)


@given(SECRETS, st.sampled_from(FORMS), st.sampled_from([str, quote]))
def test_no_form_of_a_url_shows_its_password(
    secret: str, form: str, encoded: Callable[[str], str]
) -> None:
    assume(":" not in secret or "//{}@" not in form)  # what precedes the colon is a user's name
    written = encoded(secret)
    url = form.replace("{}", written)
    assert written not in masked(url)
    redaction.forget()
    redaction.learn_url(url)
    for text in (url, f"Cannot reach {url}.", f"{[url]!r}", f"because of {secret!r}", secret):
        assert secret not in redacted(text)
        assert written not in redacted(text)
    redaction.forget()


@given(SECRETS, st.sampled_from(PARAMETERS))
def test_no_parameter_that_is_a_secret_is_shown(secret: str, form: str) -> None:
    url = form.replace("{}", quote(secret, safe=""))
    assert quote(secret, safe="") not in masked(url)
    redaction.forget()
    redaction.learn_url(url)
    assert secret not in redacted(f"{secret} is refused")
    redaction.forget()


@given(
    SECRETS, st.sampled_from(FORMS), st.sampled_from(["database", "broker", "events", "results"])
)
def test_no_bad_setting_is_shown_with_its_secret(secret: str, form: str, name: str) -> None:
    # in place of a user, what comes before a colon is a name, and only what follows a secret
    assume(":" not in secret or "//{}@" not in form)
    with configured(**{f"{name}_url": form.replace("{}", secret)}):
        try:
            settings.load()
        except SettingsError as error:
            told = str(error)
        else:
            told = ""
        assert "\n" not in told
        assert secret not in told + str(BrokerUnavailable(f"refused: AUTH {secret}"))


@pytest.mark.parametrize(
    "text, shown",
    [
        ("password=abc, or token='x y'", "password=***, or token='***'"),
        ("{'password': 'abc', \"api_key\": \"x\"}", "{'password': '***', \"api_key\": \"***\"}"),
        ("no secret at redis://h:1/0 at all", "no secret at redis://h:1/0 at all"),
        ("(amqp://u:p@h/v). Start it", "(amqp://u:***@h/v). Start it"),
        ("password authentication failed", "password authentication failed"),
        ("DB_PASSWD=abc APIKEY=abc", "DB_PASSWD=*** APIKEY=***"),
        ("secret=1 secretkey=2 Secret_Key=3", "secret=*** secretkey=*** Secret_Key=***"),
        ("pa\u017f\u017fword=abc", "pa\u017f\u017fword=***"),  # an s to whoever ignores case
    ],
)
def test_what_looks_like_a_secret_is_masked_in_any_text(text: str, shown: str) -> None:
    assert redacted(text) == shown


def test_a_name_that_is_its_own_password_stays_a_word() -> None:
    with configured(broker_url="amqp://guest:guest@h//", secret_key="S3cret" * 6):
        settings.load()
        assert redacted("user guest at S3cretS3cretS3cretS3cretS3cretS3cret") == "user guest at ***"


def test_a_log_and_its_tracebacks_show_no_secret() -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(redaction.Filter())
    log = logging.getLogger("tests.redaction")
    log.addHandler(handler)
    log.propagate = False
    with configured(broker_url="redis://:p%23ssword@h:1/0"):
        settings.load()
        try:
            raise RuntimeError("AUTH p#ssword")  # noqa: TRY301  # as a library would
        except RuntimeError:
            log.exception("cannot reach %s", "redis://:p%23ssword@h:1/0")
    log.removeHandler(handler)
    assert "ssword" not in written.getvalue()
    assert "redis://:***@h:1/0" in written.getvalue()
    assert "Traceback" in written.getvalue()


def _run(folder: Path, *arguments: str, **given: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        env=environment(connect_timeout_s=2, **given),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize(
    "url",
    [
        "redis://:{}@127.0.0.1:1/0",
        "amqp://u:{}@127.0.0.1:1;amqp://u:{}@127.0.0.1:2//",
        "redis://:{}@127.0.0.1:port/0#x",
    ],
)
def test_no_command_prints_a_password(tmp_path: Path, command: tuple[str, ...], url: str) -> None:
    secret = "Zq9 #/?@[é%41"
    written = secret if "#x" in url else quote(secret)
    store = f"postgresql://u:{quote(secret, safe='')}@127.0.0.1:1/db"
    given = {"broker_url": url.replace("{}", written), "secret_key": f"{secret}" * 4}
    told = _run(tmp_path, "tagsweep.producer.cli", *command, database_url=store, **given)
    told += _run(
        tmp_path, "tagsweep.producer.cli", *command, **{**given, "database_url": "sqlite:///a.db"}
    )
    assert told
    for form in (secret, quote(secret), quote(secret, safe=""), "Zq9"):
        assert form not in told


@pytest.mark.slow
def test_a_worker_s_banner_and_log_show_no_password(tmp_path: Path) -> None:
    secret = "Zq9#/?@é%41"
    urls = [f"amqp://u:{quote(secret, safe='')}@127.0.0.1:{port}//" for port in (1, 2)]
    url = ";".join(urls)
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "tagsweep", "worker", "-c", "1", "-l", "debug"],
        env=environment(broker_url=url, database_url="sqlite:///a.db"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    told = ""
    try:
        for line in process.stdout:
            told += line
            if "does not answer" in line:
                break
    finally:
        process.kill()
        told += process.communicate()[0]
    assert "transport:" in told
    for form in (secret, quote(secret, safe=""), "Zq9"):
        assert form not in told
