"""What is released: the wheel, the sdist that makes the same wheel, and both beside other code."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.servers.processes import kill_tree, spawn
from tests.support.stack import PATIENCE_S, ROOT, environment, eventually

pytestmark = pytest.mark.default_configuration

#: the packages of a project that had these names before tagsweep came
THEIRS = {
    "worker/__init__.py": "",
    "worker/celery.py": """if True:
        import os
        from celery import Celery
        app = Celery("theirs", broker=os.environ["TAGSWEEP_BROKER_URL"])
        @app.task(name="theirs.task")
        def greet():
            print("hello")
    """,
    "producer/__init__.py": "greeting = 'hello'\n",
}
SEND = """if True:
    from producer import greeting
    from tagsweep import TagSweep
    job = TagSweep().detach(tenant="acme", names=["legacy"], tables=[str(UUID)])
    print(greeting, job.result(timeout=30)["status"])
"""
RECORD = """if True:
    import os
    from sqlalchemy import create_engine
    from tagsweep.transactional import record
    engine = create_engine(os.environ["TAGSWEEP_DATABASE_URL"])
    with engine.begin() as connection:
        job = {"kind": "detach", "tenant": "acme", "names": ["legacy"], "tables": [str(UUID)]}
        print(record(connection, job))
"""
ID = "from uuid import uuid4\nUUID = uuid4()\n"


def build(source: Path, kind: str, folder: Path) -> Path:
    """Build an archive of ``source`` with the backend that pip would use, and return its path."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (archive,) = folder.iterdir()
    return archive


def _contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked sdist of this checkout."""
    archive = build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(archive) as packed:
        assert {member.type for member in packed} <= {tarfile.REGTYPE, tarfile.DIRTYPE}
        packed.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    return source


def test_the_wheel_holds_every_module_in_tagsweep_and_nothing_else(wheel: Path) -> None:
    names = set(_contents(wheel))
    packaged = {name for name in names if ".dist-info/" not in name and ".data/" not in name}
    assert {name.split("/")[0] for name in packaged} == {"tagsweep"}
    expected = {
        f"tagsweep/{path.relative_to(ROOT)}"
        for folder in ("worker", "producer")
        for path in (ROOT / folder).rglob("*.py")
    }
    expected |= {f"tagsweep/{path.relative_to(ROOT)}" for path in (ROOT / "worker").rglob("*.mako")}
    for folder in (
        "gateway/static",
        "gateway/console/static",
        "gateway/console/templates",
        "django/templates",
    ):
        files = (ROOT / "producer" / folder).rglob("*")
        expected |= {f"tagsweep/{path.relative_to(ROOT)}" for path in files if path.is_file()}
    contrib = (ROOT / "tagsweep" / "contrib").rglob("*.py")
    expected |= {str(path.relative_to(ROOT)) for path in contrib}
    assert {name for name in packaged if name.count("/") > 1} == expected


def test_the_wheel_puts_the_man_pages_where_man_finds_them(wheel: Path) -> None:
    pages = {name for name in _contents(wheel) if ".data/" in name}
    folders = {name.rpartition("/")[0].partition(".data/")[2] for name in pages}
    assert folders == {"data/share/man/man1"}
    made = {path.name for path in (ROOT / "docs" / "man").iterdir()}
    assert {name.rpartition("/")[2] for name in pages} == made


def test_the_sdist_builds_the_same_wheel(
    wheel: Path, sdist: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rebuilt = build(sdist, "wheel", tmp_path_factory.mktemp("rebuilt"))
    assert rebuilt.name == wheel.name
    assert _contents(rebuilt) == _contents(wheel)


class Project:
    """A project with packages ``worker`` and ``producer`` of its own, and our wheel installed."""

    def __init__(self, folder: Path, wheel: Path, **settings: object) -> None:
        self.folder, packages = folder / "project", folder / "packages"
        for name, text in THEIRS.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages)  # noqa: S202  # it is ours
        # -S: the checkout, which .venv leads to, is not found here
        paths = [str(packages), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
        self._environment = {**environment(**settings), "PYTHONPATH": ":".join(paths)}

    def python(self, *arguments: str) -> str:
        """Run Python in the project and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-S", *arguments],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def worker(self, app: str) -> subprocess.Popen[bytes]:
        """Start ``celery -A app worker``; it writes to the file ``log``."""
        command = [sys.executable, "-S", "-m", "celery", "-A", app, "worker"]
        command += ["--pool", "solo", "--loglevel", "INFO"]
        return spawn(command, folder=self.folder, environment=self._environment)

    @property
    def log(self) -> str:
        """What the workers have written."""
        return (self.folder / "log").read_text()


@pytest.fixture
def project(tmp_path: Path, wheel: Path, redis_url: str) -> Project:
    """Such a project, whose store is an SQLite file and whose broker is Redis."""
    store = f"sqlite:///{tmp_path / 'tagsweep.db'}"
    return Project(tmp_path, wheel, database_url=store, broker_url=redis_url)


@pytest.mark.slow
@pytest.mark.integration
def test_a_project_that_has_packages_worker_and_producer_can_use_tagsweep(
    project: Project,
) -> None:
    where = project.python("-c", "import tagsweep.worker as ours; print(ours.__file__)")
    assert where.startswith(str(project.folder.parent / "packages"))
    project.python("-m", "tagsweep.producer.cli", "migrate")
    worker = project.worker("tagsweep")
    try:
        assert project.python("-c", ID + SEND) == "hello succeeded"
        job_id = project.python("-c", ID + RECORD)
        shown = ["-m", "tagsweep.producer.cli", "jobs", "show", job_id, "--json"]
        eventually(lambda: '"succeeded"' in project.python(*shown), seconds=PATIENCE_S)
    finally:
        kill_tree(worker)


@pytest.mark.slow
@pytest.mark.integration
def test_celery_starts_the_worker_of_a_project_that_has_a_package_of_that_name(
    project: Project,
) -> None:
    worker = project.worker("worker")
    try:
        eventually(lambda: " ready." in project.log)
        assert "theirs.task" in project.log
        assert "tags.detach" not in project.log
    finally:
        kill_tree(worker)
