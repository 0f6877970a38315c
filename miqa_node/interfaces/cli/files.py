"""The files that a command line names: single files, and every image below folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from zipfile import is_zipfile

from miqa_node.core.settings import WebSettings
from miqa_node.dicom.pixels.picture import is_picture
from miqa_node.errors import SettingsError
from miqa_node.stages.receive.zip_file import is_dicom, members

IMAGE_SUFFIXES = frozenset({".dcm", ".dicom", ".ima", ".png", ".jpg", ".jpeg", ".zip"})
DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".ima"})
_DIRECTORY_FILE = "DICOMDIR"


def images(paths: Iterable[Path], suffixes: frozenset[str] = IMAGE_SUFFIXES) -> tuple[list[Path], int]:
    """The files to work on, in order, and how many files of folders were left out because they are not images.

    A file that is named is always read; files of a folder are read if their name or content is that of an image, with
    or without the preamble of PS3.10. A DICOMDIR means the medium that it is on. A folder that may not be read stands
    among the files: who opens it reports the fault.
    """
    chosen_paths: list[Path] = []
    left_out = 0
    for path in paths:
        if path.exists() and not (path.is_file() or path.is_dir()):  # its end may never come, and it has no beginning
            raise SettingsError(f"{path} is a pipe or a device; write the image to a file first.")
        if path.name == _DIRECTORY_FILE and path.is_file():
            path = path.parent  # noqa: PLW2901
        if not path.is_dir():
            chosen_paths.append(path)
            continue
        for file in sorted(f for f in _below(path) if not _hidden(f.relative_to(path))):
            if _looks_like_image(file, suffixes):
                chosen_paths.append(file)
            else:
                left_out += 1
    return list(dict.fromkeys(chosen_paths)), left_out


def _below(folder: Path) -> Iterator[Path]:
    """All files below a folder, links to folders aside, and the folders that may not be read."""
    refusals: list[OSError] = []
    for parent, _, names in os.walk(folder, onerror=refusals.append):
        yield from (file for name in names if _is_file(file := Path(parent, name)))
    yield from (Path(error.filename) for error in refusals)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that may be listed and not entered
        return True


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _looks_like_image(file: Path, suffixes: frozenset[str]) -> bool:
    if file.name == _DIRECTORY_FILE:  # the index of a medium (PS3.10 8), not an image
        return False
    if file.suffix.lower() in suffixes:
        return True
    try:
        return is_dicom(file)
    except OSError:
        return True  # the decoder reports the fault


def unpacked(files: Iterable[Path], folder: Path, limits: WebSettings) -> tuple[dict[Path, str], list[Path]]:
    """The files, each with the name to print, and the ZIP files without an image.

    A ZIP file's images are written to ``folder``.

    Raises
    ------
    ArchiveError
        A ZIP file is damaged, locked or beyond ``limits``.
    """
    names: dict[Path, str] = {}
    empty: list[Path] = []
    for number, file in enumerate(files):
        if not is_zipfile(file):
            names[file] = str(file)
            continue
        content = list(members(file, folder / str(number), limits))
        image_files = {one for one in content if is_dicom(one) or is_picture(one)}
        if not image_files:
            empty.append(file)
            continue
        # A ZIP file among images is not opened, and not passed over: who reads it says that it is no image.
        names |= {one: f"{file}#{one.name}" for one in content if one in image_files or is_zipfile(one)}
    return names, empty
