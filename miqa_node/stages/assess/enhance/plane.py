"""The grey levels that enhancement works on, and their conversion back to stored and display values."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.image import Radiograph

WHITE = 65535.0
BEYOND = 0.5
"""Values outside the window by more than this share of its width stay unchanged."""
SAMPLES = 400_000
"""Number of pixels for the fit of a straight line from stored to display values."""

Levels = NDArray[np.float32]
"""Shape (rows, columns): 0 is black, 1 is white; values clipped by the window lie below 0 or above 1."""


@dataclass(frozen=True, slots=True)
class DisplayPlane:
    """The levels of one image. ``fixed`` marks pixels that must not change: padding, and values far from the window."""

    levels: Levels
    fixed: NDArray[np.bool_]
    slope: float
    intercept: float
    source: Radiograph

    def back(self, levels: Levels, steps: tuple[str, ...]) -> Radiograph:
        """The source with other levels: same stored type and range, same window, same padding.

        Stored values stay within the range of the source: each then has a known display value, and none becomes
        padding, which lies outside.
        """
        source = self.source
        stored = source.stored
        used = stored if source.valid is None else stored[source.valid]
        low, high = (int(used.min()), int(used.max())) if used.size else (0, 0)
        values = np.rint((levels.astype(np.float64) - self.intercept) / self.slope)
        changed = np.clip(values, low, high).astype(stored.dtype)
        changed[self.fixed] = stored[self.fixed]
        return replace(
            source, stored=changed, display=_display(source, changed), steps=(*source.steps, *steps), decoder=""
        )


def plane_of(radiograph: Radiograph) -> DisplayPlane:
    """Levels as a linear function of the stored values: the window's own, or the best fit to it.

    An enhanced image can therefore be stored beside the original and shown with the original's window. A MONOCHROME1
    image gets a falling line: 0 is black in every plane.
    """
    slope, intercept = _line(radiograph)
    levels = radiograph.stored.astype(np.float32)
    levels *= np.float32(slope)
    levels += np.float32(intercept)
    fixed = (levels < -BEYOND) | (levels > 1.0 + BEYOND)
    if radiograph.valid is not None:
        fixed |= ~radiograph.valid
    np.clip(levels, -BEYOND, 1.0 + BEYOND, out=levels)
    return DisplayPlane(levels, fixed, slope, intercept, radiograph)


def _line(radiograph: Radiograph) -> tuple[float, float]:
    step = max(1, round((radiograph.stored.size / SAMPLES) ** 0.5))
    stored = radiograph.stored[::step, ::step].astype(np.float64)
    display = radiograph.display[::step, ::step].astype(np.float64) / WHITE
    inside = (display > 0.0) & (display < 1.0)
    if radiograph.valid is not None:
        inside &= radiograph.valid[::step, ::step]
    if np.count_nonzero(inside) < 64:  # hardly any grey: only black and white can be used
        inside = np.ones_like(inside) if radiograph.valid is None else radiograph.valid[::step, ::step]
    x, y = stored[inside], display[inside]
    spread = float(x.var()) if x.size else 0.0
    slope = float(np.mean((x - x.mean()) * (y - y.mean()))) / spread if spread > 0.0 else 0.0
    if slope == 0.0:  # uniform
        low, high = radiograph.stored_range
        slope = 1.0 / max(1, high - low)
        return slope, -low * slope
    return slope, float(y.mean()) - slope * float(x.mean())


def _display(source: Radiograph, changed: NDArray[np.integer]) -> NDArray[np.uint16]:
    """Display values of the changed pixels: the source's own mapping, looked up in its pixels."""
    valid = source.valid
    stored = source.stored if valid is None else source.stored[valid]
    display = source.display if valid is None else source.display[valid]
    levels, first = np.unique(stored, return_index=True)
    if not levels.size:
        return source.display
    image = np.interp(changed.ravel(), levels, display.ravel()[first]).reshape(changed.shape)
    result = np.asarray(np.rint(image), np.uint16)
    if valid is not None:
        result[~valid] = source.display[~valid]
    return result


def to_display(levels: Levels) -> NDArray[np.uint16]:
    """Levels as display values, 0 black and 65,535 white."""
    return np.asarray(np.rint(np.clip(levels, 0.0, 1.0) * np.float32(WHITE)), np.uint16)
