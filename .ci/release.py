"""Build wheel and sdist, check what they hold, and install each extra where nothing else is.

``make release`` runs this; UV names the uv that installs. The environments are made outside the
checkout, for each supported Python that is on this machine. Exits 1 if anything is not as it must
be.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
UV = os.environ.get("UV", "uv")
PYTHONS = ("3.11", "3.12", "3.13")
DETACH = ["detach", "--tenant", "acme", "--name", "legacy", "--tables", "*"]
#: what must work with each extra, and its exit status
TRIALS: dict[str, tuple[list[str], int]] = {
    "": (["python", "-c", "from tagsweep import TagSweep; TagSweep()"], 0),
    "cli": (["tagsweep", "jobs", "list"], 2),  # names the extra that it would need here
    "worker": (["tagsweep", *DETACH], 0),
    "gateway": (["tagsweep", "serve", "--help"], 0),
    "django": (["python", "-c", "import tagsweep.contrib.django.signals"], 0),
}


def build() -> tuple[Path, Path]:
    """Build both archives into dist/, and the wheel again from the sdist; return the archives."""
    shutil.rmtree(DIST, ignore_errors=True)
    _run([sys.executable, "-m", "hatchling", "build", "-d", str(DIST)], ROOT)
    (wheel,), (sdist,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(sdist) as archive:
            archive.extractall(folder, filter="data")
        (source,) = Path(folder).iterdir()
        _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], source)
        (again,) = Path(folder).glob("*.whl")
        if contents(again) != contents(wheel):
            sys.exit("The sdist builds another wheel than the checkout.")
    return wheel, sdist


def contents(wheel: Path) -> dict[str, bytes]:
    """Return each file of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def faults(wheel: Path) -> list[str]:
    """Return what is wrong with the contents and metadata of a wheel."""
    files = contents(wheel)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    info = f"tagsweep-{project['version']}.dist-info"
    manual = f"tagsweep-{project['version']}.data/data/share/man/man1/"
    told = Parser().parsestr(files.get(f"{info}/METADATA", b"").decode())
    entry = files.get(f"{info}/entry_points.txt", b"").decode()
    strange = [name for name in files if not name.startswith(("tagsweep/", f"{info}/", manual))]
    text = b"\n".join(files.values())
    expected = {
        "it holds nothing but the package": not strange,
        "it has py.typed": "tagsweep/py.typed" in files,
        "it has the licence": f"{info}/licenses/LICENSE" in files,
        "it has the migrations": any("/migrations/versions/0001" in name for name in files),
        "it has the man pages": f"{manual}tagsweep.1" in files,
        "it makes the command": "tagsweep = tagsweep.producer.cli:main" in entry,
        "Python has no upper bound": told["Requires-Python"] == project["requires-python"]
        and "<" not in str(told["Requires-Python"]),
        "it offers each extra": {*told.get_all("Provides-Extra", [])} == {*TRIALS} - {""},
        "it shows the README": "# tagsweep" in str(told.get_payload()),
        "it names no path of this machine": str(ROOT).encode() not in text,
        "CHANGELOG.md tells of its version": f"\n## {project['version']} "
        in (ROOT / "CHANGELOG.md").read_text(),
    }
    return [what for what, holds in expected.items() if not holds]


def tried(wheel: Path, python: str, extra: str) -> str:
    """Install the wheel with ``extra``, try it, and return how large the environment is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run([UV, "venv", "--quiet", "--python", python, str(folder / "venv")], folder)
        requirement = f"{wheel}[{extra}]" if extra else str(wheel)
        interpreter = str(folder / "venv" / "bin" / "python")
        command = [UV, "pip", "install", "--quiet", "--python", interpreter, requirement]
        _run([*command, "--link-mode", "copy"], folder)
        (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
        size = sum(file.stat().st_size for file in site.rglob("*") if file.is_file())
        command, status = TRIALS[extra]
        _run([str(folder / "venv" / "bin" / command[0]), *command[1:]], folder, status)
    return f"{size / 1e6:.0f} MB"


def here(python: str) -> bool:
    """Return whether this machine has that Python; nothing is downloaded."""
    command = [UV, "python", "find", "--no-python-downloads", python]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _run(command: list[str], folder: Path, status: int = 0) -> None:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("TAGSWEEP_")}
    environment = {**kept, "XDG_CONFIG_HOME": str(folder)}
    environment.pop("VIRTUAL_ENV", None)
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != status or "Traceback" in done.stderr:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def main() -> int:
    """Build, check and try; print what was done."""
    wheel, sdist = build()
    print(f"Built {wheel.relative_to(ROOT)} and {sdist.relative_to(ROOT)}.")
    if wrong := faults(wheel):
        print(*(f"Not so: {what}." for what in wrong), sep="\n")
        return 1
    for python in PYTHONS:
        if not here(python):
            print(f"Python {python}: not on this machine, so not tried.")
            continue
        for extra in TRIALS:
            size = tried(wheel, python, extra)
            print(f"Python {python}, {f'[{extra}]' if extra else 'no extra':10} works: {size}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
