"""Measurements of one image, or of the slices of a series: how each is taken.

A measurement is a plug-in of the seam ``measurements``: an :class:`ImageMeasure` or a :class:`SeriesMeasure`.
Intermediates that several measurements need are functions of the view; ``view.once`` computes each of them once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from math import isfinite
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.measurand import Measurand, measurands
from miqa_node.core.domain.slice_kind import SliceKind
from miqa_node.stages.measure.series_view import SeriesView, SliceView
from miqa_node.stages.measure.view import ImageView, view_of

Reading = float | Measurement | None
"""Result of ``take``: a number in ``unit``, a Measurement in another unit, or None if it cannot be taken."""

Along = Callable[[SeriesView, Mapping[int, Any]], Mapping[int, float]]
"""Numbers of single slices, from the contributions by position in the series; both by position."""

Needs = Literal["header", "pixels", "variation"]
"""Requirement of a measurement: only the header, a valid pixel, or valid pixels that are not all equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMeasure(Measurand):
    """One number of a projection image.

    ``modalities`` limits the images that it covers; empty for all. Images with a side below ``least_side_px`` are
    skipped.
    """

    take: Callable[[ImageView], Reading]
    needs: Needs = "variation"
    least_side_px: int = 0
    modalities: tuple[str, ...] = ()

    def measure(self, view: ImageView) -> Measurement | None:
        """The measurement; None if it cannot be taken, or is not finite."""
        if self.modalities and view.header.modality not in self.modalities:
            return None
        if self.needs != "header" and not view.pixels:
            return None
        if self.needs == "variation" and not view.varies:
            return None
        return None if min(view.shape) < self.least_side_px else reading(self, self.take(view))

    def of(self, display: Sequence[Sequence[float]] | NDArray[Any]) -> float | None:
        """Its value for a picture of presentation values, 0 black and 65,535 white."""
        value = self.measure(view_of(np.asarray(display, np.uint16)))
        return None if value is None else value.value


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesMeasure(Measurand):
    """One number of a series that is read slice by slice.

    ``each`` returns the contribution of a slice, None if there is none; ``take`` computes the number from all
    contributions, in the order of the slices. ``mask``, bool of the slice's shape, shows where on a slice the number
    comes from; None if nowhere. ``modalities`` limits the series that it covers; empty for all.

    ``outliers`` are the positions of single slices that do not belong to the rest, which are marked as a whole; None or
    empty if there are none.

    ``along`` gives the number of each slice, which is kept beside that of the series: "alone" if ``take`` finds it from
    the contribution of one slice, else a function of all contributions; None if a slice has no number of its own.

    A node calls ``each`` and ``mask`` in its workers, for several slices at a time: contributions are sent between
    processes and must be small. ``shared`` are functions of the series that they use through ``view.series.once``;
    their values are computed once and sent with the slices. ``library`` is a module that an extra installs; without it
    the measurement is left out.
    """

    take: Callable[[SeriesView, Sequence[Any]], Reading]
    each: Callable[[SliceView], Any] | None = None
    mask: Callable[[SliceView], NDArray[np.bool_] | None] | None = None
    outliers: Callable[[SeriesView, Sequence[Any]], Sequence[int] | None] | None = None
    along: Along | Literal["alone"] | None = None
    shared: tuple[Callable[[SeriesView], Any], ...] = ()
    modalities: tuple[str, ...] = ()
    library: str = ""

    def slice_numbers(self, series: SeriesView, parts: Mapping[int, Any]) -> Mapping[int, float]:
        """The number of each slice that has one, by position; see ``along``."""
        if self.along is None:
            return {}
        if self.along != "alone":
            return self.along(series, parts)
        alone = {position: reading(self, self.take(series, [part])) for position, part in parts.items()}
        return {position: one.value for position, one in alone.items() if one is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class FramesMeasure(SeriesMeasure):
    """One number of the frames of one object, a still or a run, in the order of the frames.

    It covers objects of the ``modalities`` (empty: of any) and of a family of storage SOP classes (empty: of any), a
    UID with all below it, that have ``least_frames`` or more.
    """

    least_frames: int = 1
    family: str = ""

    def applies_to(self, header: Header) -> bool:
        """Whether it is taken of the object."""
        uid = header.sop_class_uid
        return (
            (not self.modalities or header.modality in self.modalities)
            and (uid == self.family or uid.startswith(self.family and self.family + "."))
            and max(header.number_of_frames, 1) >= self.least_frames
        )


def reading(measurand: Measurand, value: Reading) -> Measurement | None:
    """A reading as a measurement; None if there is none or if it is not finite."""
    if value is None:
        return None
    measurement = value if isinstance(value, Measurement) else Measurement(measurand.name, float(value), measurand.unit)
    return measurement if isfinite(measurement.value) else None


def image_measures() -> Sequence[ImageMeasure]:
    """Measurements of projection images, in order."""
    return [one for one in measurands() if isinstance(one, ImageMeasure)]


def series_measures(modality: str) -> Sequence[SeriesMeasure]:
    """Measurements of series of a modality that can be taken here, in order."""
    every = (one for one in measurands() if isinstance(one, SeriesMeasure) and not isinstance(one, FramesMeasure))
    covering = (one for one in every if not one.modalities or modality in one.modalities)
    return [one for one in covering if not one.library or is_installed(one.library)]


def measures_with(library: str) -> Sequence[SeriesMeasure]:
    """Measurements that are left out without the library, in order."""
    return [one for one in measurands() if isinstance(one, SeriesMeasure) and one.library == library]


@cache
def is_installed(library: str) -> bool:
    """Whether the library is there; it is not loaded."""
    return find_spec(library) is not None


def frames_measures(header: Header) -> Sequence[FramesMeasure]:
    """Measurements of the frames of an object, in order."""
    return [one for one in measurands() if isinstance(one, FramesMeasure) and one.applies_to(header)]


def measures_of(series: SeriesView) -> Sequence[SeriesMeasure]:
    """Measurements of a series that mean something for its kind, or of the frames of one object."""
    if series.of_frames:
        return frames_measures(series.header)
    return [one for one in series_measures(series.header.modality) if is_meant(one, series.kind)]


def is_meant(measure: SeriesMeasure, kind: SliceKind) -> bool:
    """Whether the measurement means something for slices of the kind."""
    return measure.name not in kind.without and (kind.is_picture or measure.each is None)
