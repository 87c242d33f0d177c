"""A browser: a page as its reader sees it, after its scripts have run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.servers import ServerMissing

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_CONSOLE = re.compile(r'INFO:CONSOLE\S* (".*)')


@dataclass(frozen=True)
class Page:
    """What became of a page in the browser."""

    html: str
    complaints: list[str]  #: what the console shows: errors, and what the page's policy blocked


def program() -> str:
    """Return the path of Chromium; raises ServerMissing if it is not installed."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        raise ServerMissing("Chromium is not installed")
    return found


def arguments() -> list[str]:
    """Return the arguments with which it finds no host but loopback."""
    own = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    return own if os.geteuid() else [*own, "--no-sandbox"]  # root cannot have one


class Browser:
    """Chromium without a window, which finds no host but loopback.

    Raises ServerMissing if it is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self._command = [program(), "--headless", "--disable-gpu", f"--user-data-dir={folder}"]
        self._command += ["--enable-logging=stderr", "--v=0", "--virtual-time-budget=20000"]
        self._command += arguments()

    def open(self, url: str) -> Page:
        """Return the page at ``url`` once its scripts have run."""
        done = subprocess.run(
            [*self._command, "--dump-dom", url],
            capture_output=True,
            encoding="utf-8",
            check=True,
            timeout=90,
        )
        return Page(done.stdout, _CONSOLE.findall(done.stderr))
