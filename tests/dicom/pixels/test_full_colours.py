"""Colours that say 4:2:2 and are stored with three bytes a pixel are decoded for what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from miqa_node.dicom.pixels.frame import decode_frame


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_full_colours_by_the_name_of_reduced_ones(tmp_path: Path, planar: int, frames: int, syntax: UID) -> None:
    source = Path(str(get_testdata_file("SC_ybr_full_uncompressed.dcm")))
    dataset, plain = pydicom.dcmread(source), decode_frame(source, 0, 10**6).stored
    pixels = np.frombuffer(dataset.PixelData, np.uint8).reshape(dataset.Rows, dataset.Columns, 3)
    data = (pixels.transpose(2, 0, 1) if planar else pixels).tobytes()
    dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "YBR_FULL_422", planar
    dataset.PixelData = data * frames
    if frames > 1:
        dataset.NumberOfFrames = frames
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.save_as(path := tmp_path / "full.dcm", enforce_file_format=True)
    for frame in range(frames):
        decoded = decode_frame(path, frame, 10**6)
        assert np.array_equal(decoded.stored, plain)
        assert any("taken as YBR_FULL" in step for step in decoded.steps)


def test_reduced_colours_stay_reduced() -> None:
    path = Path(str(get_testdata_file("SC_ybr_full_422_uncompressed.dcm")))
    assert not any("YBR_FULL" in step for step in decode_frame(path, 0, 10**6).steps)
