"""The pixels that the study's page draws, and the maps that it lays over them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from miqa_node.core.domain.image import Radiograph
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.workers.pool import WorkerPool
from tests.web.staging import Stage


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
