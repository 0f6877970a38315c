"""Measures a series: every slice is decoded once and given to all measurements, whatever the modality."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import structlog

from miqa_node.assess.measure.base import SeriesMeasure, reading, series_measures
from miqa_node.assess.measure.series_view import SeriesView, SliceView
from miqa_node.domain.assessment import Measurement
from miqa_node.domain.image import Radiograph
from miqa_node.domain.series import MeasurementMask

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MeasuredSeries:
    """The measurements, the masks (their ``index`` counts the slices of the stack), and a slice near the middle."""

    measurements: tuple[Measurement, ...]
    masks: tuple[MeasurementMask, ...]
    middle: Radiograph | None


@dataclass(slots=True)
class _Contributions:
    measure: SeriesMeasure
    parts: list[Any] = field(default_factory=list)
    failed: bool = False

    def guarded(self, step: Callable[..., T], *arguments: Any) -> T | None:
        """None, and a line in the log, if the measurement's code fails; it then takes no further part."""
        if self.failed:
            return None
        try:
            return step(*arguments)
        except Exception as error:  # noqa: BLE001 - code of others may fail in any way, and must not lose the series
            self.failed = True
            log.error("a measurement failed", measurement=self.measure.name, error=f"{type(error).__name__}: {error}")
            return None


def measure_series(series: SeriesView) -> MeasuredSeries:
    """All measurements that cover the series' modality, in a fixed order; what cannot be taken is left out."""
    every = [_Contributions(one) for one in series_measures(series.header.modality)]
    masks: list[MeasurementMask] = []
    middle: Radiograph | None = None
    for index, one in enumerate(series.slices):
        radiograph = series.read(one)
        if radiograph is None:
            continue
        if middle is None or index <= len(series.slices) // 2:
            middle = radiograph
        masks += _add(SliceView(series, index, radiograph), every)
    readings = [(one.measure, one.guarded(one.measure.take, series, one.parts)) for one in every]
    measurements = (reading(measure, value) for measure, value in readings)
    places = _places(masks, len(series.slices))
    selection = (
        replace(one, place=places[one.name]) if not one.place and one.name in places else one
        for one in measurements
        if one is not None
    )
    return MeasuredSeries(tuple(selection), tuple(masks), middle)


def _places(masks: Sequence[MeasurementMask], count: int) -> dict[str, str]:
    """Which slices the masks of each measurement lie on, in words."""
    marked: dict[str, list[int]] = {}
    for mask in masks:
        marked.setdefault(mask.measurement, []).append(mask.index + 1)
    return {
        name: f"slice {slices[0]} of {count}"
        if len(slices) == 1
        else f"{len(slices)} of {count} slices, from {min(slices)} to {max(slices)}"
        for name, slices in marked.items()
    }


def _add(view: SliceView, every: Sequence[_Contributions]) -> list[MeasurementMask]:
    masks = []
    for one in every:
        each, draw = one.measure.each, one.measure.mask
        if each is not None and (part := one.guarded(each, view)) is not None:
            one.parts.append(part)
        if draw is not None and (mask := one.guarded(draw, view)) is not None:
            masks.append(MeasurementMask(one.measure.name, view.index, mask))
    return masks
