"""Hides everything outside the exposed field of an image, in its presentation state (PS3.3 C.7.6.11)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.taxonomy.lookup import finding_entries
from miqa_node.stages.report.source import Source, whole_numbers

MIN_BORDER_SHARE = 0.01
"""Minimum width of a border for a shutter, as a share of the image's side."""

_RECTANGLE = (
    "ShutterLeftVerticalEdge",
    "ShutterRightVerticalEdge",
    "ShutterUpperHorizontalEdge",
    "ShutterLowerHorizontalEdge",
)
_SHAPES = {
    "RECTANGULAR": _RECTANGLE,
    "CIRCULAR": ("CenterOfCircularShutter", "RadiusOfCircularShutter"),
    "POLYGONAL": ("VerticesOfThePolygonalShutter",),
}


def add_shutter(state: Dataset, source: Source, assessment: Assessment, stored: NDArray[np.integer] | None) -> None:
    """Repeat the image's own shutter, which a presentation state replaces.

    An image without a shutter but with a border of one constant value gets a rectangle inside that border.
    """
    if _copy(state, source):
        return
    at_border = {name for name, entry in finding_entries().items() if entry.at_border}
    is_cut = any(finding.present and finding.name in at_border for finding in assessment.findings)
    if not is_cut or stored is None or stored.shape != source.shape:
        return
    edges = exposed_field(stored)
    if edges is not None:
        state.ShutterShape = "RECTANGULAR"
        for keyword, edge in zip(_RECTANGLE, edges, strict=True):
            setattr(state, keyword, edge)
        state.ShutterPresentationValue = 0


def exposed_field(stored: NDArray[np.integer]) -> tuple[int, int, int, int] | None:
    """(left, right, upper, lower) pixels, counted from 1, of the field inside a border of one constant value.

    None without such a border, or if nothing is inside.
    """
    rows, columns = stored.shape
    varied_columns = np.flatnonzero(stored.min(axis=0) != stored.max(axis=0))
    varied_rows = np.flatnonzero(stored.min(axis=1) != stored.max(axis=1))
    if not len(varied_rows) or not len(varied_columns):
        return None
    left, right = int(varied_columns[0]), int(varied_columns[-1])
    upper, lower = int(varied_rows[0]), int(varied_rows[-1])
    widest = max(left / columns, (columns - 1 - right) / columns, upper / rows, (rows - 1 - lower) / rows)
    return None if widest < MIN_BORDER_SHARE else (left + 1, right + 1, upper + 1, lower + 1)


def _copy(state: Dataset, source: Source) -> bool:
    shapes = source.header.get("ShutterShape")
    names = [shapes] if isinstance(shapes, str) else list(shapes or ())
    if not names or any(name not in _SHAPES or any(k not in source.header for k in _SHAPES[name]) for name in names):
        return False
    edges = {keyword: whole_numbers(source.header, keyword) for name in names for keyword in _SHAPES[name]}
    if not all(edges.values()):
        return False
    state.ShutterShape = names
    for name in names:
        for keyword in _SHAPES[name]:
            setattr(state, keyword, edges[keyword])
    state.ShutterPresentationValue = source.header.get("ShutterPresentationValue") or 0
    return True
