"""The segmentation and the report of a CT or MR series, with the extra ``series`` and without it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.delivery import SEG, SR
from miqa_node.core.domain.verdict import Disposition
from miqa_node.stages.report.made import ReportRequest, ReportSettings
from miqa_node.stages.report.make import make_objects
from miqa_node.stages.report.series.extra import LIBRARIES
from miqa_node.stages.report.stack import ReportedSeries
from tests.stages.measure.series import making
from tests.stages.report.flagged import judged_series
from tests.stages.report.making import read

Series = tuple[ReportedSeries, Assessment, Disposition]
VOLUMETRIC_GROUP = "1411"


@pytest.fixture(scope="module", params=["CT", "MR"])
def series(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Series:
    return judged_series(tmp_path_factory.mktemp("series"), request.param)


@pytest.fixture
def libraries() -> None:
    for name in LIBRARIES:
        pytest.importorskip(name)


def objects(series: Series) -> tuple[Dataset, Dataset]:
    """Segmentation and report."""
    seg, report = make_objects(*series, kinds={SEG, SR})
    return read(seg), read(report)


def without(series: Series) -> tuple[Dataset, Dataset]:
    """The same where the extra is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        for name in LIBRARIES:
            patch.setitem(sys.modules, name, None)
        return objects(series)


def frames(seg: Dataset) -> dict[tuple[int, str], tuple[list[float], bytes]]:
    """Place and pixels of each frame, by segment and image."""
    bits = np.unpackbits(np.frombuffer(seg.PixelData, np.uint8), bitorder="little")
    pixels = bits[: seg.NumberOfFrames * seg.Rows * seg.Columns].reshape(-1, seg.Rows * seg.Columns)
    frames_by_place = {}
    (shared,) = seg.SharedFunctionalGroupsSequence
    for frame, one in zip(seg.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        groups = frame if "SegmentIdentificationSequence" in frame else shared
        number = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        image = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        place = [float(value) for value in frame.PlanePositionSequence[0].ImagePositionPatient]
        frames_by_place[number, image] = place, one.tobytes()
    return frames_by_place


def groups_of(report: Dataset, template: str = VOLUMETRIC_GROUP) -> list[Dataset]:
    return [
        item
        for item in report.ContentSequence[-1].ContentSequence
        if item.ContentTemplateSequence[0].TemplateIdentifier == template
    ]


def test_the_same_regions_are_segmented(series: Series, libraries: None) -> None:
    ours, (theirs, _) = without(series)[0], objects(series)
    assert "SourceImageSequence" in theirs, "not made by highdicom"
    assert frames(theirs) == frames(ours)
    identity = ("SOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "PatientName", "SegmentSequence")
    of_frames = ("DimensionOrganizationSequence", "SegmentsOverlap", "NumberOfFrames", "LossyImageCompression")
    for keyword in (*identity, *of_frames):
        assert theirs[keyword].value == ours[keyword].value, keyword


def test_the_indices_of_frames_follow_their_places(series: Series, libraries: None) -> None:
    seg, _ = objects(series)
    rows = seg.PerFrameFunctionalGroupsSequence
    indices = [tuple(row.FrameContentSequence[0].DimensionIndexValues) for row in rows]
    assert indices == sorted(indices)
    assert {index[-1] for index in indices} == set(range(1, len(indices) + 1))


def test_the_distance_of_marked_slices_is_not_given_out_as_that_of_slices(series: Series, libraries: None) -> None:
    (measures,) = objects(series)[0].SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    assert measures.get("SpacingBetweenSlices") == (5.0 if series[1].header.modality == "MR" else None)


def test_the_report_names_the_volume_of_what_is_segmented(series: Series, libraries: None) -> None:
    seg, report = objects(series)
    (group,) = groups_of(report)
    by_name = {item.ConceptNameCodeSequence[0].CodeMeaning: item for item in group.ContentSequence}
    marked = sum(int(np.count_nonzero(np.frombuffer(pixels, np.uint8))) for _, pixels in frames(seg).values())
    volume = float(by_name["Volume"].MeasuredValueSequence[0].NumericValue)
    assert volume == pytest.approx(marked * making.SPACING_MM**2 * 5.0 / 1000.0, rel=1e-5)
    assert seg.SegmentSequence[0].TrackingUID == by_name["Tracking Unique Identifier"].UID
    assert by_name["Comment"].TextValue.endswith(f": {volume:.3g} cm3 in 2 parts.")


def test_the_report_outlines_it_on_the_slices_that_are_marked(series: Series, libraries: None) -> None:
    seg, report = objects(series)
    (group,) = groups_of(report)
    regions = [item for item in group.ContentSequence if item.ValueType == "SCOORD"]
    named = {item.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in regions}
    assert named == {image for _, image in frames(seg)}
    for item in regions:
        columns, rows = item.GraphicData[::2], item.GraphicData[1::2]
        image = item.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        pixels = np.frombuffer(frames(seg)[1, image][1], np.uint8).reshape(seg.Rows, seg.Columns)
        for column, row in zip(columns, rows, strict=True):
            assert pixels[int(row), int(column)]


def test_everything_else_of_the_report_is_as_without_them(series: Series, libraries: None) -> None:
    (_, ours), (_, theirs) = without(series), objects(series)
    assert groups_of(ours) == []
    assert ours.SOPInstanceUID == theirs.SOPInstanceUID
    measurements = theirs.ContentSequence[-1]
    measurements.ContentSequence = [one for one in measurements.ContentSequence if one not in groups_of(theirs)]
    assert theirs.ContentSequence == ours.ContentSequence


def test_the_same_series_gives_the_same_bytes(series: Series, libraries: None) -> None:
    first, again = (make_objects(*series, kinds={SEG, SR}) for _ in range(2))
    assert [one.data for one in first] == [one.data for one in again]


@pytest.mark.parametrize("keyword", ["FrameOfReferenceUID", "PixelSpacing"])
def test_slices_that_are_no_stack_are_segmented_as_before(tmp_path: Path, keyword: str, libraries: None) -> None:
    stack, assessment, disposition = judged_series(tmp_path, "CT")
    for path, _ in stack.slices:
        dataset = pydicom.dcmread(path)
        del dataset[keyword]
        dataset.save_as(path)
    seg, report = objects((stack, assessment, disposition))
    assert "SourceImageSequence" not in seg
    assert len(groups_of(report)) == 1
    if keyword == "PixelSpacing":
        assert "Volume" not in str(groups_of(report)[0])


def test_what_highdicom_refuses_is_segmented_as_before(
    series: Series, monkeypatch: pytest.MonkeyPatch, libraries: None
) -> None:
    import highdicom.seg

    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("the slices are odd")

    with monkeypatch.context() as patch:
        patch.setattr(highdicom.seg, "Segmentation", refuse)
        seg, _ = objects(series)
    assert frames(seg) == frames(without(series)[0])


def test_irregular_slices_have_no_volume(series: Series, libraries: None) -> None:
    from miqa_node.stages.report.series.volume import extent_of

    stack, assessment, disposition = series
    context = stack.context(ReportRequest(assessment, disposition, ReportSettings(), frozenset({SEG, SR})))
    masks = list(context.slice_masks)
    extent = extent_of(masks)
    assert extent is not None
    moved = replace(
        masks[-1].place, position_mm=tuple(3.0 * value + 1.0 for value in masks[-1].place.position_mm or ())
    )
    odd = [*masks[:-1], replace(masks[-1], place=moved)]
    assert (extent_of(odd) is None) == (len(masks) > 2)


@pytest.mark.more
def test_nothing_loads_them_before_a_series_is_marked() -> None:
    code = (
        "import sys, miqa_node.built_in, miqa_node.stages.report.make\n"
        "from miqa_node.stages.report.outputs.base import OUTPUTS\n"
        f"OUTPUTS.all(); print([name for name in {LIBRARIES} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
