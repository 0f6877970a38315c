"""Tilt of the gantry of a CT series: the angle between the slices and the way of the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from miqa_node.stages.measure.series_view import SeriesView
from miqa_node.stages.measure.slices import Vector
from miqa_series.ct.body import ct_measure


def tilt_deg(orientation: Vector, first_mm: Vector, last_mm: Vector) -> float | None:
    """Angle between the normal of the slices and the line from the first to the last; None if they coincide.

    >>> round(tilt_deg((1, 0, 0, 0, 1, 0), (0, 0, 0), (0, 50, 50)))
    45
    """
    way = np.subtract(last_mm, first_mm)
    length = float(np.linalg.norm(way))
    if length == 0.0:
        return None
    normal = np.cross(orientation[:3], orientation[3:])
    return float(np.degrees(np.arccos(min(1.0, abs(float(normal @ way)) / length))))


def _tilt(series: SeriesView, _: Sequence[Any]) -> float | None:
    placed = [one for one in series.slices if one.position_mm is not None and one.orientation is not None]
    if len(placed) < 2:
        return None
    first, last = placed[0], placed[-1]
    if first.orientation is None or first.position_mm is None or last.position_mm is None:
        return None
    return tilt_deg(first.orientation, first.position_mm, last.position_mm)


GANTRY_TILT = ct_measure(
    name="gantry_tilt",
    unit="deg",
    label="Gantry tilt",
    summary="Angle between the normal of the slices and the line through them.",
    definition="Angle between the normal of the slices and the line from the first to the last, from Image Position "
    "and Orientation (Patient) (PS3.3 C.7.6.2). It is that of Gantry/Detector Tilt (0018,1120); software that assumes "
    "upright stacks distorts what is tilted.",
    validity="CT stacks of two places or more.",
    tolerance="Within 0.1° of drawn positions.",
    decimals=1,
    rank=335,
    take=_tilt,
)
