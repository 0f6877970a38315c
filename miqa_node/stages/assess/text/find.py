"""Finds text in a decoded image that may identify somebody: kinds and places of its lines, nothing of what they say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.pixel_text import TextLine
from miqa_node.stages.assess.text.kind import is_one_word, kind_of

if TYPE_CHECKING:
    from miqa_node.stages.assess.text.reader import LineReading, TextRecogniser

LEAST_CERTAINTY = 0.6
"""Of the characters of a line, on average; below it patterns of the body are read as words."""
MORE_FOR_ONE_WORD = 0.2
"""A line of one word needs so much more: of initials, ribs and leads the recogniser makes one."""
MOST_TILT_DEGREES = 10
"""Of what a device writes; lead letters, chains and wires lie as somebody laid them."""
LEAST_CERTAINTY_TILTED = 0.9
"""Of a line with more: a label in a photograph is read as well as that, initials beside a side letter are not."""


def find_text(radiograph: Radiograph, reader: TextRecogniser) -> tuple[TextLine, ...]:
    """Lines that may identify somebody, from top to bottom."""
    lines = reader.read(picture_of(radiograph))
    return identifying((one for one in lines if _may_be_written(one)), radiograph.shape)


def identifying(
    lines: Iterable[LineReading], shape: tuple[int, int], least_certainty: float = LEAST_CERTAINTY
) -> tuple[TextLine, ...]:
    """Those of the lines read in a picture of this shape (rows, columns) that may identify somebody."""
    certain = (one for one in lines if one.certainty >= least_certainty + MORE_FOR_ONE_WORD * is_one_word(one.text))
    boxes = (_placed(line, shape) for line in certain)
    return tuple(sorted((one for one in boxes if one is not None), key=lambda one: (one.row, one.column)))


def picture_of(radiograph: Radiograph) -> NDArray[np.uint8]:
    """The image as displayed, (rows, columns, 3), blue, green and red."""
    if radiograph.colour is not None:
        return np.ascontiguousarray((radiograph.colour >> 8).astype(np.uint8)[..., ::-1])
    return np.asarray(cv2.cvtColor((radiograph.display >> 8).astype(np.uint8), cv2.COLOR_GRAY2BGR), np.uint8)


def _may_be_written(line: LineReading) -> bool:
    """Whether it is level or upright, or certain enough to be a label."""
    along, across = line.corners[1] - line.corners[0], line.corners[2] - line.corners[1]
    column, row = np.abs(max(along, across, key=np.linalg.norm))
    tilt = np.degrees(np.arctan2(min(column, row), max(column, row)))
    return bool(tilt <= MOST_TILT_DEGREES) or line.certainty >= LEAST_CERTAINTY_TILTED


def _placed(line: LineReading, shape: tuple[int, int]) -> TextLine | None:
    kind = kind_of(line.text)
    if kind is None:
        return None
    rows, columns = shape
    left, top = np.floor(np.clip(line.corners.min(axis=0), 0, (columns - 1, rows - 1))).astype(int).tolist()
    right, bottom = np.ceil(np.clip(line.corners.max(axis=0), 1, (columns, rows))).astype(int).tolist()
    return TextLine(kind, left, top, max(1, right - left), max(1, bottom - top))
