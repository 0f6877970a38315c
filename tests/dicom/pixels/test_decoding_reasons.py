"""Reasons why pixels cannot be decoded go into reports, which are the same whenever they are made."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.errors import DecodeError
from tests.stages.assess.making import chest_dataset


def test_a_reason_holds_no_address_of_memory(tmp_path: Path) -> None:
    ds = chest_dataset(1)
    png = cv2.imencode(".png", np.zeros((ds.Rows, ds.Columns), np.uint8))[1].tobytes()
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelData = 8, 8, 7, encapsulate([png])
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    path = tmp_path / "png.dcm"
    ds.save_as(path, enforce_file_format=True)
    reasons = set()
    for _ in range(3):
        with pytest.raises(DecodeError) as caught:
            decode_frame(path, 0, max_pixels=10**6)
        reasons.add(str(caught.value))
    (reason,) = reasons
    assert "cannot identify image file" in reason
    assert " at 0x" not in reason
