"""How two views of a pair differ: both breasts in one view, both views of one breast.

Differences of what was measured of each image, without limits. One rule of the field is said beside its number: the
posterior nipple line of both views of a breast should agree within 10 mm (Eklund and Cardenosa, Radiol Clin North Am
30:21-53, 1992; ACR Mammography Quality Control Manual, 1999, clinical image evaluation). The line found in pixels is
an experimental measurement, so this is a hint to look, not a verdict on positioning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.mammogram_pairs.views import (
    Mammogram,
    OtherMammogram,
    StandardView,
    StudyViews,
    ViewImages,
    views_of,
)

NIPPLE_LINES_MM = 10.0
"""What the posterior nipple lines of both views of a breast should differ by at most."""
PIXELS = "pixels"


@dataclass(frozen=True, slots=True)
class PairMeasure:
    """A measurement to subtract; ``source`` is the element that it is from, or ``pixels``."""

    name: str
    unit: str
    source: str
    most: float | None = None


@dataclass(frozen=True, slots=True)
class NumberDifference:
    """A number of both views, and the first minus the second; None, and why, where there is none.

    ``most`` is what the field expects it to differ by at most, if it has a rule, and ``is_within`` whether it does.
    """

    measurement: str
    unit: str
    source: str
    first: float | None
    second: float | None
    difference: float | None
    missing: str = ""
    most: float | None = None
    is_within: bool | None = None


@dataclass(frozen=True, slots=True)
class ViewPair:
    """Two views, and their differences; none, and why, if a view is missing."""

    first: StandardView
    second: StandardView
    differences: tuple[NumberDifference, ...]
    missing: str = ""


@dataclass(frozen=True, slots=True)
class StudyPairs:
    """What a study of mammograms has. ``missing`` says why nothing is compared; empty if it is."""

    views: tuple[ViewImages, ...]
    others: tuple[OtherMammogram, ...]
    pairs: tuple[ViewPair, ...]
    missing: str = ""


FORCE = PairMeasure("mg_compression_force", "N", "Compression Force (0018,11A2)")
THICKNESS = PairMeasure("mg_compressed_thickness", "mm", "Body Part Thickness (0018,11A0)")
EXPOSURE = PairMeasure("mg_exposure", "mA.s", "Exposure (0018,1152)")
DOSE = PairMeasure("mg_glandular_dose", "mGy", "Organ Dose (0040,0316)")
NIPPLE_LINE = PairMeasure("mg_nipple_line", "mm", PIXELS, NIPPLE_LINES_MM)
PECTORAL = PairMeasure("mg_pectoral_length", "mm", PIXELS)
_HEADER = (THICKNESS, FORCE, EXPOSURE, DOSE)
PAIRS = (
    (StandardView.R_CC, StandardView.L_CC, _HEADER),
    (StandardView.R_MLO, StandardView.L_MLO, (*_HEADER, PECTORAL)),
    (StandardView.R_CC, StandardView.R_MLO, (*_HEADER, NIPPLE_LINE)),
    (StandardView.L_CC, StandardView.L_MLO, (*_HEADER, NIPPLE_LINE)),
)
SEVERAL_PATIENTS = Phrase("The study has images of several patients, so nothing is compared.")


def study_pairs(mammograms: Sequence[Mammogram], patients: int = 1) -> StudyPairs:
    """Views and pairs of a study; ``patients`` is how many its mammograms belong to."""
    if patients > 1:
        return StudyPairs((), (), (), missing=SEVERAL_PATIENTS)
    views = views_of(mammograms)
    return StudyPairs(
        tuple(ViewImages(view, tuple(one.digest for one in images)) for view, images in views.by_view.items()),
        views.others,
        tuple(_pair(views, first, second, measures) for first, second, measures in PAIRS),
    )


def _pair(views: StudyViews, first: StandardView, second: StandardView, measures: Sequence[PairMeasure]) -> ViewPair:
    """Of several exposures of a view the last counts: it was made because the one before did not do."""
    absent = [view for view in (first, second) if not views.by_view[view]]
    if absent:
        return ViewPair(first, second, (), Phrase("There is no {views}.", views=" + ".join(absent)))
    both = (views.by_view[first][-1], views.by_view[second][-1])
    return ViewPair(first, second, tuple(_difference(one, both, (first, second)) for one in measures))


def _difference(
    measure: PairMeasure, both: tuple[Mammogram, Mammogram], views: tuple[StandardView, StandardView]
) -> NumberDifference:
    first, second = ((image.numbers or {}).get(measure.name) for image in both)
    if first is None or second is None:
        missing = next(
            _missing(measure, image, view)
            for image, view, number in zip(both, views, (first, second), strict=True)
            if number is None
        )
        return NumberDifference(measure.name, measure.unit, measure.source, first, second, None, missing, measure.most)
    difference = first - second
    is_within = None if measure.most is None else abs(difference) <= measure.most
    return NumberDifference(
        measure.name, measure.unit, measure.source, first, second, difference, "", measure.most, is_within
    )


def _missing(measure: PairMeasure, image: Mammogram, view: StandardView) -> str:
    if image.numbers is None:
        return Phrase("{view} is not measured yet.", view=view.value)
    if measure.source == PIXELS:
        return Phrase("It was not found in the pixels of {view}, or their pitch is unknown.", view=view.value)
    return Phrase("The header of {view} has no {element}.", view=view.value, element=measure.source)
