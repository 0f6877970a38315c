"""Angiography and fluoroscopy: the collimated field and saturated pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.stages.measure.frames.making import Image, values, write


def run(frames: int = 3) -> list[Image]:
    """Noise over a slope that fills the picture."""
    random = np.random.default_rng(2)
    slope = np.linspace(900, 3000, 128)[:, None]
    return [slope + random.normal(0, 60, (128, 128)) for _ in range(frames)]


def collimated(image: Image) -> Image:
    changed = np.full(image.shape, 40.0)
    changed[16:112, 24:104] = image[16:112, 24:104]
    return changed


def test_an_open_field(tmp_path: Path) -> None:
    numbers = values(write(tmp_path / "run.dcm", "XA", run(), bits=12))
    assert numbers["xa_field_share"] > 97
    assert numbers["xa_saturated_share"] == 0
    assert numbers["frames_repeated"] == 0


def test_a_collimated_field(tmp_path: Path) -> None:
    numbers = values(write(tmp_path / "run.dcm", "XA", [collimated(one) for one in run()], bits=12))
    assert numbers["xa_field_share"] == pytest.approx(100 * 96 * 80 / 128**2, abs=1)


def test_saturation_is_of_the_field_alone(tmp_path: Path) -> None:
    frames = [collimated(one) for one in run()]
    for one in frames:
        one[64:112, 24:104] = 5000
    numbers = values(write(tmp_path / "run.dcm", "XA", frames, bits=12))
    assert numbers["xa_saturated_share"] == pytest.approx(50, abs=1)
