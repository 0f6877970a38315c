"""Secondary captures: blank ones and those that nobody can read show in their numbers."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from tests.stages.measure.frames.making import Image, values, write


def sheet() -> Image:
    """White text on black, as dose sheets have it."""
    image = np.zeros((300, 400), np.uint8)
    for row in range(30, 290, 28):
        cv2.putText(image, "Total DLP 412 mGy cm", (12, row), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 255, 1, cv2.LINE_AA)
    return image.astype(np.float64)


def test_a_sheet_can_be_read_and_a_blank_one_cannot(tmp_path: Path) -> None:
    text, blank = (values(write(tmp_path / "one.dcm", "OT", [one])) for one in (sheet(), np.full((300, 400), 90.0)))
    assert text["capture_even_share"] < 97
    assert text["capture_detail"] > 20
    assert blank == {"capture_even_share": 100, "capture_detail": 0}


def test_blurred_and_reduced_text_has_no_hard_edges(tmp_path: Path) -> None:
    blurred = np.asarray(cv2.GaussianBlur(sheet(), (0, 0), 4.0), np.float64)
    assert values(write(tmp_path / "one.dcm", "OT", [blurred]))["capture_detail"] < 12
