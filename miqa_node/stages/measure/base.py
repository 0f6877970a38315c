"""Measurements of one image, or of the slices of a series: how each is taken.

A measurement is a plug-in of the seam ``measurements``: an :class:`ImageMeasure` or a :class:`SeriesMeasure`.
Intermediates that several measurements need are functions of the view; ``view.once`` computes each of them once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import LeftOut, Measurement
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.measurand import Measurand, measurands
from miqa_node.core.domain.slice_kind import SliceKind, kind_named
from miqa_node.core.language.phrase import Phrase
from miqa_node.stages.measure.installed import is_installed
from miqa_node.stages.measure.series_view import SeriesView, SliceView
from miqa_node.stages.measure.view import ImageView, view_of


@dataclass(frozen=True, slots=True)
class NoNumber:
    """A measurement that means nothing here, or cannot be taken, with the reason as a sentence."""

    reason: str


Reading = float | Measurement | NoNumber | None
"""Result of ``take``: a number in ``unit``, a Measurement in another unit, or why it cannot be taken.

None stands for the reason that the measurement declares (``left_out``).
"""

Along = Callable[[SeriesView, Mapping[int, Any]], Mapping[int, float]]
"""Numbers of single slices, from the contributions by position in the series; both by position."""

Needs = Literal["header", "pixels", "difference", "variation"]
"""Requirement of a measurement: only the header, a valid pixel, or valid pixels that are not all equal.

Of a slice "variation" also asks for a size, and that at most :data:`MOST_SATURATED` of it have the highest value of the
range; "difference" does not, and "pixels" is satisfied with padding.
"""
NEEDS: Sequence[Needs] = ("header", "pixels", "difference", "variation")
MOST_SATURATED = 0.25
STACKS = "CT and MR series"
"""Their section of the reference."""
LEAST_SIDE_PX = 32
"""Of slices: smaller ones have edges everywhere."""


NOT_SHOWN = Phrase("The image or series does not show what is measured.")
NO_PIXEL, ONE_VALUE = Phrase("No pixel is valid."), Phrase("All pixels have one value.")
SATURATED = Phrase("More than a quarter of the pixels have the highest value that the image can store.")
NOT_FINITE = Phrase("The pixels give no finite number.")
FAILED = Phrase("The measurement failed; the log of the node says where.")


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

    def why_not(self, header: Header, kind: str) -> str:
        """Empty where its modality covers the image."""
        return "" if not kind and covers(self.modalities, header) else NOT_SHOWN

    def measure(self, view: ImageView) -> Measurement | NoNumber:
        """The measurement, which is finite, or why there is none."""
        if self.needs != "header" and not view.pixels:
            return NoNumber(NO_PIXEL)
        if self.needs in ("difference", "variation") and not view.varies:
            return NoNumber(ONE_VALUE)
        if min(view.shape) < self.least_side_px:
            return NoNumber(too_small(self.least_side_px))
        return reading(self, self.take(view))

    def of(self, display: Sequence[Sequence[float]] | NDArray[Any]) -> float | None:
        """Its value for a picture of presentation values, 0 black and 65,535 white."""
        value = self.measure(view_of(np.asarray(display, np.uint16)))
        return value.value if isinstance(value, Measurement) else None


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

    Slices with a side below ``least_side_px``, or without what ``needs`` asks for, contribute nothing; nor do those of
    which ``unless`` says a reason, and where these are the most there is no number.
    """

    take: Callable[[SeriesView, Sequence[Any]], Reading]
    each: Callable[[SliceView], Any] | None = None
    mask: Callable[[SliceView], NDArray[np.bool_] | None] | None = None
    outliers: Callable[[SeriesView, Sequence[Any]], Sequence[int] | None] | None = None
    along: Along | Literal["alone"] | None = None
    shared: tuple[Callable[[SeriesView], Any], ...] = ()
    modalities: tuple[str, ...] = ()
    library: str = ""
    needs: Needs = "variation"
    unless: Callable[[SliceView], str] | None = None
    least_side_px: int = LEAST_SIDE_PX

    def lacks(self, view: SliceView) -> str:
        """The reason why the slice contributes nothing, as a sentence; empty if it does."""
        rank = NEEDS.index(self.needs)
        lacking = (
            (1, not view.header.has_scale, NOT_FINITE),
            (2, rank >= 2 and not view.has_pixels, NO_PIXEL),
            (2, rank >= 2 and not view.varies, ONE_VALUE),
            (3, rank >= 3 and view.saturated_share > MOST_SATURATED, SATURATED),
            (3, min(view.values.shape) < self.least_side_px, too_small(self.least_side_px)),
        )
        return next((reason for least, lacks, reason in lacking if rank >= least and lacks), "")

    def why_not(self, header: Header, kind: str) -> str:
        """Empty where its modality covers the series, and it means something for slices of the kind."""
        if not covers(self.modalities, header):
            return NOT_SHOWN
        return why_not_meant(self, kind_named(kind))

    def slice_numbers(self, series: SeriesView, parts: Mapping[int, Any]) -> Mapping[int, float]:
        """The number of each slice that has one, by position; see ``along``."""
        if self.along is None:
            return {}
        if self.along != "alone":
            return self.along(series, parts)
        alone = {position: reading(self, self.take(series, [part])) for position, part in parts.items()}
        return {position: one.value for position, one in alone.items() if isinstance(one, Measurement)}


stack_measure = partial(SeriesMeasure, section=STACKS)
"""What measurements of one kind share. mypy checks the other fields, but not those of a partial of a partial."""
counted_slices = partial(SeriesMeasure, section=STACKS, unit="1", report_unit="{slices}", decimals=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FramesMeasure(SeriesMeasure):
    """One number of the frames of one object, a still or a run, in the order of the frames.

    It covers objects of the ``modalities`` (empty: of any) and of a family of storage SOP classes (empty: of any), a
    UID with all below it, that have ``least_frames`` or more. ``excludes`` says of which headers of these it means
    nothing, and why, as a sentence; empty where it does.
    """

    least_frames: int = 1
    family: str = ""
    excludes: Callable[[Header], str] | None = None

    def why_not(self, header: Header, kind: str) -> str:
        """Empty where it is taken of the object."""
        if kind or not self.applies_to(header):
            return NOT_SHOWN
        return "" if self.excludes is None else self.excludes(header)

    def applies_to(self, header: Header) -> bool:
        """Whether it is taken of the object."""
        uid = header.sop_class_uid
        return (
            (not self.modalities or header.modality in self.modalities)
            and (uid == self.family or uid.startswith(self.family and self.family + "."))
            and max(header.number_of_frames, 1) >= self.least_frames
        )


def too_small(least_px: int) -> str:
    """Why nothing is measured of a small image."""
    return Phrase("The image has fewer than {least_px} pixels a side.", least_px=str(least_px))


def covers(modalities: Sequence[str], header: Header) -> bool:
    """Whether the modality is one of these; none are all."""
    return not modalities or header.modality in modalities


def reading(measurand: Measurand, value: Reading) -> Measurement | NoNumber:
    """A reading as a measurement, or why there is none."""
    if isinstance(value, NoNumber):
        return value
    if value is None:
        return NoNumber(Phrase(measurand.left_out) if measurand.left_out else NOT_SHOWN)
    measurement = value if isinstance(value, Measurement) else Measurement(measurand.name, float(value), measurand.unit)
    return measurement if isfinite(measurement.value) else NoNumber(NOT_FINITE)


def by_reason(reasons: Iterable[tuple[str, str]]) -> tuple[LeftOut, ...]:
    """Pairs of measurement and reason, put together by reason.

    >>> by_reason([("entropy", "It is black."), ("grid_peak", "It is small."), ("tenengrad", "It is black.")])
    (LeftOut(reason='It is black.', measurements=('entropy', 'tenengrad')), LeftOut(reason='It is small.', \
measurements=('grid_peak',)))
    """
    names: dict[str, list[str]] = {}
    for name, reason in reasons:
        names.setdefault(reason, []).append(name)
    return tuple(LeftOut(reason, tuple(of_reason)) for reason, of_reason in names.items())


def image_measures(header: Header) -> Sequence[ImageMeasure]:
    """Measurements that cover a projection image, in order."""
    return [one for one in measurands() if isinstance(one, ImageMeasure) and not one.why_not(header, "")]


def series_measures(modality: str) -> Sequence[SeriesMeasure]:
    """Measurements of series of a modality that can be taken here, in order."""
    every = (one for one in measurands() if isinstance(one, SeriesMeasure) and not isinstance(one, FramesMeasure))
    covering = (one for one in every if not one.modalities or modality in one.modalities)
    return [one for one in covering if not one.library or is_installed(one.library)]


def measures_with(library: str) -> Sequence[SeriesMeasure]:
    """Measurements that are left out without the library, in order."""
    return [one for one in measurands() if isinstance(one, SeriesMeasure) and one.library == library]


def frames_measures(header: Header) -> Sequence[FramesMeasure]:
    """Measurements of the frames of an object, in order."""
    return [one for one in measurands() if isinstance(one, FramesMeasure) and one.applies_to(header)]


def measures_of(series: SeriesView) -> Sequence[SeriesMeasure]:
    """Measurements of a series that mean something for its kind, or of the frames of one object."""
    if series.of_frames:
        return [one for one in frames_measures(series.header) if not one.why_not(series.header, "")]
    return [one for one in series_measures(series.header.modality) if is_meant(one, series.kind)]


def is_meant(measure: SeriesMeasure, kind: SliceKind) -> bool:
    """Whether the measurement means something for slices of the kind."""
    return not why_not_meant(measure, kind)


def why_not_meant(measure: SeriesMeasure, kind: SliceKind) -> str:
    """Why the measurement means nothing for slices of the kind; empty if it does."""
    if reason := kind.without.get(measure.name):
        return reason
    return "" if kind.is_picture or measure.each is None else kind.unjudged


def left_out_of(series: SeriesView) -> list[tuple[str, str]]:
    """Measurements that mean nothing for the series, each with the reason."""
    header, kind = series.header, series.kind
    every = frames_measures(header) if series.of_frames else series_measures(header.modality)
    reasons = ((one.name, one.why_not(header, kind.name)) for one in every)
    return [(name, reason) for name, reason in reasons if reason]
