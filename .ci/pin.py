"""Writes constraints.txt for `make constraints`: the exact version of everything that any extra brings.

All extras and groups are resolved together, also cpu and gpu (which are never installed together), so that one file
serves every installation: what is constrained but not asked for is simply not installed. Local versions such as +cpu
are cut off, because builds of torch for other machines carry another one, or none. Versions are those of the oldest
Python that the project admits: some packages ask for a later patch of it than distributions have.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = "3.11.0"
HEADER = """\
# The exact versions that miqa-node is tested with, for Python 3.11 to 3.14 on Linux; the Makefile installs with them.
# Written by `make constraints` from pyproject.toml and packages/; do not edit by hand.
"""


def main() -> None:
    """Resolve, then write."""
    pins = resolve(requirements())
    lines = [f"{name}=={version}\n" for name, version in sorted(pins.items())]
    (ROOT / "constraints.txt").write_text(HEADER + "".join(lines), "utf-8")
    sys.stdout.write(f"constraints.txt: {len(lines)} packages\n")


def requirements() -> list[str]:
    """Everything that the project's distributions, their extras, groups and builds ask for, and pip itself."""
    lines = ["pip"]
    for file in (ROOT / "pyproject.toml", *sorted(ROOT.glob("packages/*/pyproject.toml"))):
        document = tomllib.loads(file.read_text("utf-8"))
        project = document["project"]
        added = *project.get("optional-dependencies", {}).values(), *document.get("dependency-groups", {}).values()
        lines += [
            *document["build-system"]["requires"],
            *project.get("dependencies", ()),
            *(line for one in added for line in one),
        ]
    lines = [line for line in lines if not line.startswith("miqa-node")]
    # Of torch, === takes only the build without a local version: the one for GPUs, whose many libraries need pins too.
    return [re.sub(r"^torch==(?!=)", "torch===", line) for line in lines]


def resolve(wanted: list[str]) -> dict[str, str]:
    """Name and version of all packages that satisfy the requirements together."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--python-version", OLDEST_PYTHON, "--only-binary", ":all:"]
        subprocess.run([*command, "--report", str(report), *wanted], check=True)  # noqa: S603 - our own pyproject.toml
        found = json.loads(report.read_text("utf-8"))["install"]
    return {normal(item["metadata"]["name"]): item["metadata"]["version"].partition("+")[0] for item in found}


def normal(name: str) -> str:
    """The name as PEP 503 spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
