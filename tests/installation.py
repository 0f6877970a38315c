"""Wheels of this project and of its earlier versions, and environments outside the checkout to install them into."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from tests.conftest import ROOT

EARLIER = "b1882697"
"""The version that sites upgrade from, until there is a release: the last one before the baseline of the database."""
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
OFFLINE = ["--no-index", "--no-deps"]
ENVIRONMENT = {
    "PYTHONSAFEPATH": "1",  # else a fork server takes the package of the working directory
    "MIQA_RETENTION__ENABLED": "false",  # else they remove originals if this machine's disk is nearly full
    "MIQA_WORK__SANDBOX": "false",  # the links to libraries lead out of what a worker may read
}
"""Of every process of an installation."""


def sources_of(commit: str, folder: Path) -> Path:
    """The files of a commit, in a new folder; skips where this checkout does not have it."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=False, capture_output=True)
    if archive.returncode:
        pytest.skip(f"the history of this checkout does not reach back to {commit} (git fetch --unshallow)")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


def built(sources: Iterable[Path], folder: Path) -> list[Path]:
    """The wheels of some distributions, as pip builds them of their sources."""
    wheel = [*PIP, "wheel", *OFFLINE, "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*wheel, *map(str, sources)], check=True)
    return sorted(folder.glob("*.whl"))


class Installation:
    """A virtual environment with the libraries of the tests', and of this project nothing but some wheels."""

    def __init__(self, folder: Path, *wheels: Path, lacking: Sequence[str] = ()) -> None:
        """``lacking`` are libraries that it does not have, by the names of their modules."""
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.program = folder / "bin" / "miqa-node"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
        libraries = folder / "libraries"
        libraries.mkdir()
        for path in Path(sysconfig.get_path("purelib")).iterdir():
            if "miqa" not in path.name and path.suffix != ".pth" and path.name not in lacking:
                (libraries / path.name).symlink_to(path)
        (self.site / "libraries.pth").write_text(f"{libraries}\n")
        install = [*PIP, "--python", str(self.python), "install", *OFFLINE]
        subprocess.run([*install, *map(str, wheels)], check=True)

    def run(
        self, *words: str, folder: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """``miqa-node`` with these words, in a folder that has nothing of the checkout."""
        return subprocess.run(
            [self.program, *words],
            cwd=folder or self.folder,
            env={
                **ENVIRONMENT,
                **(settings or {}),
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "COLUMNS": "200",
            },
            capture_output=True,
            text=True,
            check=False,
        )
