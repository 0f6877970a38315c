"""Derives measurements and findings from the networks' estimate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.landmarks import Outline, patient_side
from miqa_node.core.taxonomy.lookup import reason_code
from miqa_node.stages.assess.landmarks.card import PositioningPoint
from miqa_node.stages.assess.landmarks.estimate import LandmarkEstimate
from miqa_node.stages.assess.landmarks.lung_field import lung_field_percent
from miqa_node.stages.assess.landmarks.marker import against_header, contradiction
from miqa_node.stages.assess.landmarks.measurands import (
    CUT_SIDES,
    LUNG_FIELD_PERCENT,
    LUNG_HEIGHT_RATIO,
    LUNG_MARGIN,
    LUNG_MARGINS,
    MIRRORED_PERCENT,
    RIBS_ABOVE_DOME,
    ROTATION_PERCENT,
    TILT_DEG,
)
from miqa_node.stages.assess.landmarks.points import NUMBER, POINTS, SIDES
from miqa_node.stages.assess.landmarks.positioning import dome_height, tilt_deg
from miqa_node.stages.assess.landmarks.reader_rule import ReaderRule, cut_measures, rotation_measures

GRADES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Severities at the sizes listed below."""
ROTATION_SIZES = (0.0, 20.0, 35.0, 50.0, 70.0)
"""Percent; readers called 18 to 37 slight or moderate, and 47 or more marked."""
CUT_SIZES_MM = (0.0, 5.0, 10.0, 20.0, 30.0)
RIB_SIZES = (-10.0, -9.0, -8.0, -7.0, -6.0)
"""Negated rib counts, so that the sizes ascend."""
FIELD_MM = 350.0
"""Assumed side of the image if the header gives no spacing: that of a usual detector."""
MARKER_ALONE, MARKER_AND_ANATOMY = 0.5, 1.0
"""Severities of a side marker on the wrong side: by itself, and where the anatomy is mirrored, too."""
MIRRORED_FROM = 0.8
SIDE_MARKER_WRONG = FindingName("side_marker_wrong")
PATIENT_ROTATED, POOR_INSPIRATION = FindingName("patient_rotated"), FindingName("poor_inspiration")


def measurements_of(
    estimate: LandmarkEstimate, shape: tuple[int, int], spacing_mm: tuple[float, float] | None
) -> tuple[Measurement, ...]:
    """The measurements of an image of ``shape`` (rows, columns); those that cannot be taken are left out."""
    rows, columns = shape
    between_rows, between_columns = spacing_mm or (1.0, 1.0)
    aspect = (columns * between_columns) / (rows * between_rows)
    visible_points = np.where((estimate.visible >= 0.5)[:, None], estimate.points, np.nan)
    in_mm = margins_mm(estimate, shape, spacing_mm)
    margins, unit = (in_mm, "mm") if in_mm else (tuple(100.0 * float(m) for m in estimate.margin), "%")
    every = (
        Measurement(ROTATION_PERCENT.name, 100.0 * estimate.rotation, "%"),
        Measurement(RIBS_ABOVE_DOME.name, estimate.ribs, "1"),
        Measurement(LUNG_HEIGHT_RATIO.name, dome_height(visible_points) / aspect, "1"),
        Measurement(TILT_DEG.name, tilt_deg(estimate.points, aspect), "deg"),
        Measurement(MIRRORED_PERCENT.name, round(100.0 * estimate.mirrored, 2), "%"),
        Measurement(CUT_SIDES.name, float(estimate.cut.sum()), "1"),
        Measurement(LUNG_MARGIN.name, min(margins), unit),
        *(Measurement(side.name, margin, unit) for side, margin in zip(LUNG_MARGINS, margins, strict=True)),
    )
    return tuple(one for one in every if math.isfinite(one.value))


def field_of(lungs: Mapping[str, Outline]) -> tuple[Measurement, ...]:
    """The size of the lung field; nothing without one."""
    return (Measurement(LUNG_FIELD_PERCENT.name, round(lung_field_percent(lungs), 2), "%"),) if lungs else ()


def margins_mm(
    estimate: LandmarkEstimate, shape: tuple[int, int], spacing_mm: tuple[float, float] | None
) -> tuple[float, ...]:
    """Distance from the lungs to each of SIDES in mm, negative where cut; empty where the spacing is unknown."""
    if spacing_mm is None:
        return ()
    height, width = (count * spacing for count, spacing in zip(shape, spacing_mm, strict=True))
    return tuple(float(m) * side for m, side in zip(estimate.margin, (width, width, height, height), strict=True))


def findings_of(
    estimate: LandmarkEstimate, shape: tuple[int, int], spacing_mm: tuple[float, float] | None,
    orientation: tuple[str, ...], points: Sequence[PositioningPoint],
) -> tuple[Finding, ...]:  # fmt: skip
    """The positioning findings that ``points`` names; sides are the patient's."""
    margins = margins_mm(estimate, shape, spacing_mm) or tuple(FIELD_MM * m for m in estimate.margin)
    rows = {point.name: point for point in points}
    return tuple(
        Finding(judged.name, reason_code(judged.name), _probability(row.rule, judged), float(judged.severity),
                row.threshold)
        for judged in _judged(estimate, margins, orientation)
        if (row := rows.get(judged.row or judged.name)) is not None
    )  # fmt: skip


def joined(findings: tuple[Finding, ...], added: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings with those of this package; of two of one name the one that is present and takes more counts."""
    rows = {one.name: one for one in findings}
    for one in added:
        before = rows.get(one.name)
        if before is None:
            rows[one.name] = one
        elif one.present and (not before.present or one.strength > before.strength):
            rows[one.name] = replace(one, made_by=(*before.made_by, *one.made_by), peak=before.peak)
    return tuple(rows.values())


class _PositioningVerdict(NamedTuple):
    """One finding: the network's own probability, and what a rule of readers' grades may look at instead."""

    name: FindingName
    chance: float
    severity: float
    measures: Mapping[str, float] = MappingProxyType({})
    row: str = ""
    """The name on the card, if the finding has another here."""


def _probability(rule: ReaderRule | None, judged: _PositioningVerdict) -> float:
    return float(judged.chance) if rule is None else rule.probability(judged.measures)


def _judged(
    estimate: LandmarkEstimate, margins: tuple[float, ...], orientation: tuple[str, ...]
) -> Iterator[_PositioningVerdict]:
    for side, chance, margin in zip(SIDES, estimate.cut, margins, strict=True):
        missing = np.interp(-margin, CUT_SIZES_MM, GRADES)
        cut = cut_finding(side, orientation), chance, missing, cut_measures(estimate, side)
        yield _PositioningVerdict(*cut, row=cut_finding(side, ()))
    size = np.interp(100.0 * abs(estimate.rotation), ROTATION_SIZES, GRADES)
    yield _PositioningVerdict(PATIENT_ROTATED, estimate.grade[0], size, rotation_measures(estimate))
    mirrored = against_header(estimate.mirrored, orientation)
    severity = MARKER_AND_ANATOMY if mirrored >= MIRRORED_FROM else MARKER_ALONE
    yield _PositioningVerdict(SIDE_MARKER_WRONG, contradiction(estimate.markers, orientation, mirrored), severity)
    yield _PositioningVerdict(POOR_INSPIRATION, estimate.grade[2], np.interp(-estimate.ribs, RIB_SIZES, GRADES))


def cut_finding(image_side: str, orientation: tuple[str, ...]) -> FindingName:
    """The finding of a lung that is cut off at a side of the image, named by the side of the patient.

    Where the header does not tell the sides, anatomy is cut off, and nobody says at which.

    >>> cut_finding("left", ("L", "F")), cut_finding("bottom", ()), cut_finding("left", ("A", "F"))
    ('lung_cut_right', 'lung_cut_bottom', 'clipped_anatomy')
    """
    side = patient_side(image_side, orientation)
    return FindingName(f"lung_cut_{side}") if side else FindingName.CLIPPED_ANATOMY


def visible_points(estimate: LandmarkEstimate, visible_from: float) -> dict[str, tuple[float, float]]:
    """The points that can be seen, by name, as fractions of the image."""
    inside = np.all((estimate.points >= 0.0) & (estimate.points <= 1.0), axis=1)
    return {
        name: (round(float(estimate.points[NUMBER[name], 0]), 5), round(float(estimate.points[NUMBER[name], 1]), 5))
        for name in POINTS
        if estimate.visible[NUMBER[name]] >= visible_from and inside[NUMBER[name]]
    }
