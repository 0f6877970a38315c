"""The pixels that the study's page draws, and the maps that it lays over them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import Radiograph, SaliencyMap, SaliencyMaps
from miqa_node.errors import DecodeError
from miqa_node.interfaces.web.renders import Render, Renders, make_render
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.object_keys import original_key, preview_key
from miqa_node.runtime.workers.pool import WorkerPool
from tests.waiting import delay
from tests.web.staging import Stage


def plain(rows: int, columns: int, value: int = 1000) -> Radiograph:
    pixels = np.full((rows, columns), value, np.uint16)
    return Radiograph(stored=pixels, display=pixels, stored_range=(0, 65535), spacing_mm=None)


@pytest.fixture
def decoding(stage: Stage, app: FastAPI) -> Iterator[list[Path]]:
    """The files that were decoded."""
    decoded: list[Path] = []
    with WorkerPool(stage.services.settings) as pool:

        def decode(path: Path) -> Radiograph:
            decoded.append(path)
            return pool.decode(path)

        app.state.services = replace(stage.services, decode=decode)
        yield decoded


def test_an_image_that_cannot_be_decoded_says_why(stage: Stage, app: FastAPI, client: TestClient) -> None:
    _, digest = stage.add(1)
    stage.services.objects.put(original_key(digest), b"x")

    def refuse(_path: Path) -> Radiograph:
        raise DecodeError("This syntax is not decoded.")

    app.state.services = replace(stage.services, decode=refuse)

    answer = client.get(f"/images/{digest}/pixels")

    assert (answer.status_code, answer.json()["detail"]) == (422, "This syntax is not decoded.")
    assert client.get(f"/images/{'0' * 64}/pixels").status_code == 404


def test_a_browser_gets_a_sign_in_place_of_a_picture(stage: Stage, client: TestClient) -> None:
    """Otherwise it draws its sign for a damaged page, on the display of a room over half of the wall."""
    _, digest = stage.add(1)
    stage.services.objects.delete([preview_key(digest)])
    wants = {"accept": "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"}

    for path in (f"/previews/{digest}.png", f"/images/{digest}/maps/blur.png"):
        answer = client.get(path, headers=wants)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "image/svg+xml")
        assert answer.text.startswith("<svg")
        assert client.get(path).json()["status"] == 404, "programs are told why"


def test_maps_are_drawn_over_the_whole_image(stage: Stage, client: TestClient) -> None:
    _, digest = stage.add(1)
    values = np.zeros((8, 6), np.float32)
    values[2, 4] = 1.0
    maps = {FindingName.MOTION_BLUR: SaliencyMap(values, "class_map")}
    unusual = SaliencyMap(values[::-1], "anomaly")
    Artifacts(stage.services.objects).keep_maps(digest, SaliencyMaps(maps, unusual))

    def picture(name: str) -> np.ndarray:
        answer = client.get(f"/images/{digest}/maps/{name}.png")
        assert answer.headers["content-type"] == "image/png"
        return np.asarray(cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_UNCHANGED))

    assert np.array_equal(picture("motion_blur"), (values * 255).astype(np.uint8))
    assert np.array_equal(picture("anomaly"), (values[::-1] * 255).astype(np.uint8))
    assert client.get(f"/images/{digest}/maps/unsharp.png").status_code == 404
    assert 'data-overlay="motion_blur"' in client.get("/studies/1.2.3.1").text


def test_small_images_are_not_enlarged() -> None:
    render = make_render(plain(100, 300), 2048)

    assert (render.rows, render.columns, render.source_rows) == (100, 300, 100)
    assert make_render(plain(4000, 1000), 2000).columns == 500


def test_the_cache_has_a_limit_and_keeps_what_was_used_last(tmp_path: Path) -> None:
    size = len(make_render(plain(64, 64), 64).data) + 16
    renders = Renders(tmp_path, side=64, max_bytes=2 * size, at_once=2)
    made: list[str] = []

    def get(name: str) -> Render:
        delay(0.01)  # the files' times tell which was used last

        def decode() -> Radiograph:
            made.append(name)
            return plain(64, 64)

        return renders.get(name, decode)

    for name in ("a", "b", "a", "c", "a", "b"):
        get(name)

    assert made == ["a", "b", "c", "b"]
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 2 * size


def test_an_image_that_many_ask_for_is_decoded_once_and_few_at_a_time(tmp_path: Path) -> None:
    renders = Renders(tmp_path, side=64, max_bytes=10**6, at_once=1)
    busy, most, decoded = [0], [0], []

    def decode() -> Radiograph:
        busy[0] += 1
        most[0] = max(most[0], busy[0])
        delay(0.02)
        decoded.append(1)
        busy[0] -= 1
        return plain(64, 64)

    threads = [threading.Thread(target=renders.get, args=(name, decode)) for name in "aaabbb"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(decoded) == 2
    assert most == [1]


@pytest.mark.more
def test_pixels_are_the_presentation_values_scaled_to_fit(
    stage: Stage, app: FastAPI, client: TestClient, decoding: list[Path], samples: Path
) -> None:
    _, digest = stage.add(1)
    source = samples / "RG1_UNCR.dcm"
    stage.services.objects.put(original_key(digest), source.read_bytes())

    answers = [client.get(f"/images/{digest}/pixels") for _ in range(2)]

    radiograph = app.state.services.decode(source)
    rows, columns, source_rows, source_columns = map(int, answers[0].headers["x-size"].split())
    assert (source_rows, source_columns) == radiograph.shape
    assert max(rows, columns) <= 2048
    pixels = np.frombuffer(answers[0].content, "<u2").reshape(rows, columns)
    expected = cv2.resize(radiograph.display, (columns, rows), interpolation=cv2.INTER_AREA)
    assert np.array_equal(pixels, expected)
    assert answers[1].content == answers[0].content
    assert len(decoding) == 2, "the second time it came from the cache, the other one is this test's"
    assert answers[0].headers["cache-control"].startswith("private")
