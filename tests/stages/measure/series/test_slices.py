"""What is read of the header of a slice: the elements that are picked out say all that the whole header would."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.dicom.bytes import head
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.runtime.workers.child import decode_here
from miqa_node.stages.measure import slices
from miqa_node.stages.measure.series_view import SeriesView, SliceTools
from miqa_node.stages.measure.where import place_of_slice, place_of_slices
from tests.stages.measure.series import making

DIGEST = InstanceDigest("a")


def fully(path: Path, frames: int) -> list[slices.Slice]:
    """Of the whole header."""
    ds = head.read_head(path, force=True)
    return [slices._slice(ds, DIGEST, path, frame) for frame in range(frames)]


@pytest.mark.parametrize(
    ("name", "frames"), [("CT_small.dcm", 1), ("MR_small.dcm", 1), ("693_UNCI.dcm", 1), ("emri_small.dcm", 10)]
)
def test_what_is_picked_out_of_a_header_is_all_that_the_whole_one_says(name: str, frames: int) -> None:
    path = Path(str(get_testdata_file(name, download=False)))
    if not path.is_file():
        pytest.skip(f"{name} is not here")
    every = slices.read_slices([(DIGEST, path)])
    assert sorted(every, key=lambda one: one.frame) == fully(path, frames)


def test_groups_of_frames_that_are_too_long_to_be_picked_out_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(str(get_testdata_file("emri_small.dcm")))
    plain: Callable[..., object] = head.read_some

    def without(file: Path, tags: frozenset[int]) -> object:
        return plain(file, tags - {0x52009230})  # Per-frame Functional Groups Sequence

    monkeypatch.setattr(slices, "read_some", without)
    assert sorted(slices.read_slices([(DIGEST, path)]), key=lambda one: one.frame) == fully(path, 10)


def test_frames_are_named_by_the_number_of_their_object() -> None:
    path = Path(str(get_testdata_file("emri_small.dcm")))
    frames = slices.read_slices([(DIGEST, path)])
    [number] = {one.instance_number for one in frames}
    view = SeriesView(read_header(path)[0], frames, SliceTools(partial(decode_here, max_pixels=0)))
    assert place_of_slices(view, [0, 4]) == f"2 of 10 slices, from 1 to 5, Instance Number {number}"
    assert place_of_slice(view, 4) == f"slice 5 of 10, Instance Number {number}"


def test_a_header_that_breaks_off_behind_its_geometry_has_it(tmp_path: Path) -> None:
    """Some writers give the pixels an undefined length, behind which pydicom looks for elements."""
    [path] = making.write_series(tmp_path, [making.body_ct()], "CT")
    data = path.read_bytes()
    pixels = data.index(b"\xe0\x7f\x10\x00OW\0\0")
    path.write_bytes(data[: pixels + 8] + b"\xff\xff\xff\xff" + data[pixels + 12 :])
    [one] = slices.read_slices([(DIGEST, path)])
    assert (one.rows, one.place_mm) == (making.SIDE, 0.0)


@pytest.mark.shared
def test_a_big_endian_slice_with_an_odd_header_is_measured(shared_data: Path) -> None:
    name = "fo-dicom__GH177_D_CLUNIE_CT1_IVRLE_BigEndian_undefined_length.dcm"
    [one] = slices.read_slices([(DIGEST, shared_data / "dicom_cases" / name)])
    assert (one.rows, one.thickness_mm) == (512, 5.0)
    assert one.place_mm == pytest.approx(-75.7)
