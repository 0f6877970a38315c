"""Pictures are read again in half their size: letters that are large for the recogniser come apart in the usual one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ImageFont

from miqa_training.deidentify.pixels import REDUCTIONS, lines_of
from tests.stages.assess.text.test_find import Line
from tests.stages.assess.text.writing import picture


class Halved:
    """Reads a name in pictures of half the size only, until it is covered."""

    def __init__(self) -> None:
        self.reductions: list[int] = []

    def read(self, picture: NDArray[np.uint8], reduction: int = 1) -> Sequence[Any]:
        self.reductions.append(reduction)
        return [Line("NG, K", (8, 6, 28, 14))] if reduction == 2 and picture[10, 10].any() else []


def test_what_is_read_in_half_the_size_is_covered() -> None:
    reader: Any = Halved()
    pixels = np.full((40, 60, 3), 90, np.uint8)
    [line] = lines_of(pixels, (), reader)
    assert (line.column, line.row, line.width, line.height) == (8, 6, 20, 8)
    assert not pixels[6:14, 8:28].any()
    assert reader.reductions == [1, 2, 2]


@pytest.mark.more
@pytest.mark.parametrize("sides", [(240, 900), (900, 900)])
def test_boxes_of_a_reduced_picture_are_those_of_the_stored_one(
    sides: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rapidocr", reason="the extra [text] is not installed")
    from miqa_node.stages.assess.text.reader import TextRecogniser

    monkeypatch.setattr("tests.stages.assess.text.writing.SIDES", sides)
    drawn = picture(("MUSTERMANN^ERIKA", 120, 100), height=40)
    left, top, right, bottom = ImageFont.load_default(40).getbbox("MUSTERMANN^ERIKA")
    reader, pixels = TextRecogniser(), np.dstack([drawn] * 3)
    for reduction in REDUCTIONS:
        [line] = reader.read(pixels, reduction)
        assert line.corners.min(axis=0) == pytest.approx([120 + left, 100 + top], abs=14)
        assert line.corners.max(axis=0) == pytest.approx([120 + right, 100 + bottom], abs=14)
