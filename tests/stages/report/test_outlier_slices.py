"""Slices that do not belong to the rest of their series are segments of its segmentation, each as a whole."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path

import pydicom
import pytest

from miqa_node.core.domain.delivery import SEG, SR, ResultKind
from miqa_node.stages.report.make import make_objects
from tests.stages.measure.series import making
from tests.stages.measure.series.making import Image
from tests.stages.measure.series.test_lost_slices import blank
from tests.stages.measure.series.test_stacks import walk
from tests.stages.report.flagged import judged_paths
from tests.stages.report.making import read
from tests.stages.report.test_series_objects import Series, frames, groups_of

SEG_LABELMAP = ResultKind("SEG_LABELMAP")


def misplaced() -> list[Image]:
    images = walk()
    return [*images[:3], images[8], *images[3:8], *images[9:]]


def repeated() -> list[Image]:
    images = walk()
    return [*images[:5], images[4], *images[6:]]


def jumping() -> list[Image]:
    return [making.head_mr(signal=300.0 if place == 5 else 600.0, seed=place) for place in range(9)]


CASES = {
    "slices_blank": ("CT", blank(walk(), [4, 6]), [4, 6]),
    "slices_repeated": ("CT", repeated(), [5]),
    "slice_disorder": ("CT", misplaced(), [3]),
    "slice_jump": ("MR", jumping(), [5]),
}


def made(series: Series, kind: ResultKind) -> pydicom.FileDataset:
    [one] = make_objects(*series, kinds={kind})
    return read(one)


def uids(paths: list[Path], places: list[int]) -> set[str]:
    return {str(pydicom.dcmread(paths[place]).SOPInstanceUID) for place in places}


def number_of(series: Series, name: str) -> int:
    """The number of the segment of a measurement, by the order of the first masks of those that flagged the series."""
    reasons = {one.name for one in series[2].reasons}
    names = dict.fromkeys(one.measurement for one in series[0].masks if one.measurement in reasons)
    return [*names].index(name) + 1


def metal() -> list[Image]:
    return [making.with_metal(one) for one in walk()]


@pytest.mark.parametrize("name", CASES)
def test_outlier_slices_are_a_segment(name: str, tmp_path: Path) -> None:
    modality, images, places = CASES[name]
    paths = making.write_series(tmp_path, images, modality)
    series = judged_paths(paths)
    seg, labels = made(series, SEG), made(series, SEG_LABELMAP)
    number = number_of(series, name)
    marks = {image: pixels for (segment, image), (_, pixels) in frames(seg).items() if segment == number}
    assert set(marks) == uids(paths, places)
    assert all(set(pixels) == {1} for pixels in marks.values())
    assert number in {one.SegmentNumber for one in labels.SegmentSequence}
    assert not groups_of(made(series, SR)), "a whole slice has no volume that says anything"


@pytest.mark.more
def test_a_region_keeps_its_segment_its_group_and_the_picture(tmp_path: Path) -> None:
    images = metal()
    alone = judged_paths(making.write_series(tmp_path / "metal", images, "CT"))
    both = judged_paths(making.write_series(tmp_path / "both", blank(images, [4]), "CT"))
    assert [len(made(one, SEG).SegmentSequence) for one in (alone, both)] == [1, 2]
    assert number_of(both, "metal_share") == 1
    assert [len(groups_of(made(one, SR))) for one in (alone, both)] == [1, 1]


@pytest.mark.more
@pytest.mark.peers
@pytest.mark.parametrize("kind", [SEG, SR])  # it knows no label maps
def test_they_are_valid_and_highdicom_reads_them(kind: ResultKind, tmp_path: Path) -> None:
    highdicom = pytest.importorskip("highdicom.seg")
    series = judged_paths(making.write_series(tmp_path, blank(metal(), [4, 6]), "CT"))
    path = tmp_path / "object.dcm"
    made(series, kind).save_as(path, enforce_file_format=True)
    run = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
    errors = [line for line in (run.stderr + run.stdout).splitlines() if line.startswith("Error")]
    assert errors == []
    if kind == SEG:
        seg = highdicom.segread(path)
        with closing(seg._db_con):  # it has no other way to close its database
            assert [one.SegmentLabel for one in seg.SegmentSequence] == ["Metal", "Blank slices"]
            assert seg.get_volume(segment_numbers=[2]).array.any(axis=(1, 2, 3)).sum() == 2
