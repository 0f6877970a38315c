"""Outlines of the lungs and places of letters from probabilities."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from miqa_node.stages.assess.landmarks.estimate import mean, mirror
from miqa_node.stages.assess.landmarks.lung_field import lung_field_percent, lung_outlines
from miqa_node.stages.assess.landmarks.marker import MOST_LETTERS, peaks_of
from tests.stages.assess.landmarks.making import LUNG_BOXES, estimate_of, lungs_of


def test_an_outline_is_where_the_lung_is() -> None:
    rows, columns = np.indices((64, 64))
    lungs = np.stack([np.hypot((rows - 30) / 20, (columns - x) / 10) < 1 for x in (16, 47)]).astype(np.float64)
    outlines = lung_outlines(np.stack([np.asarray(cv2.GaussianBlur(lung, (0, 0), 1.0), np.float64) for lung in lungs]))
    assert set(outlines) == {"left", "right"}
    for side, x in (("left", 16.5), ("right", 47.5)):
        corners = np.array(outlines[side])
        assert 10 < len(corners) < 60, "an outline is short"
        assert corners.mean(0) == pytest.approx([x / 64, 30.5 / 64], abs=0.02)
        filled = np.zeros((640, 640), np.uint8)
        cv2.fillPoly(filled, [np.rint(corners * 640).astype(np.int32)], 1)
        assert filled.mean() == pytest.approx(lungs[0].mean(), rel=0.05)
    assert lung_field_percent(outlines) == pytest.approx(100 * lungs.mean() * 2, rel=0.05)


def test_specks_and_lungs_that_are_not_seen_have_no_outline() -> None:
    lungs = lungs_of({"left": LUNG_BOXES["left"]})
    lungs[0, 60, 60] = 1.0
    lungs[1, 5:7, 5:7] = 1.0
    outlines = lung_outlines(lungs)
    assert set(outlines) == {"left"}
    assert np.array(outlines["left"]).max() < 0.8, "the speck is no part of it"
    assert lung_outlines(np.zeros((2, 64, 64))) == {}


def test_an_image_full_of_letters_gives_a_few() -> None:
    peaks = peaks_of(np.full((3, 64, 64), 0.9))
    assert len(peaks) == MOST_LETTERS
    assert {chance for *_, chance in peaks} == {0.9}


def test_the_mirror_image_has_the_other_lung_at_the_other_side() -> None:
    estimate = estimate_of(lungs=lungs_of())
    turned = mirror(estimate)
    assert turned.lungs is not None
    assert np.array_equal(turned.lungs[0], lungs_of()[1][:, ::-1])
    back = mirror(turned)
    for lungs in (back.lungs, mean(estimate, back).lungs):
        assert lungs is not None
        assert np.array_equal(lungs, lungs_of())
    assert mean(estimate, estimate_of()).lungs is None
