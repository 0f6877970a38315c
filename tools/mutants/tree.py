"""A copy of one commit, in which mutants live: the checkout is never touched."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.mutants.marks import MOST, PAGE
from tools.mutants.mutations import PACKAGE, Mutant, marked

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def copy_of(commit: str, folder: Path) -> Iterator[Path]:
    """The tree of a commit in a folder inside ``folder`` that ends with the block; an old one goes first."""
    tree = folder / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    with tarfile.open(fileobj=io.BytesIO(git("archive", commit))) as files:
        files.extractall(tree, filter="tar")
    add_tools(tree)
    shared = folder / "shared"
    if (ROOT.parent / "shared").is_dir() and not shared.exists():
        shared.symlink_to(ROOT.parent / "shared")
    try:
        yield tree
    finally:
        shutil.rmtree(tree, ignore_errors=True)


def add_tools(tree: Path) -> None:
    """The plug-ins, which an earlier commit does not have."""
    mine, left_out = Path(__file__).parent, shutil.ignore_patterns("__pycache__", "*.bin")
    shutil.copytree(mine, tree / "tools" / mine.name, dirs_exist_ok=True, ignore=left_out)


def set_marks(tree: Path, mutants: Sequence[Mutant]) -> None:
    """Put a mark at each mutant of the list; its number is its place there."""
    (tree / "tools" / "mutants" / PAGE.name).write_bytes(bytes(MOST))
    by_path: dict[str, list[tuple[int, Mutant]]] = {}
    for number, mutant in enumerate(mutants):
        by_path.setdefault(mutant.path, []).append((number, mutant))
    for path, numbered in by_path.items():
        file = tree / path
        file.write_bytes(marked(file.read_bytes(), numbered))
    start = tree / PACKAGE / "__init__.py"  # mapped before any process gives up its rights to open files
    start.write_text(start.read_text("utf-8") + "\nimport tools.mutants.marks  # noqa\n", "utf-8")


def run_tests(tree: Path, plugin: str, arguments: Sequence[str], variables: dict[str, str]) -> int:
    """Run pytest in the copy with one of this package's plug-ins."""
    path = os.pathsep.join(map(str, (tree, tree / "packages" / "miqa-node-training")))
    environment = {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", **variables}
    command = [sys.executable, "-m", "pytest", "-q", "-p", f"tools.mutants.{plugin}", "-p", "no:cacheprovider"]
    return subprocess.run([*command, *arguments], cwd=tree, env=environment, check=False).returncode  # noqa: S603


def git(*words: str) -> bytes:
    """What git answers in this checkout."""
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True).stdout  # noqa: S603, S607
