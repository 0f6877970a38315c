"""What lies outside a display shutter is neither shown nor judged; places refer to the full matrix."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sequence import Sequence

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.image import Radiograph, SaliencyMap, SaliencyMaps
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.landmarks import Landmarks, SideMarker
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.domain.traits import ImageTraits
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.dicom.pixels.shutter import read_shutter
from miqa_node.stages.assess.field import field_of, judge_field
from tests.dicom.bytes.test_headers import make
from tests.stages.measure.phantoms import header as chest_header

NOISE = Code("1", "99TEST", "noise")
NOW = datetime(2026, 1, 2, tzinfo=UTC)
SHAPE = 40, 60
RECTANGLE: dict[str, Any] = {
    "ShutterShape": "RECTANGULAR",
    "ShutterLeftVerticalEdge": 11,
    "ShutterRightVerticalEdge": 50,
    "ShutterUpperHorizontalEdge": 6,
    "ShutterLowerHorizontalEdge": 35,
}
INSIDE = slice(5, 35), slice(10, 50)


def shutter(**elements: object) -> tuple[NDArray[np.bool_] | None, list[str]]:
    ds, steps = Dataset(), list[str]()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return read_shutter(ds, 0, SHAPE, steps), steps


def expected() -> NDArray[np.bool_]:
    mask = np.zeros(SHAPE, bool)
    mask[INSIDE] = True
    return mask


def test_edges_of_a_rectangle_belong_to_the_image() -> None:
    inside, steps = shutter(**RECTANGLE)
    assert inside is not None
    assert np.array_equal(inside, expected())
    assert steps == ["display shutter RECTANGULAR: outside to black"]


def test_a_polygon_is_given_by_rows_and_columns() -> None:
    inside, _ = shutter(ShutterShape="POLYGONAL", VerticesOfThePolygonalShutter=[6, 11, 6, 50, 35, 50, 35, 11])
    assert inside is not None
    assert np.array_equal(inside, expected())


def test_a_circle_has_its_centre_and_radius_in_pixels() -> None:
    inside, _ = shutter(ShutterShape="CIRCULAR", CenterOfCircularShutter=[21, 31], RadiusOfCircularShutter=10)
    assert inside is not None
    assert inside[[20, 10, 20], [30, 30, 40]].all()
    assert not inside[[9, 20, 12], [30, 41, 38]].any()


def test_a_bit_of_a_bitmap_hides_a_pixel() -> None:
    ds, steps = Dataset(), list[str]()
    ds.ShutterShape, ds.ShutterOverlayGroup = "BITMAP", 0x6002
    ds.add_new((0x6002, 0x3000), "OW", np.packbits(~expected(), bitorder="little").tobytes())
    inside = read_shutter(ds, 0, SHAPE, steps)
    assert inside is not None
    assert np.array_equal(inside, expected())


def test_several_shutters_leave_what_lies_in_all() -> None:
    circle = {"CenterOfCircularShutter": [21, 31], "RadiusOfCircularShutter": 18}
    inside, _ = shutter(**{**RECTANGLE, **circle, "ShutterShape": ["RECTANGULAR", "CIRCULAR"]})
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    assert inside is not None
    assert np.array_equal(inside, expected() & ((rows - 20) ** 2 + (columns - 30) ** 2 <= 18**2))


def test_a_frame_has_its_own_shutter() -> None:
    item, group = Dataset(), Dataset()
    for keyword, value in RECTANGLE.items():
        setattr(item, keyword, value)
    group.FrameDisplayShutterSequence = Sequence([item])
    inside, _ = shutter(PerFrameFunctionalGroupsSequence=Sequence([group]))
    assert inside is not None
    assert np.array_equal(inside, expected())


@pytest.mark.parametrize(
    "elements",
    [
        {"ShutterShape": "RECTANGULAR"},
        {**RECTANGLE, "ShutterLeftVerticalEdge": 70},
        {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [1, 1, 2, 2]},
        {"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [21, 31]},
        {"ShutterShape": "BITMAP", "ShutterOverlayGroup": 0x6000},
        {"ShutterShape": "STAR"},
    ],
)
def test_a_shutter_without_a_usable_description_is_ignored_and_said(elements: dict[str, Any]) -> None:
    assert shutter(**elements) == (None, ["display shutter without usable description ignored"])


def test_pixels_outside_are_black_and_not_valid(tmp_path: Path) -> None:
    stored = np.full(SHAPE, 3000, np.uint16)
    path = make(tmp_path / "a.dcm", Rows=SHAPE[0], Columns=SHAPE[1], PixelData=stored.tobytes(), **RECTANGLE)
    frame = decode_frame(path, 0, 1 << 20)
    assert frame.valid is not None
    assert np.array_equal(frame.valid, expected())
    assert not frame.display[~expected()].any()
    assert np.array_equal(frame.stored, stored)


def test_the_field_is_judged_alone_and_places_refer_to_the_matrix() -> None:
    """The judge sees the cropped image; points, outlines, markers, peaks and maps of its result are moved."""
    inner: list[Radiograph] = []

    def judge(header: Header, radiograph: Radiograph, digest: InstanceDigest, traits: ImageTraits) -> AssessorResult:
        inner.append(radiograph)
        assert (header.rows, header.columns) == radiograph.shape
        finding = Finding(FindingName("noise"), NOISE, 0.9, 0.5, 0.5, peak=(0.5, 0.5))
        points, lungs = {"apex_l": (0.0, 0.0)}, {"left": ((0.0, 0.0), (1.0, 1.0))}
        landmarks = Landmarks(points, lungs=lungs, markers=(SideMarker("L", 1.0, 1.0, 0.9),))
        assessment = Assessment(digest, header, NOW, findings=(finding,), landmarks=landmarks)
        return AssessorResult(assessment, SaliencyMaps({FindingName("noise"): SaliencyMap(ones, "x")}, None, {}))

    ones = np.ones((6, 8), np.float32)
    pixels = np.arange(SHAPE[0] * SHAPE[1], dtype=np.uint16).reshape(SHAPE)
    radiograph = Radiograph(pixels, pixels, (0, 65535), None, expected())
    header = chest_header(rows=SHAPE[0], columns=SHAPE[1])
    result = judge_field(judge, header, radiograph, InstanceDigest("a"), ImageTraits(is_radiograph=True))

    assert np.array_equal(inner[0].display, pixels[INSIDE])
    assert inner[0].valid is None
    assert result.assessment.header == header
    assert result.assessment.findings[0].peak == (0.5, 0.5)
    assert result.assessment.landmarks is not None
    assert result.assessment.landmarks.points["apex_l"] == (round(10 / 60, 4), round(5 / 40, 4))
    assert result.assessment.landmarks.lungs["left"][1] == (round(50 / 60, 4), round(35 / 40, 4))
    assert (result.assessment.landmarks.markers[0].x, result.assessment.landmarks.markers[0].y) == (0.8333, 0.875)
    values = result.maps.findings[FindingName("noise")].values
    assert values.shape == (8, 12)
    assert np.array_equal(values > 0, np.pad(np.ones((6, 8), bool), ((1, 1), (2, 2))))


def test_an_image_that_fills_its_matrix_is_judged_as_it_is() -> None:
    pixels = np.zeros(SHAPE, np.uint16)
    valid = np.ones(SHAPE, bool)
    valid[3, 4] = False
    assert field_of(Radiograph(pixels, pixels, (0, 1), None)) is None
    assert field_of(Radiograph(pixels, pixels, (0, 1), None, valid)) is None
    assert field_of(Radiograph(pixels, pixels, (0, 1), None, np.zeros(SHAPE, bool))) is None
