"""Finds packages: folders and bare files of the models folder, by name and version. Runs nothing.

A package is a folder ``<name>-<version>/`` or one bare ``<name>-<version>.onnx`` with its card in its metadata; to
become active it also needs its goldens there. docs/reference/model-package.md describes both.
"""

from __future__ import annotations

from pathlib import Path

from miqa_node.assess.bare import bare_card, read_metadata
from miqa_node.assess.card import Card, has_card, read_card, read_sections
from miqa_node.assess.package_checks import BARE_SUFFIX, package_label
from miqa_node.errors import ModelPackageError


def package_folders(models_dir: Path) -> list[Path]:
    """Every package, folder or bare file, oldest version of each name first."""
    if not models_dir.is_dir():
        return []
    folders = [path for path in models_dir.iterdir() if is_bare(path) or has_card(path)]
    return sorted(folders, key=name_and_version)


def find_package(models_dir: Path, name: str) -> Path | None:
    """The package called ``<name>-<version>``; a folder before a bare file."""
    if Path(name).name != name:
        return None
    folder, bare = models_dir / name, models_dir / f"{name}{BARE_SUFFIX}"
    if has_card(folder):
        return folder
    return bare if bare.is_file() else None


def newest_package(models_dir: Path, name: str) -> Path | None:
    """Folder of the newest version of a package; None if there is no such package.

    Bare files and packages without goldens never count: a file dropped into the folder judges nothing until somebody
    activates it.
    """
    folders = [path for path in package_folders(models_dir) if path.is_dir() and name_and_version(path)[0] == name]
    return next((folder for folder in reversed(folders) if not _is_candidate(folder)), None)


def read_package_card(path: Path) -> Card:
    """The card of a folder or of a bare file, read without running anything; ModelPackageError if it is not a card."""
    return bare_card(path.name, read_metadata(path)) if is_bare(path) else read_card(path)


def name_and_version(path: Path) -> tuple[str, tuple[int, ...]]:
    """Name and version of a package's path; other names have no version."""
    label = package_label(path)
    name, _, version = label.rpartition("-")
    numbers = version.split(".")
    if not name or not all(number.isdigit() for number in numbers):
        return label, ()
    return name, tuple(int(number) for number in numbers)


def _is_candidate(folder: Path) -> bool:
    try:
        return not read_sections(folder).get("golden")
    except ModelPackageError:
        return False  # an older package must not silently replace a damaged one


def is_bare(path: Path) -> bool:
    """Whether the package is one file."""
    return path.suffix == BARE_SUFFIX and path.is_file()
