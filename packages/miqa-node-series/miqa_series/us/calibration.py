"""Calibrated regions of an ultrasound picture: without one nobody can measure a length in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydicom import Dataset

from miqa_node.dicom.bytes.numbers import first_number
from miqa_node.stages.measure.frames import elements
from miqa_node.stages.measure.series_view import SeriesView
from miqa_series.us.beams import region_box, tissue_regions, us_measure

CENTIMETRES = 3
"""Of Physical Units X (0018,6024) and Y Direction (0018,6026)."""


def is_calibrated(region: Dataset, shape: tuple[int, int]) -> bool:
    """Whether the region lies in the picture, and its pixels have a size in centimetres.

    >>> is_calibrated(Dataset(), (480, 640))
    False
    """
    units = [first_number(region, f"PhysicalUnits{axis}Direction") for axis in "XY"]
    sizes = [first_number(region, f"PhysicalDelta{axis}") or 0.0 for axis in "XY"]
    return units == [CENTIMETRES, CENTIMETRES] and all(sizes) and region_box(region, shape) is not None


def _count(series: SeriesView, _: Sequence[Any]) -> float:
    shape = series.slices[0].rows, series.slices[0].columns
    return float(sum(is_calibrated(one, shape) for one in tissue_regions(series.once(elements))))


US_CALIBRATED_REGIONS = us_measure(
    name="us_calibrated_regions",
    unit="1",
    report_unit="{regions}",
    label="Calibrated regions",
    code="US_CALIBRATED",
    summary="2D regions in which lengths can be measured.",
    definition="2D regions of the Sequence of Ultrasound Regions (0018,6011; PS3.3 C.8.5.5) that lie in the picture "
    "and have pixels with a size in centimetres. 0: lengths cannot be measured in it, or the picture was cut or made "
    "smaller and its regions were not.",
    validity="Ultrasound; lengths cannot be measured where it is 0.",
    tolerance="As the header says. Five of eleven real files have 0.",
    rank=700,
    take=_count,
)
