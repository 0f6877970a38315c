"""Whoever changes what a package is given raises the number that ends certificates."""

from __future__ import annotations

import hashlib

import numpy as np

from miqa_node.stages.assess.classify.picture import Clahe, PictureInput, prepare
from miqa_node.stages.assess.classify.reading import READING

KNOWN = {"1": "c7c27ec614ca04bb"}


def test_the_number_is_raised_when_pixels_change() -> None:
    rng = np.random.default_rng(3)
    display = (np.linspace(0, 60000, 90 * 70).reshape(90, 70) + rng.integers(0, 5000, (90, 70))).astype(np.uint16)
    valid = np.ones(display.shape, bool)
    valid[:8] = False
    digest = hashlib.sha256()
    for spec in (
        PictureInput(rows=32, columns=32),
        PictureInput(rows=32, columns=48, fit="pad", clahe=Clahe(), channels=3),
        PictureInput(rows=96, columns=96, stretch=None),
    ):
        # Rounded as the grey steps of the input: libraries may differ in the last digit.
        digest.update(np.rint(prepare(display, spec, valid) * 50.0).astype(np.int16).tobytes())
    assert KNOWN[READING] == digest.hexdigest()[:16], "raise READING, and put the new digest beside it"
