"""How large the body on a CT is: larger or smaller than people are, a header gives a wrong pixel size."""

from __future__ import annotations

import cv2
import numpy as np

from miqa_node.stages.measure.series_view import Mask, SliceView
from miqa_series.ct.body import ct_measure, ct_slice
from miqa_series.ct.truncation import field_cut
from miqa_series.stacks.whole import middle


def extent_mm(body: Mask, spacing_mm: tuple[float, float]) -> float:
    """The larger side of the rectangle around the body.

    >>> body = np.zeros((64, 64), bool); body[10:20, 5:45] = True
    >>> extent_mm(body, (2.0, 0.5))
    20.0
    """
    _, _, columns, rows = cv2.boundingRect(body.view(np.uint8))
    return float(max(rows * spacing_mm[0], columns * spacing_mm[1]))


def _extent(view: SliceView) -> float | None:
    plane, cut, spacing_mm = view.once(ct_slice), view.once(field_cut), view.header.spacing_mm
    if plane is None or cut is None or cut.touching.any() or spacing_mm is None:
        return None
    return extent_mm(plane.body, spacing_mm)


BODY_SIZE = ct_measure(
    name="body_size",
    unit="mm",
    label="Size of the body",
    summary="Larger side of the rectangle around the body on the usual slice.",
    definition="Larger side of the rectangle around the largest connected part denser than −300 HU, by Pixel Spacing; "
    "the median over the slices that show all of a body. Own definition.",
    validity="Slices with Pixel Spacing whose body does not touch the edge of the field, as `truncation` finds it: a "
    "body that is cut off has no size. A table that touches the skin counts as body.",
    tolerance="Within two pixels on drawn bodies.",
    agreement=4.0,
    proof="The axes of a drawn body.",
    decimals=0,
    rank=435,
    each=_extent,
    take=middle,
    concern="People are not of this size: Pixel Spacing is wrong, so lengths, areas and volumes are, or the object is "
    "no person. Check it at the scanner.",
)
