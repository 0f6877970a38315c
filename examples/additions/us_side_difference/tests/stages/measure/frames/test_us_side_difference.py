"""A side without contact is told from tissue."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stages.measure.frames.making import speckle, values, write
from tests.stages.measure.frames.test_ultrasound import region


@pytest.mark.parametrize("seed", range(3))
def test_a_darker_side_raises_it(tmp_path: Path, seed: int) -> None:
    image = speckle(seed)
    shares = []
    for level in (1.0, 0.5, 0.2):
        changed = image.copy()
        changed[:, : image.shape[1] // 2] *= level
        shares.append(values(write(tmp_path / "one.dcm", "US", [changed], region))["us_side_difference"])
    assert shares[0] < 15
    assert shares[0] + 9 < shares[1] < shares[2] - 25
