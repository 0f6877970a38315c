"""Anatomical points on the study's page: a layer like the maps, with the patient's sides."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from fastapi.testclient import TestClient

from miqa_node.core.domain.landmarks import Landmarks, SideMarker
from miqa_node.interfaces.web.html.landmark_layer import LONG_SIDE_PX, MARKER_PX, landmark_layer
from tests.stages.assess.landmarks.making import STRAIGHT
from tests.web.staging import Stage

LANDMARKS = Landmarks(STRAIGHT, {}, "landmarks-1.0.0", "ef" * 32)


def test_the_page_offers_the_points_as_a_layer(stage: Stage, client: TestClient) -> None:
    study, digest = stage.add(1, landmarks=LANDMARKS)
    page = client.get(f"/studies/{study}").text
    assert f'data-overlay="landmarks" data-for="{digest}"' in page
    assert "R and L are the patient's sides" in page.replace("&#39;", "'")
    answer = client.get(f"/images/{digest}/maps/landmarks.png")
    assert answer.headers["content-type"] == "image/png"
    layer = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert layer is not None
    assert layer.shape == (LONG_SIDE_PX, round(LONG_SIDE_PX * 0.8))
    for x, y in STRAIGHT.values():
        assert layer[round(y * layer.shape[0]), round(x * layer.shape[1])] == 255
    assert (layer == 0).mean() > 0.95, "it hides nothing"


def test_the_layer_has_the_outlines_of_the_lungs() -> None:
    corners = {"left": ((0.2, 0.2), (0.4, 0.2), (0.4, 0.8), (0.2, 0.8))}
    with_lungs = landmark_layer(replace(LANDMARKS, lungs=corners), (500, 400), ("L", "F"))
    assert with_lungs[round(0.5 * 1024), round(0.2 * 819)] > 0
    assert landmark_layer(LANDMARKS, (500, 400), ("L", "F"))[round(0.5 * 1024), round(0.2 * 819)] == 0


def test_the_layer_has_the_side_markers() -> None:
    marked = landmark_layer(replace(LANDMARKS, markers=(SideMarker("L", 0.9, 0.1, 0.8),)), (500, 400), ("L", "F"))
    x, y = round(0.9 * 819), round(0.1 * 1024)
    assert min(marked[y, x - MARKER_PX], marked[y, x + MARKER_PX]) > 200
    assert marked[y, x] == 0, "the letter itself stays visible"


def test_an_image_without_points_offers_none(stage: Stage, client: TestClient) -> None:
    study, digest = stage.add(2)
    assert "landmarks" not in client.get(f"/studies/{study}").text
    assert client.get(f"/images/{digest}/maps/landmarks.png").status_code == 404


def test_names_in_the_layer_are_of_the_patient_s_side() -> None:
    usual, turned = (landmark_layer(LANDMARKS, (300, 300), orientation) for orientation in (("L", "F"), ("R", "F")))
    assert not np.array_equal(usual, turned), "R and L change places"
    assert np.array_equal(usual, landmark_layer(LANDMARKS, (300, 300), ())), "without a word of it, as displayed"


def test_a_part_that_only_the_pixels_show_is_marked_so(stage: Stage, client: TestClient) -> None:
    named, _ = stage.add(1)
    unnamed, _ = stage.add(2, part_seen="CHEST")
    assert "DX · Chest · PA" in client.get(f"/studies/{named}").text
    assert "DX · Chest, from the pixels · PA" in client.get(f"/studies/{unnamed}").text
