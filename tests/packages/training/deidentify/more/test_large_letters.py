"""Pictures are read again in half their size: letters that are large for the recogniser come apart in the usual one."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageFont

from miqa_training.deidentify.pixels import REDUCTIONS
from tests.stages.assess.text.writing import picture


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
