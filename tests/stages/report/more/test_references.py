"""What the objects of a series refer to: the slice that they show, the instances that they judge, the place of each."""

from __future__ import annotations

from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset

from miqa_node.core.domain.delivery import ResultKind
from tests.stages.measure.series import making as volumes
from tests.stages.report.test_references import objects


def test_masks_of_a_series_that_is_not_placed_as_a_whole_get_no_place_of_another_slice(tmp_path: Path) -> None:
    def lost(dataset: FileDataset) -> None:
        if dataset.InstanceNumber == 2:
            del dataset.ImagePositionPatient

    paths = volumes.write_series(tmp_path, [volumes.body_ct(seed=n) for n in range(3)], "CT", change=lost)
    slices = [(path, 0) for path in paths]
    seg = objects(slices, (0, 1), (volumes.SIDE, volumes.SIDE))[ResultKind("SEG")]
    for frame, number in zip(seg.PerFrameFunctionalGroupsSequence, (1, 2), strict=True):
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        assert source.ReferencedSOPInstanceUID == f"{volumes.SERIES}.{number}"
        assert "PlanePositionSequence" not in frame
    placed = objects(slices, (0, 2), (volumes.SIDE, volumes.SIDE))[ResultKind("SEG")]
    positions = {
        frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID:
        frame.PlanePositionSequence[0].ImagePositionPatient
        for frame in placed.PerFrameFunctionalGroupsSequence
    }  # fmt: skip
    marked = [pydicom.dcmread(paths[n]) for n in (0, 2)]
    assert positions == {one.SOPInstanceUID: one.ImagePositionPatient for one in marked}
