"""Measures how the slices of a series lie: their number, distances, gaps and extent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miqa_node.domain.assessment import Measurement
from miqa_node.imaging.slices import Slice

GAP_TOLERANCE = 0.1
"""Two neighbours are as far apart as all others when they are within this share of the median distance."""


def stack(slices: Sequence[Slice]) -> list[Measurement]:
    """``slices`` of one plane, in the order of space. Without positions only their number is known."""
    found = [Measurement("slice_count", float(len(slices)), "1")]
    places = [one.place_mm for one in slices]
    known = np.array([place for place in places if place is not None])
    if len(known) != len(slices) or len(known) < 2:
        return found
    places_mm = np.unique(np.round(np.sort(known), 3))  # several echoes or phases lie at one place
    if len(places_mm) < 2:
        return found
    distances = np.diff(places_mm)
    usual = float(np.median(distances))
    gaps = distances[distances > usual * (1.0 + GAP_TOLERANCE)]
    found += [
        Measurement("slice_distance", usual, "mm"),
        Measurement("slice_gaps", float(len(gaps)), "1"),
        Measurement("coverage", float(places_mm[-1] - places_mm[0] + usual), "mm"),
    ]
    if len(gaps):
        found.append(Measurement("slice_gap_largest", float(gaps.max()), "mm"))
    return found
