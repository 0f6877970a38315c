"""Each outline of an object stands with the words of its own region, on the side that they name."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.image import SaliencyMap, SaliencyMaps
from miqa_node.core.domain.landmarks import Landmarks
from miqa_node.core.taxonomy.lookup import reason_code
from miqa_node.core.words.object_words import title_of
from miqa_node.interfaces.web.outlines import outlines
from miqa_node.stages.assess.landmarks.object_places import ChestMap, with_places
from tests.core.domain.test_decide import assessment

OBJECT = FindingName.FOREIGN_OBJECT
SIZE = 64
LUNGS = {
    "left": ((0.1, 0.1), (0.45, 0.1), (0.45, 0.9), (0.1, 0.9)),
    "right": ((0.55, 0.1), (0.9, 0.1), (0.9, 0.9), (0.55, 0.9)),
}
POINTS = {"spine_clav": (0.5, 0.12), "spine_low": (0.5, 0.8), "lat_l": (0.08, 0.6), "lat_r": (0.92, 0.6)}


def spots(*places: tuple[float, float, float]) -> SaliencyMap:
    """A map with a round spot (x, y, height) at each place."""
    rows, columns = np.mgrid[:SIZE, :SIZE] / SIZE
    values = np.zeros((SIZE, SIZE), np.float32)
    for x, y, height in places:
        near = (rows - y) ** 2 + (columns - x) ** 2 < 0.05**2
        values = np.where(near, np.float32(height), values).astype(np.float32)
    return SaliencyMap(values, "test")


@pytest.mark.parametrize("seed", range(20))
def test_words_and_outline_are_of_one_region(seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = tuple(
        (float(rng.choice((0.2, 0.35, 0.65, 0.8)) + rng.uniform(-0.02, 0.02)), y, float(rng.uniform(0.6, 1.0)))
        for y in rng.permutation([0.2, 0.45, 0.7])
    )
    saliency, landmarks = spots(*places), Landmarks(POINTS, {}, "landmarks-1.0.0", "0" * 64, LUNGS, ())
    finding = Finding(OBJECT, reason_code(OBJECT), 0.9, 0.8, 0.5)
    [placed] = with_places([finding], {OBJECT: saliency}, landmarks, ("L", "F"))
    image = replace(assessment(), findings=(placed,))
    image = replace(image, header=replace(image.header, rows=512, columns=512))

    drawn = outlines(image, SaliencyMaps({OBJECT: saliency}), 0.5)

    strongest = max(places, key=lambda place: place[2])
    assert drawn[0].title == title_of(placed), "the first label is the one that the headline has"
    assert any(_holds(polygon, strongest[:2]) for polygon in drawn[0].polygons), "and stands at the strongest region"
    assert sum(len(one.polygons) for one in drawn) == len(places)
    chest = ChestMap.of(landmarks)
    assert chest is not None
    for one in drawn:
        for polygon in one.polygons:
            x, y = np.mean(np.array(polygon), axis=0)
            side = "right" if x < 0.5 else "left"  # of the patient
            assert f"the {side}" in one.title, one.title
            assert ("apex" in one.title) == chest.in_apex("left" if x < 0.5 else "right", (x, y)), one.title


def _holds(polygon: tuple[tuple[float, float], ...], point: tuple[float, float]) -> bool:
    return cv2.pointPolygonTest(np.array(polygon, np.float32), point, False) >= 0


def test_one_object_over_both_lungs_is_said_to_reach_from_one_to_the_other() -> None:
    chain = tuple((x, 0.2, 1.0) for x in np.arange(0.2, 0.81, 0.05))
    landmarks = Landmarks(POINTS, {}, "landmarks-1.0.0", "0" * 64, LUNGS, ())
    finding = Finding(OBJECT, reason_code(OBJECT), 0.9, 0.8, 0.5)

    [placed] = with_places([finding], {OBJECT: spots(*chain)}, landmarks, ("L", "F"))

    assert title_of(placed).endswith(("over both lungs", "from the right to the left apex"))
