"""Every frame of a clip is searched for text, or differs too little from one that was; else the clip is refused."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from miqa_node.dicom.bytes.uncompressed import uncompress
from miqa_node.runtime.workers.child import decode_here
from miqa_training.deidentify.dataset import DeidentificationMethod
from miqa_training.deidentify.files import FileOutcome, deidentify_files
from miqa_training.deidentify.pixels import LEAST_CONTRAST, PixelTools
from miqa_training.deidentify.values import Secrets
from tests.stages.assess.text.test_find import Line
from tests.stages.assess.text.writing import write

METHOD = DeidentificationMethod(Secrets(b"a key of the test, 16 or more"))
BOX = slice(6, 14), slice(8, 28)


class Bright:
    """Reads a name wherever its box has a bright stroke."""

    def __init__(self) -> None:
        self.pictures = 0

    def read(self, picture: NDArray[np.uint8], reduction: int = 1) -> Sequence[Any]:
        self.pictures += 1
        return [Line("MEIER ANNA", (8, 6, 28, 14))] if int(np.ptp(picture[BOX])) > LEAST_CONTRAST // 2 else []


def clip(path: Path, contrast: int, frames: int = 30) -> Path:
    """Gray noise, with a line of one pixel's width on frame 20."""
    data = np.random.default_rng(1).integers(40, 44, (frames, 64, 64, 1)).astype(np.uint8).repeat(3, axis=-1)
    data[20, 10, 8:28] += np.uint8(contrast)
    return write(path, data)


def done(source: Path, out: Path, reader: Any, limit_s: float = 600.0) -> FileOutcome:
    tools = PixelTools(partial(decode_here, max_pixels=1 << 24), uncompress, reader, limit_s)
    [outcome] = deidentify_files([(source, Path())], out, METHOD, tools=tools)
    return outcome


def test_a_name_on_one_frame_is_covered_and_frames_that_are_alike_are_not_read(tmp_path: Path) -> None:
    outcome = done(clip(tmp_path / "clip.dcm", 200), tmp_path / "out", Bright())
    assert outcome.written is not None
    assert outcome.searched is not None
    assert (outcome.searched.read, outcome.searched.alike, len(outcome.covered)) == (2, 28, 1)
    assert not pydicom.dcmread(outcome.written).pixel_array[(slice(None), *BOX)].any()


@pytest.mark.parametrize(("contrast", "read"), [(LEAST_CONTRAST + 8, 2), (LEAST_CONTRAST // 4, 1)])
def test_a_stroke_of_the_contrast_of_text_makes_a_frame_be_read(tmp_path: Path, contrast: int, read: int) -> None:
    outcome = done(clip(tmp_path / "clip.dcm", contrast), tmp_path / "out", Bright())
    assert outcome.searched is not None
    assert outcome.searched.read == read


def test_a_clip_that_takes_too_long_is_refused(tmp_path: Path) -> None:
    outcome = done(clip(tmp_path / "clip.dcm", 0), tmp_path / "out", Bright(), limit_s=0.0)
    assert outcome.written is None
    assert "1 of its 30 frames" in outcome.reason
    assert "text.file_limit_s" in outcome.reason
