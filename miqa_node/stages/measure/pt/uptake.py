"""What uptake values of PET need: units, decay correction and times in the header, and a body that is not cut off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydicom import Dataset

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.language.phrase import Phrase
from miqa_node.dicom.bytes.numbers import first_number
from miqa_node.stages.measure.base import SeriesMeasure
from miqa_node.stages.measure.frames import elements
from miqa_node.stages.measure.series_view import SeriesView, SliceView

PT = ("PT",)
SECTION = "PET"
OF_IMAGE = ("Units", "DecayCorrection", "AcquisitionTime", "SeriesTime", "ActualFrameDuration")
OF_TRACER = ("RadionuclideTotalDose", "RadionuclideHalfLife")
START = ("RadiopharmaceuticalStartTime", "RadiopharmaceuticalStartDateTime")
WEIGHT = "PatientWeight"
BODY = 0.1


def lacks(ds: Dataset) -> list[str]:
    """Keywords of what the header lacks.

    >>> lacks(Dataset())[:2]
    ['Units', 'DecayCorrection']
    """
    tracers = ds.get("RadiopharmaceuticalInformationSequence") or []
    tracer = tracers[0] if tracers else Dataset()
    missing = [one for one in OF_IMAGE if not ds.get(one)]
    missing += [one for one in OF_TRACER if not first_number(tracer, one)]
    missing += [] if any(tracer.get(one) for one in START) else [START[0]]
    return missing + ([] if first_number(ds, WEIGHT) else [WEIGHT])


def cut_slices(parts: Sequence[tuple[float, float]]) -> float | None:
    """Share of the slices whose border is bright, of what tissue of the series is, in percent.

    >>> cut_slices([(9.0, 0.1), (9.0, 5.0)])
    50.0
    """
    bright = float(np.median([tissue for tissue, _ in parts])) if parts else 0.0
    return 100.0 * float(np.mean([end > BODY * bright for _, end in parts])) if bright > 0 else None


def _missing(series: SeriesView, _: Sequence[Any]) -> Measurement:
    missing = series.once(lacking)
    place = Phrase("the header lacks {missing}", missing=", ".join(missing)) if missing else ""
    return Measurement("pt_tags_missing", float(len(missing)), "1", place)


def lacking(series: SeriesView) -> list[str]:
    """Of the first slice: all slices of a series have one tracer."""
    return lacks(series.once(elements))


def _part(view: SliceView) -> tuple[float, float]:
    """The bright value of the slice, and the largest at its border that a tenth of the border reaches."""
    values = view.values
    ends = np.concatenate([values[0], values[-1], values[1:-1, 0], values[1:-1, -1]])
    return float(np.quantile(values, 0.99)), float(np.quantile(ends, 0.9))


def _cut(_: SeriesView, parts: Sequence[tuple[float, float]]) -> float | None:
    return cut_slices(parts)


PT_TAGS_MISSING = SeriesMeasure(
    name="pt_tags_missing",
    unit="1",
    report_unit="{elements}",
    label="Elements missing for uptake values",
    code="PT_TAGS_MISSING",
    summary="Elements that standardised uptake values need and the header lacks.",
    definition="How many of these the first slice lacks: Units, Decay Correction, Acquisition Time, Series Time, "
    "Actual Frame Duration, Patient's Weight, and of the tracer total dose, half life and start time. The place "
    "names them.",
    validity="PET series; only the first slice is read.",
    tolerance="As the header says.",
    section=SECTION,
    rank=920,
    modalities=PT,
    take=_missing,
)
PT_TRUNCATION = SeriesMeasure(
    name="pt_truncation",
    unit="%",
    label="Slices with tracer at the border",
    code="PT_TRUNCATION",
    summary="Share of the slices at whose border the body is cut off.",
    definition="Slices of which a tenth of the border lies above a tenth of the median, over the slices, of their "
    "99th percentile.",
    validity="PET series. Arms beside the body count, too.",
    tolerance="Exact for four drawn slices, one of them cut; on real ones not known.",
    section=SECTION,
    rank=921,
    modalities=PT,
    each=_part,
    take=_cut,
)
