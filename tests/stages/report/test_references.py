"""What the objects of a series refer to: the slice that they show, the instances that they judge, the place of each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.domain.codes import POSITIONING
from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.output import output_kinds
from miqa_node.core.domain.series import MeasurementMask
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.stages.report.make import make_objects
from miqa_node.stages.report.outputs.rejection import Confirmation, rejection_note
from miqa_node.stages.report.stack import ReportedSeries
from tests.stages.measure.series import making as volumes
from tests.stages.report import making
from tests.stages.report.flagged import decode

REASON = Reason("truncation", "Truncation 12.5 % is above 10 %", POSITIONING, Verdict.REVIEW)
ENHANCED_CT = making.SAMPLES / "eCT_Supplemental.dcm"


def objects(
    slices: list[tuple[Path, int]], marked: tuple[int, ...], shape: tuple[int, int]
) -> dict[ResultKind, FileDataset]:
    mask = np.zeros(shape, bool)
    mask[10:20, 30:50] = True
    assessment = replace(making.not_assessed(), measurements=(Measurement("truncation", 12.5, "%"),))
    verdict = Disposition(Verdict.REVIEW, (REASON,), "2026-11", "CT series")
    stack = ReportedSeries(slices, [MeasurementMask.of("truncation", index, mask) for index in marked], (), decode)
    made = make_objects(stack, assessment, verdict, kinds=set(output_kinds()))
    return {item.kind: making.read(item) for item in made}


def test_the_picture_names_the_frame_that_it_shows_and_the_key_object_the_whole_image() -> None:
    made = objects([(ENHANCED_CT, 0), (ENHANCED_CT, 1)], (1,), (512, 512))
    assert made[ResultKind("SC")].SourceImageSequence[0].ReferencedFrameNumber == 2
    key = made[ResultKind("KOS")].ContentSequence[-1].ReferencedSOPSequence[0]
    page = made[ResultKind("PDF")].SourceInstanceSequence[0]
    assert key.ReferencedSOPInstanceUID == page.ReferencedSOPInstanceUID == pydicom.dcmread(ENHANCED_CT).SOPInstanceUID
    assert "ReferencedFrameNumber" not in key
    assert "ReferencedFrameNumber" not in page


def test_a_rejection_rejects_instances_and_not_a_frame_of_them() -> None:
    """RAD TF-2 4.66: an archive that took the first frame out of use would still show the others."""
    confirmation = Confirmation("reader1", datetime(2026, 11, 20, 12, 0, tzinfo=UTC), POSITIONING.value)
    note = making.read(rejection_note([ENHANCED_CT], making.not_assessed(), confirmation))
    assert "ReferencedFrameNumber" not in note.ContentSequence[-1].ReferencedSOPSequence[0]


@pytest.mark.more
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
