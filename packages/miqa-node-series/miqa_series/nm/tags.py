"""Header elements that nuclear medicine needs: nuclide, energy window, duration or counts, and time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from pydicom import Dataset

from miqa_node.core.domain.assessment import Measurement
from miqa_node.dicom.bytes.numbers import first_number
from miqa_node.libraries.plain_statistics.scales import COUNT
from miqa_node.stages.measure.base import FramesMeasure
from miqa_node.stages.measure.frames import elements
from miqa_node.stages.measure.series_view import SeriesView
from miqa_series.stated import tags_measured

nm_measure = partial(FramesMeasure, section="Nuclear medicine", modalities=("NM",))
WINDOWS, TRACERS = "EnergyWindowRangeSequence", "RadiopharmaceuticalInformationSequence"
TIME, DURATION, COUNTS = "AcquisitionTime", "ActualFrameDuration", "CountsAccumulated"
PARTS = ("PhaseInformationSequence", "RotationInformationSequence")
"""Of dynamic and tomographic images, whose frames have durations of their own (PS3.3 C.8.4.8)."""


def lacks(ds: Dataset) -> list[str]:
    """Keywords that the header lacks.

    >>> lacks(Dataset())
    ['RadiopharmaceuticalInformationSequence', 'EnergyWindowRangeSequence', 'ActualFrameDuration', 'AcquisitionTime']
    """
    tracers = ds.get(TRACERS) or []
    named = any(one.get("RadionuclideCodeSequence") or one.get("Radiopharmaceutical") for one in tracers)
    missing = [] if named else [TRACERS]
    missing += [] if any(True for _ in energy_windows(ds)) else [WINDOWS]
    missing += [] if lengths(ds) else [DURATION]
    return missing + ([] if ds.get(TIME) else [TIME])


def contradicts(ds: Dataset) -> list[str]:
    """Keywords of values that cannot be right: windows without a width, nothing counted, or for no time.

    >>> ds = Dataset()
    >>> ds.ActualFrameDuration = 0
    >>> contradicts(ds)
    ['ActualFrameDuration']
    """
    windows, long = list(energy_windows(ds)), lengths(ds)
    wrong = [] if not windows or any(0 < low < high for low, high in windows) else [WINDOWS]
    return wrong + ([] if any(number > 0 for _, number in long) else list(dict.fromkeys(name for name, _ in long)))


def energy_windows(ds: Dataset) -> Iterator[tuple[float, float]]:
    """Lower and upper limit of each range of the energy windows, in keV."""
    for window in ds.get("EnergyWindowInformationSequence") or []:
        for one in window.get(WINDOWS) or []:
            low, high = (first_number(one, f"EnergyWindow{end}Limit") for end in ("Lower", "Upper"))
            if low is not None and high is not None:
                yield low, high


def lengths(ds: Dataset) -> list[tuple[str, float]]:
    """The durations of frames in ms, or their counts, with the keywords."""
    places = [ds, *(item for name in PARTS for item in ds.get(name) or [])]
    for gate in ds.get("GatedInformationSequence") or []:
        places += gate.get("DataInformationSequence") or []
    every = [(keyword, first_number(one, keyword)) for one in places for keyword in (DURATION, COUNTS, "FrameTime")]
    return [(keyword, number) for keyword, number in every if number is not None]


def _tags(series: SeriesView, _: Sequence[Any]) -> Measurement:
    ds = series.once(elements)
    return tags_measured("nm_tags_missing", lacks(ds), contradicts(ds))


NM_TAGS_MISSING = nm_measure(
    name="nm_tags_missing",
    unit="1",
    least_spread=0.15,  # so that one element more than usual is outside from the first range on
    scale=COUNT,
    report_unit="{elements}",
    label="Elements missing for nuclear medicine",
    summary="Elements that images of nuclear medicine need and the header lacks, or whose value cannot be right.",
    definition="How many of these the header lacks, or has with a value that cannot be right: radionuclide or "
    "radiopharmaceutical, range of an energy window (the lower limit above 0 and below the upper one), Actual Frame "
    "Duration of the image, a phase or a rotation, Frame Time of a gate or Counts Accumulated (above 0), and "
    "Acquisition Time. The place names them by keyword.",
    validity="Nuclear medicine. Whether the window fits the nuclide is not looked at.",
    tolerance="As the header says.",
    rank=914,
    take=_tags,
)
