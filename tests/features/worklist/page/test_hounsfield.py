"""Windows of CT in the viewer: values come whole, whatever the window that the slice was sent with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydicom import dcmread
from pydicom.data import get_testdata_file

from miqa_node.core.domain.image import Radiograph
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.runtime.store.object_keys import original_key
from tests.web.staging import Stage

SLICE = Path(str(get_testdata_file("CT_small.dcm")))


def decoded(path: Path) -> Radiograph:
    frame = decode_frame(path, 0, 10**6)
    return Radiograph(stored=frame.stored, display=frame.display, stored_range=(0, 65535), spacing_mm=None)


def test_values_are_hounsfield_units_beyond_the_window_of_the_slice(
    stage: Stage, app: FastAPI, client: TestClient
) -> None:
    _, digest = stage.add(1)
    stage.services.objects.put(original_key(digest), SLICE.read_bytes())
    app.state.services = replace(stage.services, decode=decoded)
    answer = client.get(f"/images/{digest}/hounsfield")
    assert answer.headers["x-size"] == "128 128 128 128"
    values = np.frombuffer(answer.content, "<u2").reshape(128, 128) / 65535 * 4096 - 1024
    ds = dcmread(SLICE)
    expected = np.clip(ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept), -1024, 3072)
    assert np.abs(values - expected).max() < 0.1
    assert client.get(f"/images/{'0' * 64}/hounsfield").status_code == 404
    assert client.get("/static/viewer.js").text.count("hounsfield(") == 3
