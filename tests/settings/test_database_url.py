"""TAGSWEEP_DATABASE_URL: what it names is carried out, or refused in one line without a secret."""

from __future__ import annotations

import psycopg.conninfo
import pytest

from tagsweep.worker import settings
from tagsweep.worker.errors import SettingsError
from tagsweep.worker.settings import database_url
from tests.support.fixtures import configured


@pytest.mark.parametrize(
    "url, arguments",
    [
        ("postgres://u@h/db", "user=u host=h dbname=db"),
        ("POSTGRESQL://u@h/db", "user=u host=h dbname=db"),
        ("postgresql+psycopg://u@h/db", "user=u host=h dbname=db"),
        (" postgresql://u@h/db\r\n", "user=u host=h dbname=db"),
        ("postgresql:///db", "dbname=db"),
        ("postgresql://u@a:1,b:2/db", "user=u host=a,b port=1,2 dbname=db"),
        ("postgresql://u@a,b/db?port=5", "user=u host=a,b port=5,5 dbname=db"),
        (
            "postgresql://u@/db?host=a:1&host=b:2&target_session_attrs=read-write",
            "user=u host=a,b port=1,2 dbname=db target_session_attrs=read-write",
        ),
        ("postgresql://u@/db?host=/run/pg", "user=u host=/run/pg dbname=db"),
        ("postgresql://u@%2Frun%2Fpg:5433/db", "user=u host=/run/pg port=5433 dbname=db"),
        ("postgresql://[::1]:5/db", "host=::1 port=5 dbname=db"),
        ("postgresql:///?service=tags", "service=tags"),
        ("postgresql://h/db?ssl=true", "host=h dbname=db sslmode=require"),
        ("postgresql://u:p%40%3A@h/db", "user=u password=p@: host=h dbname=db"),
        ("postgresql://u:p#s?s/@h/db", "user=u password=p#s?s/ host=h dbname=db"),
        ("postgresql://u:1/2@h/db", "user=u password=1/2 host=h dbname=db"),
        ("postgresql://h/db?password=a+b", "password=a+b host=h dbname=db"),
    ],
)
def test_the_forms_of_libpq_and_of_sqlalchemy_are_read(url: str, arguments: str) -> None:
    normal = database_url.normal(url)
    assert database_url.target(normal).arguments() == psycopg.conninfo.conninfo_to_dict(arguments)
    assert psycopg.conninfo.conninfo_to_dict(normal) == psycopg.conninfo.conninfo_to_dict(arguments)
    assert database_url.normal(normal) == normal


@pytest.mark.parametrize(
    "url, words",
    [
        ("mysql://u:secret@h/db", "must start with one of"),
        ("secret", "must start with one of"),
        ("postgresql+asyncpg://u:secret@h/db", "the driver asyncpg"),
        ("postgresql+psycopg2://u:secret@h/db", "write postgresql://"),
        ("sqlite+aiosqlite:///tags.db", "the driver aiosqlite"),
        ("sqlite://tags.db", "three slashes"),
        ("sqlite:///tags.db?mode=ro", "takes none"),
        ("postgresql://u:secret@h:port/db", "an invalid host or port"),
        ("postgresql://u:secret@h:70000/db", "from 1 to 65535"),
        ("postgresql://u:secret@[::1/db", "an invalid host or port"),
        ("postgresql://u:secret@a,b,c/db?port=1,2", "different number of ports"),
        ("postgresql://u:secret@a/db?host=b", "names its host twice"),
        ("postgresql://u:secret@h/db?user=v", "names its user twice"),
        ("postgresql://u:secret@h/db?pool_size=5", "a parameter pool_size"),
        ("postgresql://u:secret@h/db?prepare_threshold=0", "a parameter prepare_threshold"),
        ("postgresql://u:secret@h/db?replication=database", "a parameter replication"),
        ("postgresql://u:secret@h/db?sslmode=secret", "an invalid sslmode"),
        ("postgresql://u:secret@h/db?target_session_attrs=writable", "prefer-standby"),
        ("postgresql://u:secret@h/db?connect_timeout=soon", "an invalid connect_timeout"),
        ("postgresql://u:secret@h/db?client_encoding=latin1", "an invalid client_encoding"),
        ("postgresql://u:secret@h/db?options=-d5", "-c name=value"),
        ("postgresql://u:secret@h/db?options=-ctimezone%3DAsia/Tokyo", "timezone"),
        ("postgresql://u:1?secret@h/db", "without a value"),
        ("postgresql://u:secret@h/a\nb", "control character"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_in_one_line(url: str, words: str) -> None:
    with configured(database_url=url), pytest.raises(SettingsError) as raised:
        settings.load()
    told = str(raised.value)
    assert told.startswith("TAGSWEEP_DATABASE_URL=")
    assert "\n" not in told
    assert words in told


@pytest.mark.parametrize(
    "url, options",
    [
        ("postgresql://h/db?options=-csearch_path=two", {"search_path": "two"}),
        (
            "postgresql://h/db?options=-c%20work_mem%3D64MB%20--search-path=a,\\ b",
            {"work_mem": "64MB", "search_path": "a, b"},
        ),
        ("postgresql://h/db?options=-c+jit=on+-cwork_mem=1MB", {"jit": "on", "work_mem": "1MB"}),
        ("postgresql://h/db", {}),
    ],
)
def test_options_are_settings_of_the_session(url: str, options: dict[str, str]) -> None:
    found = database_url.target(database_url.normal(url))
    assert found.options == options
    assert "options" not in found.arguments()


@pytest.mark.parametrize(
    "url, shown",
    [
        ("postgresql://u:secret@h:1/db", "postgresql://u:***@h:1/db"),
        ("postgresql://u@/db?host=a:1&host=b:2", "postgresql://u@a:1,b:2/db"),
        ("postgresql://u@/db?host=/run/pg", "postgresql://u@/db?host=/run/pg"),
        ("postgresql://h/db?password=secret&sslpassword=secret", "postgresql://:***@h/db"),
    ],
)
def test_a_url_is_told_without_its_secrets(url: str, shown: str) -> None:
    assert database_url.described(database_url.normal(url)) == shown
