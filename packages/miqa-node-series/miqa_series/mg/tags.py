"""Compression and exposure of a mammogram, as its header says them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pydicom import Dataset

from miqa_node.core.domain.codes import Code
from miqa_node.dicom.bytes.numbers import first_number
from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.base import FramesMeasure
from miqa_node.stages.measure.frames import elements
from miqa_node.stages.measure.series_view import SeriesView

mg_measure = partial(FramesMeasure, section="Mammography", modalities=("MG",))
MGY_PER_DGY = 100.0


def number(ds: Dataset, keyword: str) -> float | None:
    """The first number of an element; None also for 0, which some modalities write for what they do not know.

    >>> ds = Dataset()
    >>> ds.CompressionForce = "110"
    >>> number(ds, "CompressionForce"), number(ds, "KVP")
    (110.0, None)
    """
    return first_number(ds, keyword) or None


def of_header(keyword: str, factor: float = 1.0) -> Callable[[SeriesView, Sequence[Any]], float | None]:
    """Takes the number of an element, times the factor."""

    def take(series: SeriesView, _: Sequence[Any]) -> float | None:
        value = number(series.once(elements), keyword)
        return None if value is None else value * factor

    return take


_measure = partial(
    FramesMeasure,
    section="Mammography",
    modalities=("MG",),
    validity="Images whose header has it.",
    tolerance="As the header says.",
)
MG_COMPRESSION_FORCE = _measure(
    name="mg_compression_force",
    unit="N",
    label="Compression force",
    code=Code("111647", "DCM", "Compression Force"),
    summary="Compression Force (0018,11A2).",
    rank=800,
    take=of_header("CompressionForce"),
)
MG_COMPRESSED_THICKNESS = _measure(
    name="mg_compressed_thickness",
    unit="mm",
    label="Compressed thickness",
    code=Code("111633", "DCM", "Compression Thickness"),
    summary="Body Part Thickness (0018,11A0).",
    rank=801,
    take=of_header("BodyPartThickness"),
)
MG_KVP = _measure(
    name="mg_kvp",
    unit="kV",
    least_spread=0.5,
    scale=POSITIVE,
    label="Tube voltage",
    code=Code("113733", "DCM", "KVP"),
    summary="KVP (0018,0060).",
    rank=802,
    take=of_header("KVP"),
)
MG_EXPOSURE = _measure(
    name="mg_exposure",
    unit="mA.s",
    least_spread_share=0.03,
    scale=POSITIVE,
    label="Exposure",
    summary="Exposure (0018,1152).",
    rank=803,
    take=of_header("Exposure"),
)
MG_GLANDULAR_DOSE = _measure(
    name="mg_glandular_dose",
    unit="mGy",
    least_spread=0.05,
    least_spread_share=0.03,
    scale=POSITIVE,
    label="Average glandular dose",
    code=Code("111631", "DCM", "Average Glandular Dose"),
    summary="Organ Dose (0040,0316), in mGy.",
    definition="Organ Dose (0040,0316), which the standard gives in dGy, in mGy.",
    rank=804,
    take=of_header("OrganDose", MGY_PER_DGY),
)
