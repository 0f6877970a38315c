"""Covers text in the pixels that may identify, in a data set that is about to be written; the original stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

MOST_FRAMES_SEARCHED = 8
"""Of a cine run, evenly from the first to the last; what is found on one frame is covered on all."""
MOST_ROUNDS = 3
"""Large text hides small text beside it; a picture is read again after what was found is covered."""
LEAST_CERTAINTY = 0.5
"""Lower than for the node's measurement: a line too many costs little here."""
MARGIN = 0.25
"""Of a line's height, covered around it too: ascenders and what JPEG spreads."""


@dataclass(frozen=True, slots=True)
class PixelTools:
    """The recogniser, and what decodes in processes of its own: a codec that crashes ends no run of many files."""

    reader: TextRecogniser
    decode: Callable[[Path, int], Radiograph]
    uncompress: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class PixelSearch:
    """What was found and covered, and on how many frames it was looked for."""

    lines: tuple[TextLine, ...]
    frames: int
    searched: int


@contextmanager
def pixel_tools(settings: Settings) -> Iterator[PixelTools | None]:
    """What searches pixels for text; None without the extra ``text``."""
    if not can_read():
        yield None
        return
    from miqa_node.stages.assess.text.reader import TextRecogniser  # noqa: PLC0415 - loads the recogniser

    with WorkerPool(settings) as pool:
        yield PixelTools(TextRecogniser(), pool.decode, pool.uncompress)


def search(path: Path, frames: int, tools: PixelTools) -> PixelSearch:
    """Lines that may identify, of several frames of a stored image."""
    numbers = np.unique(np.linspace(0, frames - 1, min(frames, MOST_FRAMES_SEARCHED)).round().astype(int)).tolist()
    lines: list[TextLine] = []
    for number in numbers:
        lines += _of_frame(tools.decode(path, number), lines, tools.reader)
    return PixelSearch(tuple(lines), frames, len(numbers))


def _of_frame(radiograph: Radiograph, earlier: Sequence[TextLine], reader: TextRecogniser) -> list[TextLine]:
    picture, lines = picture_of(radiograph), list[TextLine]()
    for line in earlier:
        picture[_area(line, radiograph.shape)] = 0
    for _ in range(MOST_ROUNDS):
        new = identifying(reader.read(picture), radiograph.shape, LEAST_CERTAINTY)
        if not new:
            break
        lines += new
        for line in new:
            picture[_area(line, radiograph.shape)] = 0
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
