"""What people read of a number: where it was found by the header's names, as many digits as it is exact to."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import FileDataset

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.domain.reason_texts import measured_text
from miqa_node.core.domain.shown_number import shown_number
from miqa_node.core.language.catalogue import LANGUAGE, numerals, reworded
from miqa_node.stages.measure.base import series_measures
from tests.stages.measure.drawn_series import heads, judged, write


def located(ds: FileDataset) -> None:
    """Numbers as a scanner counts them: the whole study, not the stack."""
    ds.InstanceNumber, ds.SliceLocation = int(ds.InstanceNumber) + 200, f"{100 + 3 * int(ds.InstanceNumber):.1f}"


def test_a_gap_is_between_slices_that_the_header_names(tmp_path: Path) -> None:
    paths = write(tmp_path, heads(10, side=64), "MR", located)
    gap = judged([*paths[:5], *paths[6:]])[0].measurement("slice_gaps")
    assert gap is not None
    place = "the largest, 6 mm, between slices 5 and 6, Instance Numbers 205 to 207, Slice Location 115.0 to 121.0 mm"
    assert (gap.value, str(gap.place)) == (1.0, place)
    context = LANGUAGE.set("de")
    try:
        german = numerals(reworded(gap.place))
    finally:
        LANGUAGE.reset(context)
    assert german == (
        "die größte, 6 mm, zwischen den Schichten 5 und 6, Instance Numbers 205 bis 207, "
        "Slice Location 115,0 bis 121,0 mm"
    )


def test_a_doubled_place_is_one_that_the_header_names(tmp_path: Path) -> None:
    def doubled(ds: FileDataset) -> None:
        located(ds)
        if ds.InstanceNumber == 207:
            ds.ImagePositionPatient = [-120.0, -120.0, 15.0]

    overlap = judged(write(tmp_path, heads(10, side=64), "MR", doubled))[0].measurement("slice_overlaps")
    assert overlap is not None
    assert str(overlap.place).startswith("the first at 15 mm, Instance Number 20")


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
def test_every_number_of_a_series_ends_where_its_tolerance_does(modality: str) -> None:
    without = {one.name for one in series_measures(modality) if one.decimals is None}
    assert without <= {"mr_fber"}, "exact to a share of itself, over many powers of ten"


@pytest.mark.parametrize(
    ("name", "value", "limit", "shown"),
    [
        ("ct_noise", 24.6213, None, "24.6"),
        ("hu_offset", -17.46, None, "-17"),
        ("hu_offset", -0.2, None, "0"),
        ("ct_noise", 60.004, 60.0, "60.004"),
        ("truncation", 7.0, 7.0, "7"),
        ("slice_gaps", 1.0, 0.0, "1"),
        ("coverage", 1374.25, None, "1,374.2"),
        ("measured_elsewhere", 0.123456, None, "0.1235"),
        ("dlp", 1e300, 10.0, "1e+300"),
    ],
)
def test_a_number_has_the_digits_of_its_tolerance(name: str, value: float, limit: float | None, shown: str) -> None:
    assert shown_number(name, value, limit) == shown
    if limit is not None and value > limit:
        assert shown in str(measured_text(Measurement(name, value, "1"), "above", limit))
