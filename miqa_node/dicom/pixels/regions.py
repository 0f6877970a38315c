"""Usual positions of structures on a frontal chest radiograph, for rules without a segmentation."""

from __future__ import annotations

from miqa_node.core.domain.instance import Header

Box = tuple[float, float, float, float]
"""(top, bottom, left, right) as shares of the field of view."""

LUNGS: tuple[Box, Box] = ((0.32, 0.48, 0.20, 0.32), (0.32, 0.48, 0.68, 0.80))
"""The mid-zones of both lungs, lateral of the hila."""
MEDIASTINUM: Box = (0.40, 0.55, 0.47, 0.57)
"""The heart and spine below the aortic arch."""

CHEST_PARTS = frozenset({"CHEST", "THORAX", "LUNG"})
FRONTAL_VIEWS = frozenset({"AP", "PA", "FRONTAL", "ANTERO-POSTERIOR", "POSTERO-ANTERIOR"})


def is_frontal_chest(header: Header) -> bool:
    """Whether the header calls the image a frontal chest."""
    return header.body_part_examined in CHEST_PARTS and header.view_position.upper() in FRONTAL_VIEWS


def place(shape: tuple[int, int], box: Box) -> tuple[slice, slice]:
    """The rows and columns of ``box`` in an image of that shape."""
    rows, columns = shape
    top, bottom, left, right = box
    return slice(int(top * rows), int(bottom * rows)), slice(int(left * columns), int(right * columns))
