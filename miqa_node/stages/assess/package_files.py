"""Finds packages: folders and bare files of the models folder, by name and version. Runs nothing.

A package is a folder ``<name>-<version>/`` or one bare ``<name>-<version>.onnx`` with its card in its metadata; to
become active it also needs its goldens there. docs/reference/model-package.md describes both.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from miqa_node.errors import ModelPackageError, NotFoundError
from miqa_node.stages.assess.bare import bare_card, read_metadata
from miqa_node.stages.assess.card import Card, has_card, read_card, read_sections
from miqa_node.stages.assess.package_checks import BARE_SUFFIX, package_label


def package_folders(models: Path | Sequence[Path]) -> list[Path]:
    """Every package, folder or bare file, oldest version of each name first; without :func:`hidden_packages`."""
    everything = [path for models_dir in _each(models) for path in _packages_in(models_dir)]
    return sorted(set(everything) - hidden_packages(models).keys(), key=name_and_version)


def hidden_packages(models: Path | Sequence[Path]) -> dict[Path, Path]:
    """Packages that an earlier folder has with the same name and version, each with the one that takes its place."""
    first: dict[str, Path] = {}
    hidden = {}
    for models_dir in _each(models):
        here = {path: package_label(path) for path in _packages_in(models_dir)}
        hidden.update({path: first[label] for path, label in here.items() if label in first})
        first = {label: path for path, label in here.items()} | first
    return hidden


def hidden_in_words(models: Path | Sequence[Path]) -> list[str]:
    """The same in sentences."""
    hidden = hidden_packages(models)
    return [f"{path} is not used: {first} has the same name and version." for path, first in hidden.items()]


def find_package(models: Path | Sequence[Path], name: str) -> Path | None:
    """The package called ``<name>-<version>``, of the first folder that has one; a folder before a bare file."""
    if Path(name).name != name:
        return None
    for models_dir in _each(models):
        folder, bare = models_dir / name, models_dir / f"{name}{BARE_SUFFIX}"
        if has_card(folder):
            return folder
        if bare.is_file():
            return bare
    return None


def package_of_name(models: Path | Sequence[Path], name: str) -> Path:
    """The package that :func:`find_package` finds; NotFoundError if there is none."""
    path = find_package(models, name)
    if path is None:
        raise NotFoundError("There is no package {name} in {models}.", name=name, models=places(models))
    return path


def newest_package(models: Path | Sequence[Path], name: str) -> Path | None:
    """Folder of the newest version of a package; None if there is no such package.

    Bare files and packages without goldens never count: a file dropped into the folder judges nothing until somebody
    activates it.
    """
    return next((path for path in reversed(versions_of(models, name)) if not _is_candidate(path)), None)


def versions_of(models: Path | Sequence[Path], name: str) -> list[Path]:
    """Folders of all versions of a package, the oldest first, where the first folder of packages has any.

    A site's own package is never replaced by a newer one that ships with the node.
    """
    for models_dir in _each(models):
        folders = [path for path in _packages_in(models_dir) if path.is_dir() and name_and_version(path)[0] == name]
        if folders:
            return sorted(folders, key=name_and_version)
    return []


def places(models: Path | Sequence[Path]) -> str:
    """The folders in a sentence.

    >>> places([Path("/srv/models"), Path("/opt/models")])
    '/srv/models or /opt/models'
    """
    return " or ".join(map(str, _each(models))) or "any folder (set assess.models_dir, or assess.shipped_packages)"


def _each(models: Path | Sequence[Path]) -> Sequence[Path]:
    return (models,) if isinstance(models, Path) else models


def _packages_in(models_dir: Path) -> list[Path]:
    return [path for path in models_dir.iterdir() if is_bare(path) or has_card(path)] if models_dir.is_dir() else []


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
