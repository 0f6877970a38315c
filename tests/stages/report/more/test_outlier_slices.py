"""Slices that do not belong to the rest of their series are segments of its segmentation, each as a whole."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from miqa_node.core.domain.delivery import SEG, SR, ResultKind
from tests.stages.measure.series import making
from tests.stages.measure.series.making import Image
from tests.stages.measure.series.test_lost_slices import blank
from tests.stages.measure.series.test_stacks import walk
from tests.stages.report.flagged import judged_paths
from tests.stages.report.test_outlier_slices import made, number_of
from tests.stages.report.test_series_objects import groups_of


def metal() -> list[Image]:
    return [making.with_metal(one) for one in walk()]


def test_a_region_keeps_its_segment_its_group_and_the_picture(tmp_path: Path) -> None:
    images = metal()
    alone = judged_paths(making.write_series(tmp_path / "metal", images, "CT"))
    both = judged_paths(making.write_series(tmp_path / "both", blank(images, [4]), "CT"))
    assert [len(made(one, SEG).SegmentSequence) for one in (alone, both)] == [1, 2]
    assert number_of(both, "metal_share") == 1
    assert [len(groups_of(made(one, SR))) for one in (alone, both)] == [1, 1]


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
        assert [one.SegmentLabel for one in seg.SegmentSequence] == ["Metal", "Blank slices"]
        assert seg.get_volume(segment_numbers=[2]).array.any(axis=(1, 2, 3)).sum() == 2
