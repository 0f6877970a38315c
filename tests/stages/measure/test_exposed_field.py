"""The exposed field: borders that are drawn into a picture are measured, and nothing else is called a border."""

from __future__ import annotations

from datetime import UTC, datetime

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.domain.traits import ImageTraits
from miqa_node.stages.assess.field import judge_field
from miqa_node.stages.measure.base import image_measures
from miqa_node.stages.measure.image.field.borders import SIDES, depth
from miqa_node.stages.measure.projection import measure
from miqa_node.stages.measure.view import ImageView
from tests.stages.measure.phantoms import PITCH_MM, header, radiograph

Values = NDArray[np.float64]
ROWS, COLUMNS = 600, 500
FIELD = ("field_outside_share", "field_sides", "field_tilt_deg", *(f"field_{side}" for side in SIDES))


def anatomy(seed: int = 1) -> Values:
    """Structure of all sizes that reaches the border of the picture, values 800 to 3200."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((ROWS, COLUMNS))
    for sigma in (4, 16, 64):
        layer = cv2.GaussianBlur(rng.normal(size=(ROWS, COLUMNS)), (0, 0), sigma)
        picture += layer / layer.std()
    return np.asarray(np.clip(2000 + 500 * picture, 800, 3200))


def collimated(ends: dict[str, float], tilt_deg: float = 0.0, level: float = 30.0) -> Values:
    """Anatomy between leaves whose edges lie at these shares of the sides, with a half-shade of some pixels."""
    light = np.ones((ROWS, COLUMNS))
    for side, share in ends.items():
        length = COLUMNS if side in ("left", "right") else ROWS
        inwards = depth((ROWS, COLUMNS), side, tilt_deg) - share * length
        light *= 1 / (1 + np.exp(-np.clip(inwards / 1.5, -30, 30)))
    noise = np.random.default_rng(2).normal(0, 8, light.shape)
    return np.asarray(light * anatomy() + (1 - light) * level + noise)


def taken(values: Values, **changes: object) -> dict[str, float]:
    view = ImageView(radiograph(values, spacing_mm=None), header(rows=ROWS, columns=COLUMNS, **changes))
    measures = (one for one in image_measures(view.header) if one.name.startswith(("field_", "collimator_")))
    return {one.name: one.value for measure in measures if isinstance(one := measure.measure(view), Measurement)}


@pytest.mark.parametrize("level", [0.0, 400.0, 4000.0], ids=["black", "scatter", "unexposed"])
@pytest.mark.parametrize("tilt_deg", [0.0, -3.0, 6.0])
@pytest.mark.parametrize(
    "ends",
    [
        {"left": 0.2},
        {"top": 0.1, "bottom": 0.25},
        {"left": 0.15, "right": 0.1, "top": 0.2},
        {"left": 0.15, "right": 0.2, "top": 0.12, "bottom": 0.3},
    ],
    ids=len,
)
def test_borders_are_measured_within_two_percent_of_the_side(
    ends: dict[str, float], tilt_deg: float, level: float
) -> None:
    field = taken(collimated(ends, tilt_deg, level))
    for side in SIDES:
        assert field[f"field_{side}"] == pytest.approx(100 * ends.get(side, 0.0), abs=2.0), side
    assert field["field_sides"] == len(ends)
    assert field["field_tilt_deg"] == pytest.approx(tilt_deg, abs=0.5)
    across, down = (1 - sum(ends.get(side, 0.0) for side in pair) for pair in (SIDES[:2], SIDES[2:]))
    assert field["field_outside_share"] == pytest.approx(100 * (1 - across * down), abs=3.0)


def test_a_picture_that_is_exposed_to_its_border_has_no_sides_and_no_tilt() -> None:
    field = taken(anatomy())
    assert "field_tilt_deg" not in field
    assert {name: field[name] for name in FIELD if name in field} == dict.fromkeys(set(FIELD) - {"field_tilt_deg"}, 0.0)


def test_a_limb_beside_air_is_no_border() -> None:
    """Air is as even as lead, and skin may run along the picture, but not straight."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS] / np.array([ROWS, COLUMNS]).reshape(2, 1, 1)
    half = 0.16 + 0.05 * np.sin(3.0 * y) + 0.03 * y
    thickness = np.sqrt(np.clip(1 - ((x - 0.5) / half) ** 2, 0, None))
    field = taken(120 + 2200 * thickness + np.random.default_rng(3).normal(0, 10, thickness.shape))
    assert (field["field_sides"], field["field_outside_share"]) == (0.0, 0.0)


def test_distances_are_in_mm_where_the_header_gives_the_spacing() -> None:
    judged = measure(
        radiograph(collimated({"left": 0.2}), spacing_mm=(PITCH_MM, 2 * PITCH_MM)), header(rows=ROWS, columns=COLUMNS)
    )
    end = next(one for one in judged if one.name == "field_left")
    assert end.unit == "mm"
    assert end.value == pytest.approx(0.2 * COLUMNS * 2 * PITCH_MM, rel=0.05)


def test_what_a_shutter_hides_is_outside_too() -> None:
    """The whole picture counts, although measurements are taken of the box of what is shown."""
    values, valid = anatomy(), np.zeros((ROWS, COLUMNS), bool)
    valid[ROWS // 4 :, : COLUMNS * 9 // 10] = True
    judged = measure(radiograph(values, spacing_mm=None, valid=valid), header(rows=ROWS, columns=COLUMNS))
    field = {one.name: one.value for one in judged}
    assert (field["field_top"], field["field_right"], field["field_left"]) == (25.0, 10.0, 0.0)
    assert field["field_sides"] == 2.0
    assert field["field_outside_share"] == pytest.approx(100 * (1 - 0.75 * 0.9), abs=0.1)


def test_the_whole_frame_counts_where_its_part_alone_is_judged() -> None:
    """As a node judges an image with a shutter or padding: the judge sees what is shown, headers mean all of it."""
    valid = np.zeros((ROWS, COLUMNS), bool)
    valid[ROWS // 4 :, : COLUMNS * 9 // 10] = True
    shutter = {"collimator_edges": (1, COLUMNS * 9 // 10, ROWS // 4 + 1, ROWS)}

    def judge(own: Header, part: Radiograph, digest: InstanceDigest, _traits: ImageTraits) -> AssessorResult:
        assert part.shape == (ROWS - ROWS // 4, COLUMNS * 9 // 10)
        return AssessorResult(Assessment(digest, own, datetime.now(UTC), measurements=measure(part, own)))

    image, whole = radiograph(anatomy(), spacing_mm=None, valid=valid), header(rows=ROWS, columns=COLUMNS, **shutter)
    result = judge_field(judge, whole, image, InstanceDigest("a"), ImageTraits(is_radiograph=True))
    field = {one.name: one.value for one in result.assessment.measurements}
    assert (field["field_top"], field["field_right"], field["field_left"], field["field_sides"]) == (25.0, 10.0, 0.0, 2)
    assert field["field_outside_share"] == pytest.approx(32.5)
    assert (field["collimator_outside_share"], field["collimator_difference"]) == (32.5, 0.0)


@pytest.mark.parametrize("shape", [(130, 20000), (20000, 130), (128, 3000)], ids=str)
def test_a_strip_has_no_borders(shape: tuple[int, int]) -> None:
    """Its small copy is a few pixels wide."""
    strip = radiograph(np.random.default_rng(0).uniform(0, 4000, shape), spacing_mm=None)
    field = {one.name: one.value for one in measure(strip, header(rows=shape[0], columns=shape[1]))}
    assert (field["field_sides"], field["field_outside_share"]) == (0.0, 0.0)


@pytest.mark.parametrize("modality", ["MG", "PX", "XA"])
def test_other_modalities_have_fields_of_their_own(modality: str) -> None:
    assert taken(collimated({"left": 0.2}), modality=modality) == {}


@pytest.mark.more
def test_the_collimator_of_the_header_is_compared_with_the_pixels() -> None:
    edges = (101, 500, 1, 600)  # a fifth of the columns, as drawn
    agreeing = taken(collimated({"left": 0.2}), collimator_edges=edges)
    assert agreeing["collimator_outside_share"] == pytest.approx(20.0)
    assert agreeing["collimator_difference"] <= 1.0
    wrong = taken(collimated({"left": 0.2}), collimator_edges=(1, 400, 1, 600))
    assert wrong["collimator_difference"] == pytest.approx(20.0, abs=1.0)
    assert not [name for name in taken(collimated({"left": 0.2})) if name.startswith("collimator")]
