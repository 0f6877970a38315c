"""Covers text in the pixels that may identify, in a data set that is about to be written; the original stays."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pack_bits

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.pixel_text import TextLine
from miqa_node.core.settings import Settings
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.assess.text.extra import can_read
from miqa_node.stages.assess.text.find import identifying, picture_of

if TYPE_CHECKING:
    from miqa_node.stages.assess.text.reader import TextRecogniser

LEAST_CONTRAST = 48
"""Grey levels of 255 by which text differs from what it stands on; what differs by less nobody reads."""
FRAMES_COMPARED = 4
"""A frame that differs by less from one of the last so many that were searched has no text that these have not."""
MOST_ROUNDS = 3
"""Large text hides small text beside it; a picture is read again after what was found is covered."""
REDUCTIONS = (1, 2)
"""Of the size in which a picture is read: large letters come apart for the recogniser, in half of it less so."""
LEAST_CERTAINTY = 0.5
"""Lower than for the node's measurement: a line too many costs little here."""
MARGIN = 0.25
"""Of a line's height, covered around it too: ascenders and what JPEG spreads."""


@dataclass(frozen=True, slots=True)
class PixelTools:
    """The recogniser, and what decodes in processes of its own: a codec that crashes ends no run of many files."""

    decode: Callable[[Path, int], Radiograph]
    uncompress: Callable[[bytes], bytes]
    reader: TextRecogniser | None = None
    """None if text is not searched."""
    limit_s: float = math.inf
    """Of the search in one file."""


@dataclass(frozen=True, slots=True)
class PixelSearch:
    """Lines that were found, and on how many of the frames.

    Some were ``read``; others are ``alike``: they differ too little from these to have other text.
    """

    lines: tuple[TextLine, ...]
    frames: int
    read: int
    alike: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether no frame was left out."""
        return self.read + self.alike == self.frames


@contextmanager
def pixel_tools(settings: Settings, *, text: bool) -> Iterator[PixelTools]:
    """What decodes pixels and, with ``text`` and where the extra ``text`` is installed, searches them for it."""
    with ExitStack() as stack:
        pool = cache(lambda: stack.enter_context(WorkerPool(settings)))  # most files of a run need none
        reader = None
        if text and can_read():
            from miqa_node.stages.assess.text.reader import TextRecogniser  # noqa: PLC0415 - loads the recogniser

            reader = TextRecogniser()
        yield PixelTools(
            lambda path, frame: pool().decode(path, frame),
            lambda file: pool().uncompress(file),
            reader,
            settings.text.file_limit_s,
        )


def search(path: Path, frames: int, tools: PixelTools, reader: TextRecogniser) -> PixelSearch:
    """Lines that may identify, of a stored image; not of all frames if that takes longer than the tools' limit."""
    lines: list[TextLine] = []
    last: deque[NDArray[np.uint8]] = deque(maxlen=FRAMES_COMPARED)
    read, until = 0, time.monotonic() + tools.limit_s
    for number in range(frames):
        if number and time.monotonic() > until:
            return PixelSearch(tuple(lines), frames, read, number - read)
        picture = picture_of(tools.decode(path, number))
        if any(_are_alike(picture, one) for one in last):
            continue
        last.append(picture)
        lines += lines_of(picture.copy(), lines, reader)
        read += 1
    return PixelSearch(tuple(lines), frames, read, frames - read)


def _are_alike(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Whether no stroke of text can be on one only: a stroke fills a third of 3 × 3 pixels or more, noise evens out."""
    if one.shape != other.shape:
        return False
    differences = cv2.subtract(one, other, dtype=cv2.CV_32F)
    return float(np.abs(cv2.blur(differences, (3, 3))).max()) < LEAST_CONTRAST / 3


def lines_of(picture: NDArray[np.uint8], earlier: Sequence[TextLine], reader: TextRecogniser) -> list[TextLine]:
    """Lines of a picture (rows, columns, 3) that may identify, beside earlier ones; all are black in it afterwards."""
    shape, lines = (picture.shape[0], picture.shape[1]), list[TextLine]()
    for line in earlier:
        picture[_area(line, shape)] = 0
    for reduction in REDUCTIONS:
        for _ in range(MOST_ROUNDS):
            new = identifying(reader.read(picture, reduction), shape, LEAST_CERTAINTY)
            if not new:
                break
            lines += new
            for line in new:
                picture[_area(line, shape)] = 0
    return lines


def uncompressed_bytes(ds: FileDataset) -> int:
    """Size of all frames once they are uncompressed."""
    bits = int(ds.Rows) * int(ds.Columns) * int(ds.get("SamplesPerPixel") or 1) * int(ds.BitsAllocated)
    return bits * int(ds.get("NumberOfFrames") or 1) // 8


def cover(ds: FileDataset, lines: Sequence[TextLine]) -> None:
    """Write black over the lines on all frames of an uncompressed image; colours are RGB then."""
    rows, columns, frames = int(ds.Rows), int(ds.Columns), int(ds.get("NumberOfFrames") or 1)
    samples = int(ds.get("SamplesPerPixel") or 1)
    pixels = np.array(ds.pixel_array)
    black = _black(ds, pixels)
    by_frame = pixels.reshape(frames, rows, columns, *pixels.shape[pixels.ndim - (samples > 1) :])
    for line in lines:
        by_frame[:, *_area(line, (rows, columns))] = black
    if samples > 1:
        ds.PhotometricInterpretation, ds.PlanarConfiguration = "RGB", 0
    little = ds.file_meta.TransferSyntaxUID.is_little_endian
    swapped = pixels.astype(pixels.dtype.newbyteorder("<" if little else ">"))
    data = pack_bits(pixels.ravel()) if int(ds.BitsAllocated) == 1 else swapped.tobytes()
    # Bytes as OW would be swapped in big endian.
    ds.add_new(0x7FE00010, "OB" if pixels.itemsize == 1 else "OW", data + b"\0" * (len(data) % 2))


def _area(line: TextLine, shape: tuple[int, int]) -> tuple[slice, slice]:
    margin = max(2, round(MARGIN * line.height))
    rows = slice(max(0, line.row - margin), min(shape[0], line.row + line.height + margin))
    return rows, slice(max(0, line.column - margin), min(shape[1], line.column + line.width + margin))


def _black(ds: FileDataset, pixels: NDArray[Any]) -> int:
    """The darkest value that occurs; of a palette the index of its darkest colour."""
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        indices = np.unique(pixels)
        return int(indices[apply_color_lut(indices, ds).sum(axis=-1, dtype=np.int64).argmin()])
    if int(ds.get("SamplesPerPixel") or 1) > 1:
        return 0
    return int(pixels.max() if ds.PhotometricInterpretation == "MONOCHROME1" else pixels.min())
