"""The machine that was measured on, and the command: what a reader needs to do it again."""

from __future__ import annotations

import os
import platform
import sqlite3
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import psycopg
import redis

from benchmarks.bench import Options
from benchmarks.servers import Servers

LIBRARIES = ("celery", "kombu", "redis", "sqlalchemy", "psycopg", "dramatiq", "procrastinate")


def describe(servers: Servers) -> dict[str, str]:
    """Return its processors, its memory and the versions of everything; no names of it."""
    return {
        "processor": f"{os.cpu_count()} cores, {_processor()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "PostgreSQL": _postgres(servers.postgres.url),
        "Redis": _redis(servers.redis.url),
        "SQLite": sqlite3.sqlite_version,
        **{name: found for name in LIBRARIES if (found := _library(name))},
    }


def command(part: str, options: Options) -> str:
    """Return the command that measures a part the same way."""
    words = [part]
    for one in fields(Options):
        value: Any = getattr(options, one.name)
        if value != one.default:
            shown = ",".join(value) if isinstance(value, tuple) else str(value)
            words += [f"--{one.name}", shown]
    return f'make bench ARGS="{" ".join(words)}"' if words[1:] else f"make bench ARGS={part}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _postgres(url: str) -> str:
    with psycopg.connect(url) as connection:
        number, patch = divmod(connection.info.server_version, 10_000)
    return f"{number}.{patch}"


def _redis(url: str) -> str:
    with redis.Redis.from_url(url) as client:
        info: Any = client.info("server")
    return str(info.get("valkey_version") or info["redis_version"])


def _library(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
