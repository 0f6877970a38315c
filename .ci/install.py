"""``python .ci/install.py pip …`` is ``python -m pip …`` for a log: a line each ten seconds says what it does.

All that it says itself is shown if it fails. Other modules that say little, as ``venv``, run likewise.
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable
from pathlib import Path
from threading import Thread

EVERY_S = 10.0
TELLING = re.compile(r"(Collecting|Downloading|Using cached|Building|Preparing|Installing|Uninstalling) ")


class Installation:
    """What the program says, and what it has installed so far."""

    def __init__(self, site: Path) -> None:
        self._site = site
        self._before = self._installed()
        self._doing = "still at it"
        self._wanted = 0
        self.said: list[str] = []

    def read(self, output: Iterable[str]) -> None:
        """Take in all lines, until the program ends."""
        for line in output:
            self.said.append(line)
            if TELLING.match(line.strip()):
                self._doing = line.strip()
            if line.startswith("Installing collected packages: "):
                self._wanted = line.count(",") + 1

    def doing(self) -> str:
        """What it does now; while pip installs, which it does silently, how far it has come."""
        if not self._wanted:
            return self._doing.partition(" (from ")[0]
        return f"installing package {min(len(self._installed() - self._before) + 1, self._wanted)} of {self._wanted}"

    def _installed(self) -> set[str]:
        return {path.name for path in self._site.glob("*.dist-info")}


def main() -> int:
    """Run a module of this Python; return its exit code."""
    started = time.monotonic()
    installation = Installation(Path(sysconfig.get_path("purelib")))
    command = [sys.executable, "-m", *sys.argv[1:]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as program:  # noqa: S603
        reader = Thread(target=installation.read, args=(program.stdout,), daemon=True)
        reader.start()
        while reader.is_alive():
            reader.join(EVERY_S)
            if reader.is_alive():
                sys.stdout.write(f"  {time.monotonic() - started:4.0f} s: {installation.doing()}\n")
                sys.stdout.flush()
    if program.returncode:
        sys.stdout.writelines(installation.said)
    return program.returncode


if __name__ == "__main__":
    sys.exit(main())
