"""What an object that can be taken off lies over, exactly, on two rectangular lungs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.image import SaliencyMap
from miqa_node.core.domain.landmarks import Landmarks, Outline
from miqa_node.core.domain.object_place import ChestRegion, ObjectPlace, WornAt
from miqa_node.core.taxonomy.lookup import reason_code
from miqa_node.runtime.store.documents import dump_assessment, load_assessment
from miqa_node.stages.assess.landmarks.object_places import ChestMap, place_of, spots_of, with_places
from tests.stages.assess.landmarks.making import LUNG_BOXES, STRAIGHT
from tests.stages.report import making

LUNGS: dict[str, Outline] = {
    side: ((x0, y0), (x1, y0), (x1, y1), (x0, y1)) for side, (x0, y0, x1, y1) in LUNG_BOXES.items()
}
FOUND = Landmarks(STRAIGHT, package="landmarks-1.2.3", lungs=LUNGS)
FOREIGN = Finding(FindingName.FOREIGN_OBJECT, reason_code(FindingName.FOREIGN_OBJECT), 0.9, 1.0, 0.5)


def evidence(*places: tuple[float, float, float], cells: int = 40) -> SaliencyMap:
    """A map with single cells of evidence: (x, y, value)."""
    values = np.zeros((cells, cells), np.float32)
    for x, y, value in places:
        values[int(y * cells), int(x * cells)] = value
    return SaliencyMap(values, "drawn")


def placed(saliency: SaliencyMap, landmarks: Landmarks = FOUND, orientation: tuple[str, ...] = ()) -> Finding:
    maps = {FindingName.FOREIGN_OBJECT: saliency}
    [finding] = with_places([FOREIGN], maps, landmarks, orientation)
    return finding


@pytest.mark.parametrize(
    ("point", "anatomy", "severity"),
    [((0.3, 0.6), ChestRegion.LUNG, 1.0), ((0.5, 0.5), ChestRegion.MEDIASTINUM, 0.75),
     ((0.05, 0.5), ChestRegion.OUTSIDE, 0.25), ((0.5, 0.1), ChestRegion.OUTSIDE, 0.25),
     ((0.5, 0.95), ChestRegion.OUTSIDE, 0.25)],
)  # fmt: skip
def test_severity_is_bounded_by_what_the_object_lies_over(
    point: tuple[float, float], anatomy: ChestRegion, severity: float
) -> None:
    finding = placed(evidence((*point, 1.0)))
    assert finding.place is not None
    assert finding.place.over == (anatomy,)
    assert finding.severity == severity


def test_below_the_domes_lies_no_mediastinum() -> None:
    low = {name: (x, 0.5) if name.startswith("dome") else (x, y) for name, (x, y) in STRAIGHT.items()}
    chest = ChestMap.of(replace(FOUND, points=low))
    assert chest is not None
    assert [chest.anatomy((0.5, y)) for y in (0.48, 0.6)] == [ChestRegion.MEDIASTINUM, ChestRegion.OUTSIDE]


def test_one_of_several_objects_over_a_lung_is_enough() -> None:
    finding = placed(evidence((0.05, 0.5, 1.0), (0.7, 0.6, 0.6), (0.3, 0.6, 0.2)))
    assert finding.place is not None
    assert replace(finding.place, regions=()) == ObjectPlace(
        (ChestRegion.LUNG, ChestRegion.OUTSIDE), "left", worn=WornAt.CLOTHES
    )
    assert [(one.over, one.side) for one in finding.place.regions] == [
        (ChestRegion.LUNG, "left"), (ChestRegion.OUTSIDE, ""),
    ]  # fmt: skip
    assert finding.severity == 1.0


def test_sides_are_the_patient_s() -> None:
    sides = {
        orientation: placed(evidence((0.3, 0.3, 1.0)), orientation=orientation).place
        for orientation in (("L", "F"), ("R", "F"), ())
    }
    assert [place.side for place in sides.values() if place] == ["right", "left", "right"]
    assert all(place is not None and place.apex for place in sides.values())


@pytest.mark.parametrize(
    ("point", "worn"),
    [((0.5, 0.15), WornAt.NECK), ((0.58, 0.26), WornAt.NECK), ((0.5, 0.5), WornAt.CLOTHES),
     ((0.28, 0.1), WornAt.NECK), ((0.2, 0.15), WornAt.CLOTHES), ((0.3, 0.3), WornAt.CLOTHES)],
)  # fmt: skip
def test_how_it_is_worn_follows_from_its_place(point: tuple[float, float], worn: WornAt) -> None:
    place = placed(evidence((*point, 1.0))).place
    assert place is not None
    assert place.worn is worn


def test_where_the_clavicles_are_hidden_nobody_says_how_it_is_worn() -> None:
    points = {name: point for name, point in STRAIGHT.items() if name != "spine_clav"}
    place = placed(evidence((0.5, 0.5, 1.0)), replace(FOUND, points=points)).place
    assert place is not None
    assert place.worn is None


def test_without_both_lungs_or_a_map_nothing_is_known() -> None:
    one = {"left": LUNGS["left"]}
    assert placed(evidence((0.3, 0.6, 1.0)), replace(FOUND, lungs=one)) == FOREIGN
    assert with_places([FOREIGN], {}, FOUND, ()) == (FOREIGN,)
    absent = replace(FOREIGN, probability=0.1)
    maps = {FindingName.FOREIGN_OBJECT: evidence((0.3, 0.6, 1.0))}
    assert with_places([absent], maps, FOUND, ()) == (absent,)


def test_a_map_without_evidence_has_no_spots() -> None:
    assert spots_of(np.zeros((4, 4), np.float32)) == []
    assert placed(evidence()) == FOREIGN


def test_the_lung_s_border_belongs_to_it() -> None:
    chest = ChestMap.of(FOUND)
    assert chest is not None
    for x, anatomy in ((0.125, ChestRegion.LUNG), (0.09, ChestRegion.OUTSIDE)):
        spots = spots_of(evidence((x, 0.5, 1.0), cells=200).values)
        assert place_of(spots, chest, ()).over == (anatomy,)


def bar(left: float, right: float, top: float = 0.5, cells: int = 100) -> SaliencyMap:
    """A map with a bar across the image, brightest at its left end."""
    values = np.zeros((cells, cells), np.float32)
    row, begin, end = int(top * cells), int(left * cells), int(right * cells)
    values[row : row + 3, begin:end] = np.linspace(1.0, 0.9, end - begin, dtype=np.float32)
    return SaliencyMap(values, "drawn")


@pytest.mark.parametrize(("right", "side"), [(0.4, "right"), (0.48, "right"), (0.5, ""), (0.7, "")])
def test_what_reaches_across_the_spine_has_no_side(right: float, side: str) -> None:
    place = placed(bar(0.3, right)).place
    assert place is not None
    assert (place.over, place.side) == ((ChestRegion.LUNG,), side)


@pytest.mark.parametrize(
    ("right", "over", "side"),
    [(0.13, ChestRegion.OUTSIDE, ""), (0.16, ChestRegion.LUNG, "right")],
)
def test_a_quarter_of_what_is_drawn_suffices_wherever_its_highest_point_is(
    right: float, over: ChestRegion, side: str
) -> None:
    """A chain that is brightest beside the lung lies over it all the same."""
    place = placed(bar(0.02, right)).place
    assert place is not None
    assert [(one.over, one.side) for one in place.regions] == [(over, side)]


@pytest.mark.parametrize(("orientation", "side"), [(("L", "F"), "right"), (("R", "F"), "left"), (("A", "F"), "")])
def test_a_header_without_left_and_right_gives_no_side(orientation: tuple[str, ...], side: str) -> None:
    place = placed(bar(0.25, 0.35), orientation=orientation).place
    assert place is not None
    assert [place.side, place.regions[0].side] == [side, side]


def test_each_spot_is_a_region_with_a_side_of_its_own_and_the_landmarks_are_named() -> None:
    finding = placed(evidence((0.7, 0.6, 1.0), (0.3, 0.6, 0.8), (0.5, 0.5, 0.7)))
    assert finding.place is not None
    regions = [(one.over, one.side) for one in finding.place.regions]
    assert regions == [(ChestRegion.LUNG, "left"), (ChestRegion.LUNG, "right"), (ChestRegion.MEDIASTINUM, "")]
    assert [one.label for one in finding.made_by] == ["landmarks-1.2.3"]


def test_a_place_is_stored_whole_and_older_rows_have_none() -> None:
    assessment = replace(making.assessment(), findings=(placed(evidence((0.3, 0.3, 1.0))),))
    document = json.loads(json.dumps(dump_assessment(assessment)))
    place = document["findings"][0]["place"]
    [region] = place.pop("regions")
    assert place == {"over": ["lung"], "side": "right", "apex": True, "worn": "clothes"}
    assert region == {
        **place, "over": "lung", "peak": [0.3125, 0.3125], "score": 1.0, "edge": False, "both": False,
    }  # fmt: skip
    document = json.loads(json.dumps(dump_assessment(assessment)))
    assert load_assessment(document) == assessment
    del document["findings"][0]["place"]
    assert load_assessment(document).findings[0].place is None


def test_what_is_drawn_as_a_device_too_is_never_taken_off() -> None:
    removable, device = evidence((0.3, 0.5, 1.0), (0.7, 0.5, 0.9)), evidence((0.3, 0.5, 1.0))
    one = Finding(FindingName.FOREIGN_OBJECT, reason_code(FindingName.FOREIGN_OBJECT), 0.9, 0.8, 0.5)
    lead = Finding(FindingName.DEVICE_IN_VIEW, reason_code(FindingName.DEVICE_IN_VIEW), 0.9, 0.8, 0.5)

    def placed_beside(device_map: SaliencyMap | None, removable_map: SaliencyMap = removable) -> Finding:
        maps = {FindingName.FOREIGN_OBJECT: removable_map}
        findings = [one] if device_map is None else [one, lead]
        maps |= {} if device_map is None else {FindingName.DEVICE_IN_VIEW: device_map}
        return with_places(findings, maps, FOUND, ())[0]

    both, other, absent = placed_beside(None), placed_beside(device), placed_beside(device, device)
    assert both.place is not None
    assert other.place is not None
    assert len(both.place.regions) == 2
    assert [round(region.peak[0], 1) for region in other.place.regions] == [0.7]
    assert both.present
    assert other.present
    assert not absent.present, "all of it is an electrode"
