"""What CONTRIBUTING says that additions cost: each is made in a copy of the tree."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.stack import ROOT, environment

pytestmark = pytest.mark.default_configuration

RUN_A_JOB = """if True:
    import sys, time
    from pathlib import Path
    from uuid import uuid4
    from tagsweep.worker import database
    from tagsweep.worker.broker.app import app
    from tagsweep.worker.broker.runtime import embedded
    from tagsweep.worker.database import schema
    from tagsweep.worker.models.ids import pack
    from tagsweep.worker.store import bulk_load

    schema.upgrade()
    ids = [str(uuid4()) for _ in range(3)]
    with database.transaction() as connection:
        tag = bulk_load.ensure_tag(connection, "acme", "legacy")
        bulk_load.link(connection, tag, 7, pack(ids))
    job = {"tenant": "acme", "names": ["legacy"], "tables": ids}
    with embedded.worker():
        sent = app().send_task(sys.argv[1], [job], queue="tagsweep")
        data = sent.get(timeout=30, interval=0.02)
        end = time.monotonic() + 20
        while len(sys.argv) > 2 and not Path(sys.argv[2]).exists() and time.monotonic() < end:
            time.sleep(0.05)
    print(data["kind"], data["status"], data["counts"]["removed"])
"""


@dataclass
class Tree:
    """A copy of the product, and the files that were touched in it."""

    folder: Path
    touched: set[str]

    def create(self, name: str, text: str) -> None:
        """Add a file."""
        path = self.folder / "tagsweep" / name
        assert not path.exists()
        path.write_text(text)
        self.touched.add(name)

    def change(self, name: str, old: str, new: str) -> None:
        """Replace a text that is in a file once."""
        path = self.folder / "tagsweep" / name
        text = path.read_text()
        assert text.count(old) == 1, f"{name}: {old!r} is in it {text.count(old)} times"
        path.write_text(text.replace(old, new))
        self.touched.add(name)

    def run(self, *arguments: str, **settings: object) -> str:
        """Run a job in a process that imports this copy; return what it printed."""
        url = f"sqlite:///{self.folder / 'tagsweep.db'}"
        done = subprocess.run(
            [sys.executable, "-c", RUN_A_JOB, *arguments],
            cwd=self.folder,
            env={**environment(database_url=url, **settings), "PYTHONPATH": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A copy of the product in which nothing was touched yet."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "tagsweep", tmp_path / "tagsweep", ignore=ignored)
    return Tree(tmp_path, set())


def _cost(what: str, **names: str) -> set[str]:
    """Return the files that CONTRIBUTING names for an addition, those before "and where"."""
    rows = (ROOT / "CONTRIBUTING.md").read_text().splitlines()
    (row,) = [row for row in rows if row.startswith(f"| {what} |")]
    files = set(re.findall(r"`([^`]+\.py)`", row.split("|")[2]))
    assert files
    return {file.replace(f"NAME.{'py'}", f"{names['name']}.py") for file in files}


@pytest.mark.slow
def test_a_kind_of_job_costs_the_files_that_contributing_names(tree: Tree) -> None:
    tree.create(
        "worker/models/jobs/purge.py",
        "from tagsweep.worker.models.jobs.links import LinksJob\n\n\n"
        'class PurgeJob(LinksJob):\n    """A purge."""\n\n    kind = "purge"\n'
        '    task = "tags.purge"\n',
    )
    tree.change(
        "worker/models/jobs/__init__.py",
        "KINDS: dict[str, type[Job]] = {\n    job.kind: job\n    for job in (\n",
        "from tagsweep.worker.models.jobs.purge import PurgeJob\n\n"
        "KINDS: dict[str, type[Job]] = {\n    job.kind: job\n    for job in (\n        PurgeJob,\n",
    )
    tree.create(
        "worker/store/purge.py",
        "from tagsweep.worker.store.detach import Detach\n\n\nclass Purge(Detach):\n    pass\n",
    )
    tree.change(
        "worker/store/__init__.py",
        "KINDS: dict[str, Kind] = {\n",
        "from tagsweep.worker.store.purge import Purge\n\n"
        'KINDS: dict[str, Kind] = {\n    "purge": Purge(),\n',
    )
    assert tree.run("tags.purge") == "purge succeeded 3"
    assert tree.touched == _cost("a kind of job", name="purge")


@pytest.mark.slow
def test_an_event_sink_costs_the_files_that_contributing_names(tree: Tree) -> None:
    tree.create(
        "worker/events/file.py",
        "from pathlib import Path\n\n\ndef publish(url, events):\n"
        '    with Path("/" + url.split("//localhost/")[1]).open("a") as file:\n'
        '        file.writelines(f"{event}\\n" for event in events)\n\n\n'
        "def check(url):\n    pass\n\n\ndef follow(url):\n    yield None\n",
    )
    tree.change("worker/events/sinks.py", "= {\n    **dict", '= {\n    "file": file,\n    **dict')
    tree.change("worker/events/sinks.py", "import amqp_exchange, ", "import amqp_exchange, file, ")
    tree.change("worker/settings/urls.py", "(*REDIS, *AMQP)", '(*REDIS, *AMQP, "file")')
    events = tree.folder / "events"
    assert tree.run("tags.detach", str(events), events_url=f"file://localhost{events}")
    assert '"tagsweep.detach.completed"' in events.read_text()
    assert tree.touched == _cost("an event sink", name="file")
