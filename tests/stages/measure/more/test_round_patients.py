"""A patient that is as round and as even as a phantom stays a patient; drawn volumes, for want of real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.stages.measure.drawn_series import Image, judged, write
from tests.stages.measure.test_round_patients import circle, noisy
from tests.stages.measure.test_slice_kinds import given


def disc_with_inserts(seed: int) -> Image:
    """Magnitude of an ACR phantom: a disc with dark blocks and rods, on a coarse image."""
    image = np.where(circle(60) < 1, 500.0, 0.0)
    for row in range(-44, 45, 22):
        for column in range(-44, 45, 22):
            image[circle(7, column, row) < 1] *= 0.8
    return np.abs(noisy(image, seed))


def test_a_round_object_with_inserts_is_one_if_the_header_names_it(tmp_path: Path) -> None:
    images = [disc_with_inserts(seed) for seed in range(8)]
    named = given(ScanningSequence="EP", PatientName="Phantom^GE")
    assert judged(write(tmp_path / "named", images, "MR", named))[0].phantom != ""
    assert judged(write(tmp_path / "plain", images, "MR", given(ScanningSequence="EP")))[0].phantom == ""
