"""The collimator as the header describes it, and how well it agrees with the field that the pixels show."""

from __future__ import annotations

from miqa_node.stages.measure.image.field.exposed import LEAST_SIDE_PX, Ends, exposed_field, field_measure
from miqa_node.stages.measure.view import ImageView


def collimator_ends(view: ImageView) -> Ends | None:
    """Distances of its edges from the four sides as shares of the picture; None if the header does not give them.

    >>> from dataclasses import replace
    >>> import numpy as np
    >>> from miqa_node.stages.measure.view import view_of
    >>> view = view_of(np.zeros((200, 100), np.uint16))
    >>> view.header = replace(view.header, collimator_edges=(11, 80, -3, 200))
    >>> collimator_ends(view)
    (0.1, 0.2, 0.0, 0.0)
    """
    if not view.header.collimator_edges:
        return None
    first_column, last_column, first_row, last_row = view.header.collimator_edges
    rows, columns = view.radiograph.matrix_shape
    pixels = first_column - 1, columns - last_column, first_row - 1, rows - last_row
    left, right, top, bottom = (
        min(max(count / side, 0.0), 1.0) for count, side in zip(pixels, (columns, columns, rows, rows), strict=True)
    )
    return left, right, top, bottom


def _outside(view: ImageView) -> float | None:
    ends = collimator_ends(view)
    if ends is None:
        return None
    left, right, top, bottom = ends
    return round(100.0 * (1.0 - max(0.0, 1.0 - left - right) * max(0.0, 1.0 - top - bottom)), 2)


def _difference(view: ImageView) -> float | None:
    ends = collimator_ends(view)
    if ends is None:
        return None
    field = view.once(exposed_field)
    return round(100.0 * max(abs(one - other) for one, other in zip(ends, field.ends, strict=True)), 2)


COLLIMATOR_OUTSIDE_SHARE = field_measure(
    name="collimator_outside_share",
    unit="%",
    label="Picture outside of the collimator, by the header",
    code="COLL_OUTSIDE",
    summary="Share of the picture outside of the rectangular collimator that the header describes.",
    definition="Share of the picture outside of the edges of a rectangular collimator (0018,1702)–(0018,1708).",
    validity="Images whose header has these edges.",
    tolerance="As the header says.",
    rank=218,
    needs="header",
    take=_outside,
)
COLLIMATOR_DIFFERENCE = field_measure(
    name="collimator_difference",
    unit="%",
    label="Collimator of the header against the field",
    code="COLL_DIFFERENCE",
    summary="Largest distance between an edge of the header's collimator and the end of the field in the pixels.",
    definition="Largest of the four distances between that collimator and the exposed field, in percent of the image's "
    "width or height.",
    validity="As `collimator_outside_share`. Large as well where the edge cannot be seen in the pixels.",
    tolerance="Within 1 on a drawn field.",
    rank=219,
    least_side_px=LEAST_SIDE_PX,
    take=_difference,
)
