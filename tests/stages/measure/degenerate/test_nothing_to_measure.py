"""The table measure × what shows nothing: each cell is a number that is right there, or is left out with a reason."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from miqa_node.core.domain.measurand import MEASUREMENTS
from miqa_node.stages.measure.base import FramesMeasure, ImageMeasure, SeriesMeasure
from tests.stages.measure.degenerate.nothing_to_measure import CASES, Numbers, of_frames, of_radiograph, of_series

PLACES = {"slice_count", "slice_distance", "slice_gaps", "coverage", "slice_overlaps", "slices_unreadable"}
HEADERS = {
    "CT": {"slices_differ", "thickness_share", "gantry_tilt", "region_coverage", "ctdi_vol", "dlp"},
    "MR": {"slices_differ", "thickness_share"},
    "PT": {"pt_suv_tags_missing"},
}
COMPARED = {"slice_disorder", "slices_repeated", "slices_blank"}
"""What compares pixels of slices, whatever they show."""
OF_STACKS: Mapping[str, Mapping[str, Collection[str]]] = {
    "CT": {
        "one value": {"slices_blank"},
        "black": {"slices_blank"},
        "saturated": COMPARED,
        "16 x 16": COMPARED,
        "padding": {"slices_blank"},
        "NaN": (),
    },
    "MR": {
        "one value": {"slices_blank"},
        "black": {"slices_blank"},
        "saturated": {*COMPARED, "slice_jump", "mr_efc"},
        "16 x 16": {*COMPARED, "slice_jump"},
        "padding": {"slices_blank"},
        "NaN": (),
    },
    "PT": {
        "one value": {"slices_blank"},
        "black": {"slices_blank"},
        "saturated": COMPARED,
        "16 x 16": COMPARED,
        "padding": {"slices_blank"},
        "NaN": (),
    },
}
GREY = {"brightness": 0.0, "contrast": 0.0, "entropy": 0.0, "used_range_share": 0.0, "displayed_contrast": 0.0}
"""A picture of one value has a brightness, and none of the rest."""
ENDS = ("burnt_out_share", "crushed_dark_share")
OF_RADIOGRAPHS: Mapping[str, Mapping[str, float | None]] = {
    "one value": {**GREY, "brightness": None, **dict.fromkeys(ENDS, 0.0)},
    "black": {**GREY, "burnt_out_share": 0.0, "crushed_dark_share": 100.0},
    "saturated": {**GREY, "brightness": 100.0, "burnt_out_share": 100.0, "crushed_dark_share": 0.0},
    "16 x 16": dict.fromkeys((*GREY, *ENDS, "pixels_at_minimum", "pixels_at_maximum", "clipped_by_voi")),
    "padding": {},
}
OF_FRAMES: Mapping[tuple[str, str], Mapping[str, float | None]] = {
    ("US", "one value"): {"us_white_share": 0.0, "us_black_share": 0.0, "frames_repeated": 100.0},
    ("US", "black"): {"us_white_share": 0.0, "us_black_share": 100.0, "frames_repeated": 100.0},
    ("US", "saturated"): {"us_white_share": 100.0, "us_black_share": 0.0, "frames_repeated": 100.0},
    ("US", "16 x 16"): {"frames_repeated": 100.0},
    ("MG", "one value"): {},
    ("MG", "black"): {},
    ("MG", "saturated"): {},
    ("MG", "16 x 16"): {},
    ("XA", "black"): {"frames_repeated": 100.0},
    ("XA", "16 x 16"): {"frames_repeated": 100.0},
    ("NM", "one value"): {"nm_counts": 90.0 * 256 * 320},
    ("NM", "black"): {"nm_counts": 0.0},
    ("NM", "16 x 16"): {"nm_counts": None},
    ("OT", "black"): {"capture_even_share": 100.0, "capture_detail": 0.0},
    ("OT", "16 x 16"): {"capture_even_share": None, "capture_detail": None},
}
FROM_HEADERS = {"exposure_index", "us_calibrated_regions", "nm_tags_missing"}


def hold(numbers: Numbers, expected: Collection[str], covering: Collection[str]) -> dict[str, float]:
    """Hold the cells of a column: exactly the expected numbers, and a reason for all others that cover it."""
    measurements, left_out = numbers
    values = {one.name: one.value for one in measurements}
    reasons = {name: one.reason for one in left_out for name in one.measurements}
    assert all(map(math.isfinite, values.values()))
    assert set(values) - FROM_HEADERS == set(expected)
    assert set(values).isdisjoint(reasons)
    assert set(covering) <= values.keys() | reasons.keys(), "each has a number or a reason"
    assert all(reason.endswith(".") or " " in reason for reason in reasons.values())
    return values


def covering_series(modality: str) -> set[str]:
    return {
        name
        for name, one in MEASUREMENTS.all().items()
        if isinstance(one, SeriesMeasure)
        and not isinstance(one, FramesMeasure)
        and (not one.modalities or modality in one.modalities)
    }


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("modality", OF_STACKS)
def test_a_stack_that_shows_nothing(tmp_path: Path, modality: str, case: str) -> None:
    expected = {*PLACES, *HEADERS[modality], *OF_STACKS[modality][case]}
    values = hold(of_series(tmp_path, case, modality), expected, covering_series(modality))
    if case in ("one value", "black", "padding"):
        assert values["slices_blank"] == values["slice_count"]


@pytest.mark.parametrize("case", OF_RADIOGRAPHS)
def test_a_radiograph_that_shows_nothing(case: str) -> None:
    expected = OF_RADIOGRAPHS[case]
    covering = {
        name for name, one in MEASUREMENTS.all().items() if isinstance(one, ImageMeasure) and not one.modalities
    }
    values = hold(of_radiograph(case), expected, covering)
    assert {name: values[name] for name, value in expected.items() if value is not None} == {
        name: value for name, value in expected.items() if value is not None
    }


@pytest.mark.parametrize(("modality", "case"), OF_FRAMES)
def test_frames_that_show_nothing(tmp_path: Path, modality: str, case: str) -> None:
    expected = OF_FRAMES[modality, case]
    values = hold(of_frames(tmp_path / "one.dcm", case, modality), expected, ())
    assert {name: values[name] for name, value in expected.items() if value is not None} == {
        name: value for name, value in expected.items() if value is not None
    }
