"""Objects of many frames: each frame is read by itself, however frames lie in the file."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
)

from tests.dicom.pixels.test_multi_frame import RNG, decode, read_bytes, write

FRAMES = 1000


def test_reading_every_frame_reads_the_file_a_few_times_at_most(tmp_path: Path) -> None:
    frames = RNG.integers(0, 4096, (FRAMES, 32, 32), dtype=np.uint16)

    def fill(ds: Dataset) -> None:
        ds.PixelData = frames.tobytes()

    path = write(tmp_path / "native.dcm", frames, ExplicitVRLittleEndian, fill)
    decode(path, 0)
    before, memory = read_bytes(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for index in range(FRAMES):
        assert np.array_equal(decode(path, index).stored, frames[index])
    assert read_bytes() - before < 4 * path.stat().st_size
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 64 << 10
