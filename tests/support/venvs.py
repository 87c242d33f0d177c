"""Clean environments with our wheel and one of its extras, made of what the suite's own has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

SITE = Path("lib") / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def distributions(wheel: Path, extra: str) -> set[str]:
    """Return the names of all that the wheel needs with ``extra``; "" is none."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(name).decode().splitlines()
    ours = [line.partition(": ")[2] for line in lines if line.startswith("Requires-Dist: ")]
    found: set[tuple[str, str]] = set()
    waiting = [("tagsweep", extra)]
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) not in found:
            found.add((name, wanted))
            needs = ours if name == "tagsweep" else metadata.requires(name) or []
            waiting += _needed(needs, wanted)
    return {name for name, _ in found} - {"tagsweep"}


def _needed(requirements: Iterable[str], extra: str) -> Iterable[tuple[str, str]]:
    for text in requirements:
        need = Requirement(text)
        if need.marker is None or need.marker.evaluate({"extra": extra}):
            name = re.sub(r"[-_.]+", "-", need.name).lower()
            yield from ((name, each) for each in ("", *need.extras))


@dataclass(frozen=True, slots=True)
class Venv:
    """An environment outside the checkout, in which nothing but these is installed."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, wheel: Path, extra: str) -> Venv:
        """Make one with the wheel and what it needs with ``extra``."""
        command = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
        subprocess.run(command, check=True)
        site = folder / SITE
        for name in sorted(distributions(wheel, extra)):
            _link(metadata.distribution(name), site)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)  # it is ours
        script = folder / "bin" / "tagsweep"
        script.write_text(
            f"#!{folder}/bin/python\nfrom tagsweep.producer.cli import main\nmain()\n"
        )
        script.chmod(0o755)
        return cls(folder)

    def run(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in an empty folder of its own."""
        there = self.folder / "empty"
        there.mkdir(exist_ok=True)
        given = {f"TAGSWEEP_{name.upper()}": value for name, value in settings.items()}
        return subprocess.run(
            [self.folder / "bin" / command[0], *command[1:]],
            cwd=there,
            env={"PATH": os.environ["PATH"], "HOME": str(there), **given},
            capture_output=True,
            text=True,
            check=False,
            timeout=110,
        )


def _link(distribution: metadata.Distribution, site: Path) -> None:
    """Lead to each file or folder that the distribution has at the top."""
    tops = {file.parts[0] for file in distribution.files or [] if file.parts[0] != ".."}
    for top in tops - {"__pycache__"}:
        target = site / top
        if not target.exists():
            target.symlink_to(Path(str(distribution.locate_file(top))).resolve())
