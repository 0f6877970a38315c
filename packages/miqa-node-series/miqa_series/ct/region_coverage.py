"""How much of the usual length of its body part a CT series covers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from miqa_node.stages.measure.series_view import SeriesView
from miqa_series.ct.body import ct_measure
from miqa_series.stacks.stack import coverage_mm

USUAL_MM = {
    "HEAD": 140.0,
    "BRAIN": 140.0,
    "NECK": 200.0,
    "CHEST": 300.0,
    "ABDOMEN": 250.0,
    "PELVIS": 220.0,
    "CSPINE": 150.0,
    "TSPINE": 280.0,
    "LSPINE": 200.0,
}
"""Shortest usual lengths of a complete scan of an adult, in mm."""


def region_share(body_part: str, length_mm: float) -> float | None:
    """In percent of the usual length; None for other body parts.

    >>> region_share("CHEST", 150.0), region_share("KNEE", 150.0)
    (50.0, None)
    """
    usual = USUAL_MM.get(body_part)
    return None if usual is None else 100.0 * length_mm / usual


def _share(series: SeriesView, _: Sequence[Any]) -> float | None:
    length = coverage_mm(series)
    return None if length is None else region_share(series.header.body_part_examined, length)


REGION_COVERAGE = ct_measure(
    name="region_coverage",
    unit="%",
    label="Coverage of the body part",
    summary="Coverage over the usual length of the header's body part.",
    definition="`coverage` over the shortest usual length of a complete scan of an adult: head and brain 140 mm, neck "
    "200, chest 300, abdomen 250, pelvis 220, cervical, thoracic, lumbar spine 150, 280, 200. Own table of Body Part "
    "Examined (0018,0015).",
    validity="Complete scans of adults; part of an examination, a child, or a biopsy is rightly short. Parts that the "
    "table lacks have none.",
    tolerance="As `coverage`; how much the usual length itself differs between adults is not known here.",
    decimals=0,
    rank=336,
    take=_share,
)
