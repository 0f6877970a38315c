"""Prints the other Pythons of this machine that the project admits, newest first: version and program on each line.

They are those of pyenv and of the system, one for each patch release, but for the one that runs this. Debian's own is
an early patch release of a version that is here already: it runs what patch releases have changed.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

MINORS = ("3.14", "3.13", "3.12", "3.11")
TELL = """
import ensurepip, platform, sys
assert sys.version_info >= (3, 11)
print(platform.python_version())
"""
"""Fails for a Python that is too old or makes no virtual environments."""


def candidates() -> Iterator[str]:
    """Programs that may be there, the likelier one of a version first."""
    for minor in MINORS:
        if prefix := said("pyenv", "prefix", minor):
            yield f"{prefix}/bin/python3"
        yield f"python{minor}"
    yield "/usr/bin/python3"


def said(*command: str) -> str:
    """What a program says; nothing if it is not there or fails."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the names above
    return "" if done.returncode else done.stdout.strip()


def others() -> dict[str, str]:
    """Program by version, newest first."""
    found = {platform.python_version(): sys.executable}
    for program in candidates():
        if version := said(program, "-c", TELL):
            found.setdefault(version, program)
    del found[platform.python_version()]
    return dict(sorted(found.items(), key=lambda one: [int(part) for part in re.findall(r"\d+", one[0])], reverse=True))


if __name__ == "__main__":
    for version, program in others().items():
        sys.stdout.write(f"{version} {program}\n")
