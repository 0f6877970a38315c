"""The object of a plain MR phantom on the middle slice of its stack: a bottle, a sphere or a cylinder from any side."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import Point, Region
from miqa_node.libraries.phantom_shapes.disc import find_disc
from miqa_node.libraries.phantom_shapes.localizer import bright_hull
from miqa_node.stages.measure.series_view import Mask, Values

NO_OBJECT = Phrase("The outline of the phantom was not found.")
EDGE_SHARE = 0.25
"""Of the usual signal, at the outline."""
ROUND_SHARE = 0.7
"""Of the outline on one circle: the middle is that of the circle, also beside an air bubble."""


class MrObject(NamedTuple):
    """``inside`` are the pixels within the outline; the middle is in pixels."""

    place: int
    image: Values
    inside: Mask
    column: float
    row: float

    @property
    def left(self) -> int:
        """The first column with the object."""
        return int(np.flatnonzero(self.inside.any(axis=0))[0])

    @property
    def right(self) -> int:
        """The last one."""
        return int(np.flatnonzero(self.inside.any(axis=0))[-1])

    @property
    def top(self) -> int:
        """The first row with the object."""
        return int(np.flatnonzero(self.inside.any(axis=1))[0])

    @property
    def bottom(self) -> int:
        """The last one."""
        return int(np.flatnonzero(self.inside.any(axis=1))[-1])


def mr_object_of(stack: PhantomStack) -> MrObject | None:
    """None if nothing on the middle slice stands out."""
    return stack.once(_find)


def box(rows: slice, columns: slice, label: str = "") -> Region:
    """A rectangle of pixels as a region on its slice."""
    corners: tuple[Point, ...] = (
        (columns.start, rows.start),
        (columns.stop - 1, rows.start),
        (columns.stop - 1, rows.stop - 1),
        (columns.start, rows.stop - 1),
        (columns.start, rows.start),
    )
    return Region("POLYLINE", corners, label)


def _find(stack: PhantomStack) -> MrObject | None:
    place = len(stack.images) // 2
    image = stack.images[place]
    outline = bright_hull(image, EDGE_SHARE)
    if outline is None:
        return None
    hull = outline[1].astype(np.float32)
    inside = np.zeros(image.shape, np.uint8)
    cv2.fillConvexPoly(inside, np.rint(hull).astype(np.int32), 1)
    disc = find_disc(image, stack.spacing_mm)
    if disc is not None and disc.share_on_circle >= ROUND_SHARE:
        column, row = disc.column, disc.row
    else:
        column, row = cv2.minAreaRect(hull)[0]
    return MrObject(place, image, inside.astype(bool), float(column), float(row))
