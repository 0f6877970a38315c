"""Inputs of networks are made by table and by OpenCV's own rounding: the same numbers as by the card's formula."""

from __future__ import annotations

import numpy as np
import pytest

from miqa_node.stages.assess.classify.picture import PictureInput, normalised, resized

SIDE = 64


@pytest.mark.parametrize(
    ("channels", "colour", "mean", "std"),
    [
        (1, False, (0.5,), (0.25,)),
        (3, False, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        (3, True, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        (3, True, (0.5,), (0.5,)),
    ],
)
def test_a_table_gives_what_the_formula_gives(
    channels: int, colour: bool, mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    spec = PictureInput(rows=SIDE, columns=SIDE, channels=channels, colour=colour, mean=mean, std=std)
    small = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3) if colour else (SIDE, SIDE), np.uint8)
    values = small.astype(np.float32) / np.float32(255.0)
    planes = np.moveaxis(values, 2, 0) if colour else np.stack([values] * channels)
    means, deviations = (np.array(one, np.float32).reshape(-1, 1, 1) for one in (mean, std))
    made = normalised(small, spec)
    assert made.dtype == np.float32
    assert made.flags.c_contiguous
    np.testing.assert_array_equal(made, ((planes - means) / deviations)[None])


def test_grey_levels_are_rounded_half_to_even() -> None:
    halves = (np.arange(SIDE * SIDE) % 255 + 0.5) / 255
    values = np.concatenate([halves, (0.0, 1.0, 1.0000002)]).astype(np.float32)[-SIDE * SIDE :].reshape(SIDE, SIDE)
    made = resized(values, PictureInput(rows=SIDE, columns=SIDE))
    np.testing.assert_array_equal(made, np.rint(np.clip(values, 0.0, 1.0) * np.float32(255.0)).astype(np.uint8))
