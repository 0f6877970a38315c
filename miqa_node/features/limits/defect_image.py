"""A radiograph with a simulated defect: what is shown, and the stored values that follow it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import Radiograph
from miqa_node.dicom.pixels.pitch import pitch_of
from miqa_node.features.limits.defects import KEPT, Picture, Plate

LEVELS = (0.5, 0.75, 1.0)
"""Severities of marked defects, in turn, as in the cards of packages."""
SEED = 45
COARSER = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18)
"""Factors of the pixel's size, tried until a defect is seen: in small copies only larger ones are."""
MOST_LEVELS = 4096
"""Steps of the curve between shown and stored values."""


def with_defect(radiograph: Radiograph, name: FindingName, severity: float, seed: tuple[int, ...]) -> Radiograph | None:
    """The radiograph with a defect; None if nothing simulates it, or it cannot be seen there.

    What is too small for the pixels of a small copy is made as large as can be seen.
    Simulators work on shown values. Stored values follow by the curve that leads from these to those, so that what is
    measured in them has the defect, too.
    """
    shown: Picture = radiograph.display.astype(np.float32) / np.float32(65535)
    pitch = radiograph.spacing_mm[0] if radiograph.spacing_mm is not None else pitch_of(shown)
    other = np.ascontiguousarray(shown[:, ::-1])
    if name not in KEPT:
        return None
    plates = (Plate(shown, other, severity, np.random.default_rng(seed), pitch * factor) for factor in COARSER)
    changed = next((made for plate in plates if (made := KEPT[name](plate)) is not None), None)
    if changed is None:
        return None
    display = np.rint(np.clip(changed, 0, 1) * 65535).astype(np.uint16)
    return replace(radiograph, display=display, stored=_stored(radiograph, display), colour=None)


def _stored(radiograph: Radiograph, display: NDArray[np.uint16]) -> NDArray[Any]:
    """Stored values of the changed picture; those of pixels that did not change stay."""
    step = 65536 // MOST_LEVELS
    levels, sums = radiograph.display.ravel() // step, radiograph.stored.ravel().astype(np.float64)
    counts = np.bincount(levels, minlength=MOST_LEVELS)
    filled = counts > 0
    means = np.bincount(levels, weights=sums, minlength=MOST_LEVELS)[filled] / counts[filled]
    curve = np.interp(np.arange(MOST_LEVELS), np.flatnonzero(filled), means)
    moved = radiograph.stored + (curve[display // step] - curve[radiograph.display // step])
    low, high = radiograph.stored_range
    return np.clip(np.rint(moved), low, high).astype(radiograph.stored.dtype)
