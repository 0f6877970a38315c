"""What the page of a study draws of a series: each measurement along its slices, and which of them stand out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.series import SliceProfile
from miqa_node.core.drawing import Dot, Drawing
from miqa_node.core.language.catalogue import say
from miqa_node.core.words.formats import measurement
from miqa_node.libraries.plain_statistics.outliers import outliers

WIDTH, HEIGHT = 320.0, 56.0
MARGIN = 6.0
"""Above and below the line, so that dots are whole."""
DOT = 4.0


@dataclass(frozen=True, slots=True)
class SliceValue:
    """The number of a slice; ``number`` counts from 1."""

    number: int
    value: float


@dataclass(frozen=True, slots=True)
class SliceChart:
    """One measurement along the series: the drawing is as wide as all slices, each having an equal part of it."""

    name: str
    unit: str
    drawing: Drawing
    low: float
    high: float
    outstanding: tuple[SliceValue, ...]


def slice_charts(profiles: Sequence[SliceProfile], count: int) -> tuple[SliceChart, ...]:
    """The charts of the first ``count`` slices, which the page can show; those where a slice stands out come first."""
    finite = ((one, np.where(np.isfinite(one.values), one.values, np.nan)[:count]) for one in profiles)
    charts = [_chart(one, values) for one, values in finite if np.isfinite(values).sum() > 1]
    return tuple(sorted(charts, key=lambda one: not one.outstanding))


def _chart(profile: SliceProfile, values: NDArray[np.float32]) -> SliceChart:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    standing = outliers(values)
    title = say("{measurement} along the series, slice by slice.", measurement=measurement(profile.measurement))
    drawing = Drawing(WIDTH, HEIGHT, title)
    points = [_point(place, float(value), low, high, len(values)) for place, value in enumerate(values)]
    for is_line, places in groupby(range(len(values)), key=lambda place: bool(np.isfinite(values[place]))):
        line = [points[place] for place in places] if is_line else []
        drawing.line(line, "data")
        drawing.add(*(Dot(*point, 1.5, "data") for point in line[:1] if len(line) == 1))  # neighbours were not sampled
    drawing.add(*(Dot(*points[place], DOT, "bad", say("Slice {number}", number=place + 1)) for place in standing))
    standing_values = tuple(SliceValue(place + 1, float(values[place])) for place in standing)
    return SliceChart(profile.measurement, profile.unit, drawing, low, high, standing_values)


def _point(place: int, value: float, low: float, high: float, count: int) -> tuple[float, float]:
    height = (value - low) / (high - low) if high > low else 0.5
    return WIDTH * (place + 0.5) / count, HEIGHT - MARGIN - height * (HEIGHT - 2 * MARGIN)
