"""Anatomical points in the report: a region of one point for each, with the side of the patient."""

from __future__ import annotations

import io
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.image import SaliencyMaps
from miqa_node.core.domain.landmarks import Landmarks, Outline
from miqa_node.core.domain.verdict import Verdict
from miqa_node.stages.report.image import ReportedImage
from miqa_node.stages.report.made import MadeObject
from miqa_node.stages.report.make import make_objects
from tests.stages.assess.landmarks.making import LUNG_BOXES, STRAIGHT
from tests.stages.report import making

hd = pytest.importorskip("highdicom.sr")

MEASURED = (
    Measurement("rotation_percent", -12.5, "%"),
    Measurement("ribs_above_dome", 9.2, "1"),
    Measurement("tilt_deg", 1.25, "deg"),
    Measurement("cut_sides", 0.1, "1"),
    Measurement("lung_margin", 12.0, "mm"),
    Measurement("lung_height_ratio", 0.75, "1"),
)


LUNGS: dict[str, Outline] = {
    side: ((x0, y0), (x1, y0), (x1, y1), (x0, y1)) for side, (x0, y0, x1, y1) in LUNG_BOXES.items()
}


def assessed(points: dict[str, tuple[float, float]], lungs: dict[str, Outline] | None = None) -> Assessment:
    landmarks = Landmarks(points, {}, "landmarks-1.0.0", "ef" * 32, lungs or {})
    return replace(making.assessment(measurements=MEASURED), landmarks=landmarks)


def report(source: Path, points: dict[str, tuple[float, float]], lungs: dict[str, Outline] | None = None) -> MadeObject:
    [made] = make_objects(
        ReportedImage(source, SaliencyMaps()), assessed(points, lungs), making.disposition(Verdict.ACCEPT), None,
        {ResultKind("SR_FULL")},
    )  # fmt: skip
    return made


def lung_seg(source: Path, lungs: dict[str, Outline]) -> MadeObject:
    [made] = make_objects(
        ReportedImage(source, SaliencyMaps()), assessed(STRAIGHT, lungs), making.disposition(Verdict.ACCEPT), None,
        {ResultKind("SEG_LUNGS")},
    )  # fmt: skip
    return made


def content_of(made: MadeObject) -> Any:
    """The report as highdicom reads it."""
    return hd.srread(io.BytesIO(made.data)).content


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dataset = making.small(200, 160)
    making.as_dx(dataset)
    return making.write(dataset, tmp_path_factory.mktemp("source") / "source.dcm")


def test_each_point_is_a_region_in_coordinates_of_the_stored_image(source: Path) -> None:
    groups = content_of(report(source, STRAIGHT)).get_planar_roi_measurement_groups(
        graphic_type=hd.GraphicTypeValues.POINT
    )
    assert len(groups) == len(STRAIGHT)
    named = {group.tracking_identifier: group for group in groups}
    apex = named["Apex of the lung, patient's right"]  # apex_l: Patient Orientation of the source is L\\F
    assert np.allclose(apex.roi.value, [[0.35 * 160, 0.15 * 200]])
    assert apex.finding_type.value == "LM_APEX"
    [site] = apex.finding_sites
    assert (site.value.value, site.value.scheme_designator) == ("86598002", "SCT")
    assert [item.ConceptCodeSequence[0].CodeValue for item in site.ContentSequence] == ["24028007"]
    assert named["Spine between the clavicles"].finding_type.value == "LM_SPINE_TOP"
    assert len({group.tracking_uid for group in groups}) == len(groups)


def test_an_image_that_is_stored_the_other_way_round_has_the_other_side(tmp_path: Path) -> None:
    dataset = making.small(200, 160)
    making.as_dx(dataset)
    dataset.PatientOrientation = ["R", "F"]
    turned = making.write(dataset, tmp_path / "turned.dcm")
    content = content_of(report(turned, {"apex_l": (0.3, 0.2)}))
    [group] = content.get_planar_roi_measurement_groups(graphic_type=hd.GraphicTypeValues.POINT)
    assert group.tracking_identifier == "Apex of the lung, patient's left"


def test_each_lung_is_a_closed_outline_named_by_the_side_of_the_patient(source: Path) -> None:
    groups = content_of(report(source, {}, LUNGS)).get_planar_roi_measurement_groups(
        graphic_type=hd.GraphicTypeValues.POLYLINE
    )
    named = {group.tracking_identifier: group for group in groups}
    right = named["Lung, patient's right"]  # at the image's left: Patient Orientation of the source is L\\F
    corners = np.array(LUNGS["left"]) * (160, 200)
    assert np.allclose(right.roi.value, [*corners, corners[0]])
    assert (right.finding_type.value, right.finding_type.scheme_designator) == ("39607008", "SCT")
    [site] = right.finding_sites
    assert [item.ConceptCodeSequence[0].CodeValue for item in site.ContentSequence] == ["24028007"]
    assert len(groups) == 2


def test_the_segmentation_of_the_lungs_covers_what_is_inside_their_outlines(source: Path) -> None:
    seg = making.read(lung_seg(source, LUNGS))
    assert (seg.SeriesDescription, seg.SeriesNumber, seg.ContentLabel) == ("Lung fields", 9913, "LUNG_FIELDS")
    masks = seg.pixel_array.astype(bool)
    assert masks.shape == (2, 200, 160)
    for mask, (x0, y0, x1, y1) in zip(masks, LUNG_BOXES.values(), strict=True):
        drawn = np.zeros((200, 160), np.bool_)
        drawn[round(200 * y0) : round(200 * y1), round(160 * x0) : round(160 * x1)] = True
        assert (mask != drawn).mean() < 0.01, "to half a pixel"
    kinds = [segment.SegmentedPropertyTypeCodeSequence[0] for segment in seg.SegmentSequence]
    assert [kind.CodeValue for kind in kinds] == ["39607008", "39607008"]
    sides = [kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning for kind in kinds]
    assert sides == ["Right", "Left"]
    assert [segment.SegmentAlgorithmName for segment in seg.SegmentSequence] == ["landmarks", "landmarks"]
    report_groups = content_of(report(source, {}, LUNGS)).get_planar_roi_measurement_groups()
    assert {segment.TrackingUID for segment in seg.SegmentSequence} == {group.tracking_uid for group in report_groups}


def test_without_a_lung_field_there_is_no_such_segmentation(source: Path) -> None:
    made = make_objects(
        ReportedImage(source, SaliencyMaps()), assessed(STRAIGHT), making.disposition(Verdict.ACCEPT), None,
        {ResultKind("SEG_LUNGS")},
    )  # fmt: skip
    assert not made


def test_measurements_of_the_points_have_codes_and_units(source: Path) -> None:
    image, *_ = content_of(report(source, STRAIGHT)).get_image_measurement_groups()
    measurements = {one.name.value: (one.value, one.unit.value) for one in image.get_measurements()}
    assert measurements["PATIENT_ROTATION"] == (-12.5, "%")
    assert measurements["RIBS_ABOVE_DOME"] == (9.2, "{ribs}")
    assert measurements["SPINE_TILT"] == (1.25, "deg")
    assert measurements["LUNG_MARGIN"] == (12.0, "mm")


@pytest.mark.more
@pytest.mark.peers
@pytest.mark.parametrize("kind", ["SR", "SEG_LUNGS"])
def test_objects_with_lungs_are_valid(source: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "object.dcm"
    path.write_bytes((report(source, STRAIGHT, LUNGS) if kind == "SR" else lung_seg(source, LUNGS)).data)
    run = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    assert "Error" not in run.stderr + run.stdout


@pytest.mark.more
@pytest.mark.peers
def test_the_report_with_points_is_valid(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.dcm"
    path.write_bytes(report(source, STRAIGHT).data)
    run = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    assert "Error" not in run.stderr + run.stdout
