"""Header elements that uptake values of PET need: units, decay correction, times, dose, weight, with values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from pydicom import Dataset

from miqa_node.dicom.bytes.numbers import first_number
from miqa_node.libraries.plain_statistics.scales import COUNT
from miqa_node.stages.measure.base import SeriesMeasure
from miqa_node.stages.measure.frames import elements
from miqa_node.stages.measure.series_view import SeriesView
from miqa_series.stated import tags_measured

pt_measure = partial(SeriesMeasure, section="PET", modalities=("PT",))
WORDS = {"Units": ("BQML", "GML"), "DecayCorrection": ("START", "ADMIN")}
"""Values from which uptake values follow: GML are uptake values already (PS3.3 C.8.9.1)."""
TIMES = ("AcquisitionTime", "SeriesTime")
OF_IMAGE = {"ActualFrameDuration": (1.0, math.inf), "PatientWeight": (0.3, 500.0)}
"""Possible numbers: milliseconds and kilograms."""
OF_TRACER = {"RadionuclideTotalDose": (1e5, 1e11), "RadionuclideHalfLife": (60.0, math.inf)}
"""Becquerels, of which megabecquerels are too few, and seconds: rubidium 82, the shortest in use, has 75."""
DATE_TIME, TIME = START = ("RadiopharmaceuticalStartDateTime", "RadiopharmaceuticalStartTime")
BEFORE = timedelta(minutes=2)
"""A dynamic scan begins so long before the tracer is given."""
MOST_HALF_LIVES = 5.0
"""From the start of the tracer to the scan: 3 % of it are left."""
OVER_MIDNIGHT = 2.5
"""The same, where a time without its date must be of the day before."""
SOME_DAY = "20000101"
PHILIPS, PHILIPS_GROUP = "Philips PET Private Group", 0x7053
SUV_FACTOR, ACTIVITY_FACTOR = 0x00, 0x09
"""Elements (7053,xx00) and (7053,xx09): what turns counts into uptake values by weight, and into becquerels a
millilitre."""


def lacks(ds: Dataset) -> list[str]:
    """Keywords that the header lacks.

    >>> lacks(Dataset())[:2]
    ['Units', 'DecayCorrection']
    """
    if philips_factor(ds, SUV_FACTOR):  # the scanner has divided by dose and weight already
        return [one for one in WORDS if not ds.get(one)]
    tracer = tracer_of(ds)
    missing = [one for one in (*WORDS, *TIMES) if not ds.get(one)]
    missing += [one for one in OF_IMAGE if first_number(ds, one) is None]
    missing += [one for one in OF_TRACER if first_number(tracer, one) is None]
    return missing + ([] if any(tracer.get(one) for one in START) else [TIME])


def contradicts(ds: Dataset) -> list[str]:
    """Keywords of values that cannot be right, or from which no uptake values follow.

    >>> ds = Dataset()
    >>> ds.DecayCorrection, ds.PatientWeight = "NONE", 0
    >>> contradicts(ds)
    ['DecayCorrection', 'PatientWeight']
    """
    tracer = tracer_of(ds)
    wrong = [one for one, words in WORDS.items() if ds.get(one) and str(ds.get(one)).strip().upper() not in words]
    if any(philips_factor(ds, one) for one in (SUV_FACTOR, ACTIVITY_FACTOR)):
        wrong = [one for one in wrong if one != "Units"]
    if philips_factor(ds, SUV_FACTOR):
        return wrong
    wrong += [one for one, ends in OF_IMAGE.items() if not _is_possible(first_number(ds, one), ends)]
    wrong += [one for one, ends in OF_TRACER.items() if not _is_possible(first_number(tracer, one), ends)]
    return wrong + [one for one in START if not starts_well(ds, tracer, one)]


def philips_factor(ds: Dataset, element: int) -> float:
    """A factor for images of Philips in counts (CNTS); 0 of other units and without one, as Philips writes it, too.

    >>> ds = Dataset()
    >>> ds.Units, block = "CNTS", ds.private_block(PHILIPS_GROUP, PHILIPS, create=True)
    >>> block.add_new(SUV_FACTOR, "DS", "0.000428757")
    >>> philips_factor(ds, SUV_FACTOR), philips_factor(ds, ACTIVITY_FACTOR)
    (0.000428757, 0.0)
    """
    if str(ds.get("Units") or "").strip().upper() != "CNTS":
        return 0.0
    try:
        value = ds.private_block(PHILIPS_GROUP, PHILIPS)[element].value
        text = value.decode("ascii").strip("\0 ") if isinstance(value, bytes) else value
        factor = float(text)
    except (KeyError, TypeError, ValueError):
        return 0.0
    return factor if math.isfinite(factor) and factor > 0.0 else 0.0


def tracer_of(ds: Dataset) -> Dataset:
    """The first item of the sequence of radiopharmaceuticals; an empty one without it."""
    tracers: Sequence[Dataset] = ds.get("RadiopharmaceuticalInformationSequence") or []
    return next(iter(tracers), Dataset())


def starts_well(ds: Dataset, tracer: Dataset, keyword: str) -> bool:
    """Whether the tracer was given before the scan, and not so long before that none is left.

    A time without a date is of the day of the scan, or of the day before if the scan is soon after midnight. What is
    missing or cannot be read as a time contradicts nothing.
    """
    scan, half_life_s = scan_start(ds), first_number(tracer, "RadionuclideHalfLife")
    text, most = str(tracer.get(keyword) or ""), MOST_HALF_LIVES
    if scan is None or not text or not half_life_s or half_life_s <= 0:
        return True
    offset = offset_of(text) if keyword == DATE_TIME else ""
    if offset and offset != str(ds.get("TimezoneOffsetFromUTC") or ""):
        return True  # times of two zones, or of one that the header does not name
    start = moment(text[:8], text[8:]) if keyword == DATE_TIME else moment(f"{scan:%Y%m%d}", text)
    if start is None or (keyword == DATE_TIME and f"{scan:%Y%m%d}" == SOME_DAY):
        return True
    if keyword == TIME and start > scan + BEFORE:
        start, most = start - timedelta(days=1), OVER_MIDNIGHT
    return start <= scan + BEFORE and (scan - start).total_seconds() <= most * half_life_s


def offset_of(text: str) -> str:
    """The offset from UTC of a date and time of DICOM; empty if it names none.

    >>> offset_of("20200102150000.5-0500"), offset_of("20200102150000")
    ('-0500', '')
    """
    return text[-5:] if text[-5:-4] in ("+", "-") else ""


def scan_start(ds: Dataset) -> datetime | None:
    """The earlier one of series and acquisition: each can be later, for a late frame or a reconstruction."""
    date = str(ds.get("SeriesDate") or ds.get("AcquisitionDate") or SOME_DAY)
    begins = [
        moment(str(ds.get(f"{of}Date") or date), str(ds.get(f"{of}Time") or "")) for of in ("Acquisition", "Series")
    ]
    return min((one for one in begins if one is not None), default=None)


def moment(date: str, time: str) -> datetime | None:
    """Date and time of DICOM, to the second; None if they are none.

    >>> moment("20200131", "0910"), moment("20200131", "morning")
    (datetime.datetime(2020, 1, 31, 9, 10), None)
    """
    try:
        return datetime.strptime(f"{date} {time.strip()[:6]:0<6}", "%Y%m%d %H%M%S") if time.strip() else None  # noqa: DTZ007 - both are of the scanner
    except ValueError:
        return None


def _is_possible(number: float | None, ends: tuple[float, float]) -> bool:
    return number is None or ends[0] <= number <= ends[1]


def lacking(series: SeriesView) -> tuple[list[str], list[str]]:
    """Of the first slice, what is missing and what cannot be right: all slices of a series have one tracer."""
    ds = series.once(elements)
    return lacks(ds), contradicts(ds)


PT_SUV_TAGS_MISSING = pt_measure(
    name="pt_suv_tags_missing",
    unit="1",
    least_spread=0.15,
    scale=COUNT,
    report_unit="{elements}",
    label="Elements that uptake values need and lack",
    code="PT_SUV_TAGS",
    summary="Elements that standardised uptake values need and the header lacks.",
    definition="How many of these the first slice lacks, or has with a value that cannot be right: Units (BQML, or GML "
    "for uptake values), Decay Correction (START or ADMIN), Acquisition Time, Series Time, Actual Frame Duration "
    "(above 0), Patient's Weight (0.3 to 500 kg), and of the tracer Radionuclide Total Dose (10⁵ to 10¹¹ Bq), "
    "Radionuclide Half Life (60 s or more) and Radiopharmaceutical Start DateTime or Time: at most 2 min after the "
    "scan begins, the earlier of series and acquisition, and at most 5 half lives before; 2.5 where a time without "
    "date must be of the day before. The place names them by keyword. "
    "Images of Philips in counts (CNTS) need only Decay Correction if they have the factor for uptake values by "
    "weight, (7053,xx00) of its private group, above 0; with that for Bq/ml, (7053,xx09), CNTS are allowed units "
    "(QIBA, vendor-neutral pseudo-code for SUV).",
    validity="PET series; only the first slice and its first tracer are read. Enhanced PET keeps some of these "
    "elements elsewhere.",
    tolerance="As the header says.",
    agreement=0.5,
    proof="Headers of which each element in turn was taken out or spoilt; of Philips with and without its factors.",
    decimals=0,
    rank=920,
    take=lambda series, _: tags_measured("pt_suv_tags_missing", *series.once(lacking)),
)
