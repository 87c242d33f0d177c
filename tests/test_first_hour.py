"""A first user's hour, from the wheel, outside the checkout, without any right or setting."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.processes import free_port
from tests.support.stack import ROOT

pytestmark = [pytest.mark.default_configuration, pytest.mark.slow, pytest.mark.timeout(400)]

SCRIPT = ROOT / "tests" / "first_hour.sh"
#: an ordinary user, where the suite runs as root
NOBODY = 65_534


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty folder of an ordinary user."""
    with tempfile.TemporaryDirectory(prefix="first-hour-") as name:
        if not os.geteuid():
            os.chown(name, NOBODY, NOBODY)
        yield Path(name)


def _python() -> str:
    """Return a Python that an ordinary user may run: root's own may be in its home folder."""
    usual = shutil.which("python3", path="/usr/local/bin:/usr/bin")
    return usual if usual and not os.geteuid() else sys.executable


def test_whoever_installs_the_wheel_gets_through_the_first_hour(home: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
        subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
        (wheel,) = Path(folder).glob("*.whl")
        script = shutil.copy(SCRIPT, folder)
        nobody = None if os.geteuid() else NOBODY
        kept = {
            name: text for name, text in os.environ.items() if name.startswith(("PIP_", "SSL_"))
        }
        done = subprocess.run(
            ["/bin/bash", script, str(wheel), _python(), str(free_port())],
            cwd=home,
            env={**kept, "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home)},
            user=nobody,
            group=nobody,
            extra_groups=None if nobody is None else [],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    for told in ("1,200 items: 1,200 removed", "receipt: 1200 removed", "1,200 added"):
        assert told in done.stdout + done.stderr
