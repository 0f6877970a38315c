"""The Display Shutter of an image (PS3.3 C.7.6.11, C.7.6.15): what lies outside is neither shown nor judged.

Only shutters of the image itself count; those of presentation states belong to a way of viewing it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

TAGS = (
    "ShutterShape",
    "ShutterLeftVerticalEdge",
    "ShutterRightVerticalEdge",
    "ShutterUpperHorizontalEdge",
    "ShutterLowerHorizontalEdge",
    "CenterOfCircularShutter",
    "RadiusOfCircularShutter",
    "VerticesOfThePolygonalShutter",
    "ShutterOverlayGroup",
)
"""Keywords of the elements that describe a shutter."""
_OVERLAY_DATA = 0x3000

Mask = NDArray[np.bool_]


def read_shutter(ds: Dataset, frame: int, shape: tuple[int, int], steps: list[str]) -> Mask | None:
    """True where a pixel of ``shape`` (rows, columns) lies inside all shutters of a frame; None without a shutter.

    A shutter whose description is incomplete, or that leaves nothing, is ignored; ``steps`` says so.
    """
    inside: Mask | None = None
    for source in _sources(ds, frame):
        names = source.get("ShutterShape") or ()
        for name in [names] if isinstance(names, str) else list(names):
            mask = _inside(str(name).strip().upper(), source, ds, shape)
            if mask is None or not mask.any():
                steps.append("display shutter without usable description ignored")
                continue
            steps.append(f"display shutter {str(name).strip().upper()[:16]}: outside to black")
            inside = mask if inside is None else inside & mask
    if inside is None or inside.all() or not inside.any():
        return None
    return inside


def _sources(ds: Dataset, frame: int) -> list[Dataset]:
    """The data set, and the frame's functional groups."""
    per_frame = ds.get("PerFrameFunctionalGroupsSequence") or []
    shared = ds.get("SharedFunctionalGroupsSequence") or []
    groups = [*per_frame[frame : frame + 1], *shared[:1]]
    nested = [item for group in groups for item in group.get("FrameDisplayShutterSequence") or ()]
    return [one for one in (ds, *nested[:1]) if one.get("ShutterShape")]


def _inside(name: str, source: Dataset, ds: Dataset, shape: tuple[int, int]) -> Mask | None:
    draw = _SHAPES.get(name)
    try:
        return draw(source, ds, shape) if draw else None
    except (TypeError, ValueError, AttributeError, KeyError, IndexError, OverflowError):
        return None


def _rectangle(source: Dataset, _ds: Dataset, shape: tuple[int, int]) -> Mask:
    """Edges are rows and columns counted from 1, and belong to the image."""
    left, right = int(source.ShutterLeftVerticalEdge), int(source.ShutterRightVerticalEdge)
    upper, lower = int(source.ShutterUpperHorizontalEdge), int(source.ShutterLowerHorizontalEdge)
    mask = np.zeros(shape, bool)
    mask[max(upper - 1, 0) : max(lower, 0), max(left - 1, 0) : max(right, 0)] = True
    return mask


def _circle(source: Dataset, _ds: Dataset, shape: tuple[int, int]) -> Mask:
    row, column = (int(value) - 1 for value in source.CenterOfCircularShutter)
    radius = int(source.RadiusOfCircularShutter)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return np.asarray((rows - row) ** 2 + (columns - column) ** 2 <= radius**2)


def _polygon(source: Dataset, _ds: Dataset, shape: tuple[int, int]) -> Mask:
    numbers: Sequence[int] = [int(value) - 1 for value in source.VerticesOfThePolygonalShutter]
    corners = np.array(numbers, np.int32).reshape(-1, 2)[:, ::-1]  # (row, column) to OpenCV's (x, y)
    if len(corners) < 3:
        raise ValueError("fewer than three corners")
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.ascontiguousarray(corners)], 1)
    return mask.astype(bool)


def _bitmap(source: Dataset, ds: Dataset, shape: tuple[int, int]) -> Mask:
    """An overlay of the image: a bit of 1 hides a pixel."""
    group = int(source.ShutterOverlayGroup)
    bits = np.frombuffer(ds[group, _OVERLAY_DATA].value, np.uint8)
    hidden = np.unpackbits(bits, bitorder="little")[: shape[0] * shape[1]]
    return np.asarray(hidden.reshape(shape) == 0)


_SHAPES: Mapping[str, Callable[[Dataset, Dataset, tuple[int, int]], Mask]] = {
    "RECTANGULAR": _rectangle,
    "CIRCULAR": _circle,
    "POLYGONAL": _polygon,
    "BITMAP": _bitmap,
}
