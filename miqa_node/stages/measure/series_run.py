"""Measures a series of any modality: every slice is decoded once and passed to all measurements.

In a node, workers measure several slices at a time. Their contributions are combined here, in the order of the slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import structlog

from miqa_node.core.domain.assessment import LeftOut, Measurement
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.series import MeasurementMask, SliceProfile
from miqa_node.core.observe.log import describe_error
from miqa_node.errors import DecodeLimitError, place_of
from miqa_node.stages.measure.base import (
    FAILED,
    NoNumber,
    SeriesMeasure,
    by_reason,
    left_out_of,
    measures_of,
    reading,
)
from miqa_node.stages.measure.series_view import SeriesView, SliceView
from miqa_node.stages.measure.where import place_of_slices

log = structlog.get_logger(__name__)

MAX_PROFILE_SLICES = 4096
"""Of a longer series no numbers of single slices are kept: of 30 measurements they take half a megabyte at most."""


@dataclass(frozen=True, slots=True)
class MeasuredSeries:
    """The measurements, the masks (their ``index`` counts the slices of the stack), and a slice near the middle.

    ``profiles`` have a number for each slice of the stack. ``left_out`` is what has no number, by reason.
    """

    measurements: tuple[Measurement, ...]
    left_out: tuple[LeftOut, ...]
    masks: tuple[MeasurementMask, ...]
    profiles: tuple[SliceProfile, ...]
    middle: Radiograph | None


class SlicePart(NamedTuple):
    """Contribution of a slice to one measurement; ``failure`` if the measurement's code fails on it.

    ``lack`` says what the slice lacks to contribute, ``kept_out`` why it is not asked (``SeriesMeasure.unless``).
    """

    part: Any = None
    mask: MeasurementMask | None = None
    failure: str = ""
    lack: str = ""
    kept_out: str = ""


class SliceReading(NamedTuple):
    """Contributions of one slice in the order of the measurements; None if the slice cannot be decoded.

    ``reason`` says why not.
    """

    contributions: Sequence[SlicePart] | None
    reason: str | None = None


@dataclass(slots=True)
class _Contributions:
    measure: SeriesMeasure
    parts: dict[int, Any] = field(default_factory=dict)
    masks: list[MeasurementMask] = field(default_factory=list)
    lack: str = ""
    kept_out: list[str] = field(default_factory=list)
    failed: bool = False

    def add(self, position: int, one: SlicePart) -> None:
        """Add a slice's contribution, unless the measurement's code has failed on an earlier slice."""
        if self.failed:
            return
        if one.part is not None:
            self.parts[position] = one.part
        if one.mask is not None:
            self.masks.append(one.mask)
        self.lack = self.lack or one.lack
        if one.kept_out:
            self.kept_out.append(one.kept_out)
        if one.failure:
            self.fail(one.failure)

    def take(self, series: SeriesView) -> Measurement | NoNumber:
        """The measurement of the whole series, or why there is none."""
        if self.failed:
            return NoNumber(FAILED)
        if len(self.kept_out) > len(self.parts):
            return NoNumber(self.kept_out[0])  # the few slices that are left do not speak for the series
        if self.lack and not self.parts:
            return NoNumber(self.lack)
        try:
            return reading(self.measure, self.measure.take(series, list(self.parts.values())))
        except Exception as error:  # noqa: BLE001 - code of others may fail in any way, and must not lose the series
            self.fail(_said(error))
            return NoNumber(FAILED)

    def outliers(self, series: SeriesView) -> list[MeasurementMask]:
        """The slices that do not belong to the rest, each as a whole."""
        if self.failed or self.measure.outliers is None:
            return []
        try:
            positions = self.measure.outliers(series, list(self.parts.values())) or ()
        except Exception as error:  # noqa: BLE001 - as in take; the measurement itself holds
            self.fail(_said(error))
            return []
        slices = [(one, series.slices[one]) for one in positions]
        return [
            MeasurementMask.of(self.measure.name, one, np.ones((place.rows, place.columns), bool))
            for one, place in slices
        ]

    def profile(self, series: SeriesView, measurement: Measurement) -> SliceProfile | None:
        """The measurement along the slices; None if none has a number of its own."""
        try:
            numbers = self.measure.slice_numbers(series, self.parts)
        except Exception as error:  # noqa: BLE001 - as in take; the measurement itself holds
            self.fail(_said(error))
            return None
        if not numbers:
            return None
        values = np.full(len(series.slices), np.nan, np.float32)
        values[list(numbers)] = list(numbers.values())
        return SliceProfile(measurement.name, measurement.unit, values)

    def fail(self, failure: str) -> None:
        """Record and log the failure."""
        self.failed = True
        log.error("a measurement failed", measurement=self.measure.name, error=failure)


def measure_series(series: SeriesView) -> MeasuredSeries:
    """All measurements that cover the series' modality, in a fixed order; those that cannot be taken are left out."""
    measures = measures_of(series)
    for compute in dict.fromkeys(one for measure in measures for one in measure.shared):
        with suppress(Exception):  # it fails again, and is reported, when a slice needs it
            series.once(compute)
    readings = series.each(measure_slice, range(len(series.slices)))
    _note_unreadable(series, readings)
    every = [_Contributions(one) for one in measures]
    measured = []
    for index, one in enumerate(readings):
        if isinstance(one, SliceReading) and one.contributions is not None:
            measured.append(index)
            for contributions, contribution in zip(every, one.contributions, strict=True):
                contributions.add(index, contribution)
    readings_of_all = [one.take(series) for one in every]
    measurements = [None if isinstance(one, NoNumber) else one for one in readings_of_all]
    pairs = zip(measures, readings_of_all, strict=True)
    reasons = [(one.name, number.reason) for one, number in pairs if isinstance(number, NoNumber)]
    masks = sorted((mask for one in every for mask in one.masks), key=lambda mask: mask.index)
    places = _places(masks, series)
    outliers = sorted((mask for one in every for mask in one.outliers(series)), key=lambda mask: mask.index)
    selection = (
        replace(one, place=places[one.name]) if not one.place and one.name in places else one
        for one in measurements
        if one is not None
    )
    return MeasuredSeries(
        tuple(selection),
        by_reason([*reasons, *left_out_of(series)]),
        (*masks, *outliers),
        _profiles(series, every, measurements),
        _middle(series, measured),
    )


def _profiles(
    series: SeriesView, every: Sequence[_Contributions], measurements: Sequence[Measurement | None]
) -> tuple[SliceProfile, ...]:
    if len(series.slices) > MAX_PROFILE_SLICES:
        return ()
    pairs = zip(every, measurements, strict=True)
    profiles = (contributions.profile(series, one) for contributions, one in pairs if one is not None)
    return tuple(one for one in profiles if one is not None)


def measure_slice(index: int, series: SeriesView) -> SliceReading:
    """Contributions of one slice of the series to all measurements."""
    one = series.slices[index]
    radiograph = series.read(one)
    if radiograph is None:
        return SliceReading(None, series.reason_of(one))
    view = SliceView(series, index, radiograph)
    return SliceReading([_contribution(view, measure) for measure in measures_of(series)])


def _contribution(view: SliceView, measure: SeriesMeasure) -> SlicePart:
    part = mask = None
    try:
        if measure.each is not None and (lack := measure.lacks(view)):
            return SlicePart(lack=lack)
        if measure.unless is not None and (reason := view.once(measure.unless)):
            return SlicePart(kept_out=reason)
        part = measure.each(view) if measure.each is not None else None
        drawn = measure.mask(view) if measure.mask is not None else None
        mask = None if drawn is None else MeasurementMask.of(measure.name, view.index, drawn)
    except Exception as error:  # noqa: BLE001 - code of others may fail in any way, and must not lose the series
        return SlicePart(part, None, _said(error))
    return SlicePart(part, mask)


def _note_unreadable(series: SeriesView, readings: Sequence[SliceReading | DecodeLimitError]) -> None:
    for one, read in zip(series.slices, readings, strict=True):
        reason = str(read) if isinstance(read, DecodeLimitError) else read.reason
        if reason is not None:
            series.note(one, reason)


def _middle(series: SeriesView, measured: Sequence[int]) -> Radiograph | None:
    """The last measured slice of the first half, else the first measured one; of one object another frame is shown."""
    if not measured or series.of_frames:
        return None
    index = max((one for one in measured if one <= len(series.slices) // 2), default=measured[0])
    return series.read(series.slices[index])


def _said(error: Exception) -> str:
    """The failure for the log, which holds nothing of a data set."""
    return f"{describe_error(error)} at {place_of(error)}"


def _places(masks: Sequence[MeasurementMask], series: SeriesView) -> dict[str, str]:
    """The slices with masks of each measurement, in words."""
    marked: dict[str, list[int]] = {}
    for mask in masks:
        marked.setdefault(mask.measurement, []).append(mask.index)
    return {name: place_of_slices(series, positions) for name, positions in marked.items()}
