"""A Django project on a database of its own, and a map of it that this process works on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tagsweep.worker import settings
from tagsweep.worker.mapping import file, presets, readiness
from tests.servers import Postgres
from tests.servers.processes import free_port, kill_tree, spawn
from tests.support.own_tables import OwnTables, mapped
from tests.support.stack import environment, eventually

_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


@dataclass
class Project:
    """The project: ``python -m tests.support.blog``, on the store's database."""

    own: OwnTables
    folder: Path
    extra: dict[str, str] = field(default_factory=dict)  #: of its environment

    def bare(self, **tagsweep: Any) -> dict[str, str]:
        """Return what makes a process know all from the project's settings, TAGSWEEP among them."""
        unset = {"TAGSWEEP_DATABASE_URL": "", "TAGSWEEP_MAP": "", "BLOG_URL": self.own.store.url}
        tagsweep = {"MAP": str(self.folder / "tags.toml"), **tagsweep}
        return {**unset, "BLOG_TAGSWEEP": json.dumps(tagsweep)}

    def environment(self) -> dict[str, str]:
        """Return the environment of a process of the project's."""
        ours = environment(database_url=self.own.store.url, map=settings.load().map)
        return {**ours, **self.extra}

    def tried(self, *step: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a step, which may fail."""
        return subprocess.run(
            [sys.executable, "-m", "tests.support.blog", *step],
            env={**self.environment(), **extra},
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, *step: str, **extra: str) -> str:
        """Run a step; return what it printed."""
        done = self.tried(*step, **extra)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Give the URL at which the project serves its pages."""
        port = free_port()
        command = [sys.executable, "-m", "tests.support.blog", "serve", str(port)]
        process = spawn(command, folder=self.folder, environment=self.environment())
        url = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            try:
                return httpx.get(f"{url}/admin/login/").is_success
            except httpx.TransportError:
                return False

        try:
            eventually(answers)
            yield url
        finally:
            kill_tree(process)


class Visitor:
    """Somebody who uses the project's pages in a browser."""

    def __init__(self, url: str, name: str) -> None:
        self._http = httpx.Client(base_url=url, follow_redirects=True, timeout=30)
        self._http.headers["referer"] = url
        self.page = self.get("/admin/login/")
        self.post("/admin/login/?next=/admin/", username=name, password=name)

    def get(self, path: str) -> httpx.Response:
        """Open a page."""
        self.page = self._http.get(path)
        return self.page

    def post(self, path: str, **fields: Any) -> httpx.Response:
        """Send a form, with the token of the page that is open."""
        token = _TOKEN.search(self.page.text)
        data = {"csrfmiddlewaretoken": token[1] if token else "", **fields}
        self.page = self._http.post(path, data=data)
        return self.page

    def close(self) -> None:
        """Leave."""
        self._http.close()


@contextmanager
def project(server: Postgres, template: str, folder: Path) -> Iterator[Project]:
    """Give a project whose tables Django made and filled, and a map that was written for it."""
    url = server.create_database(template)
    with mapped(url, folder, "", "") as own:
        found = Project(own, folder)
        found.run("fill")
        path = folder / "tags.toml"
        path.write_text(presets.write("taggit"))
        file.load.cache_clear()
        readiness.check()
        yield found
    server.drop_database(url)


def told(**own: Any) -> str:
    """Return ``TAGSWEEP`` of the project's settings, as a step takes it."""
    return json.dumps(own)
