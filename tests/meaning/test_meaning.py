"""Everything that is told of the demonstration's images is true, by the bytes of the objects alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from demo.samples import make_samples
from tests.meaning.conftest import Oracle
from tests.meaning.reader import filled, parts_of


def test_what_is_told_of_the_demonstration_is_true(oracle: Oracle, tmp_path: Path) -> None:
    untrue = {}
    for number, sample in enumerate(make_samples()):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(sample.data)
        untrue[sample.title] = oracle(path)
    assert {title: ones for title, ones in untrue.items() if ones} == {}


@pytest.mark.parametrize(
    ("corners", "pixels"),
    [([(1.5, 1.5), (4.5, 1.5), (4.5, 3.5), (1.5, 3.5), (1.5, 1.5)], 12), ([(2.5, 2.5), (2.5, 2.5)], 1)],
)
def test_the_reader_fills_an_outline_with_its_own_pixels(corners: list[tuple[float, float]], pixels: int) -> None:
    assert filled(np.array(corners), (8, 8)).sum() == pixels


def test_the_reader_tells_parts_apart() -> None:
    mask = np.zeros((10, 10), np.bool_)
    mask[1:4, 1:8] = mask[7:9, 2:4] = True
    mask[4, 8] = True  # touches the first part by a corner
    assert [int(part.sum()) for part in parts_of(mask)] == [22, 4]
