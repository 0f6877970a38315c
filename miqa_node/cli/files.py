"""The files that a command line names: single files, and every image below folders."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

IMAGE_SUFFIXES = frozenset({".dcm", ".dicom", ".ima", ".png", ".jpg", ".jpeg"})
DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".ima"})
_PREFIX = b"DICM"
_PREFIX_OFFSET = 128
_DIRECTORY_FILE = "DICOMDIR"


def images(paths: Iterable[Path], suffixes: frozenset[str] = IMAGE_SUFFIXES) -> tuple[list[Path], int]:
    """The files to work on, in order, and how many files of folders were left out because they are not images.

    A file that is named is always taken; files of a folder are taken if their name or content is that of an image.
    """
    chosen_paths: list[Path] = []
    left_out = 0
    for path in paths:
        if not path.is_dir():
            chosen_paths.append(path)
            continue
        for file in sorted(f for f in path.rglob("*") if f.is_file() and not _hidden(f.relative_to(path))):
            if _looks_like_image(file, suffixes):
                chosen_paths.append(file)
            else:
                left_out += 1
    return list(dict.fromkeys(chosen_paths)), left_out


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _looks_like_image(file: Path, suffixes: frozenset[str]) -> bool:
    if file.name == _DIRECTORY_FILE:  # the index of a medium (PS3.10 8), not an image
        return False
    if file.suffix.lower() in suffixes:
        return True
    try:
        with file.open("rb") as opened:
            opened.seek(_PREFIX_OFFSET)
            return opened.read(len(_PREFIX)) == _PREFIX
    except OSError:
        return True  # the decoder reports the fault
