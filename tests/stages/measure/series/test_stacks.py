"""Whether a stack is complete and in order: by places, by numbers, and by what its slices show."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom.dataset import FileDataset

from tests.stages.measure.series import making
from tests.stages.measure.series.making import SIDE, Image
from tests.stages.measure.series.test_measures import judged, numbers

SLICES = 12


def walk(slices: int = SLICES, noise: float = 5.0) -> list[Image]:
    """Slices of soft tissue whose organs change from slice to slice."""
    random = np.random.default_rng(3)
    field = [cv2.GaussianBlur(random.normal(size=(SIDE, SIDE)), (0, 0), 8.0) for _ in range(slices + 6)]
    weights = np.exp(-0.5 * (np.arange(slices + 6)[:, None] - np.arange(slices)[None] - 3) ** 2 / 4.0)
    organs = np.tensordot(weights.T, np.array(field), 1)
    organs *= 60.0 / organs.std()
    body = making.body_ct(noise_hu=0.001) > -500.0
    return [np.where(body, 40.0 + one, -1000.0) + random.normal(0.0, noise, one.shape) for one in organs]


def measured(
    folder: Path, images: list[Image], places_mm: list[float] | None = None, modality: str = "CT"
) -> dict[str, float]:
    return numbers(judged(making.write_series(folder, images, modality, places_mm)))


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_stack_in_order_is_in_order(tmp_path: Path, modality: str) -> None:
    images = walk() if modality == "CT" else [one + 1000.0 for one in walk()]
    values = measured(tmp_path, images, modality=modality)
    assert values["slice_disorder"] < 0.95
    assert values["slices_repeated"] == values["slice_overlaps"] == values["slice_gaps"] == 0.0


@pytest.mark.parametrize(("first", "second"), [(0, 1), (5, 6), (4, 6), (2, 9)])
def test_exchanged_slices_are_out_of_order(tmp_path: Path, first: int, second: int) -> None:
    images = walk()
    images[first], images[second] = images[second], images[first]
    assert measured(tmp_path, images)["slice_disorder"] > 1.05


def test_a_slice_in_the_place_of_another_is_repeated(tmp_path: Path) -> None:
    images = walk()
    images[6] = images[5]
    judgement = judged(making.write_series(tmp_path, images, "CT"))
    (repeat,) = [one for one in judgement.assessment.measurements if one.name == "slices_repeated"]
    assert (repeat.value, str(repeat.place)) == (1.0, "slice 7 of 12, Instance Number 7")
    assert numbers(judgement)["slice_disorder"] < 1.05, "it is counted once"


def test_a_slice_that_overlapping_ones_lack_is_a_gap(tmp_path: Path) -> None:
    def thick(dataset: FileDataset) -> None:
        dataset.SliceThickness = "5"

    images, places = walk(), [2.5 * place for place in range(SLICES)]
    del images[4], places[4]
    values = numbers(judged(making.write_series(tmp_path, images, "CT", places, thick)))
    assert values["slice_gaps"] == 1.0


@pytest.mark.more
def test_brightness_that_alternates_is_not_disorder(tmp_path: Path) -> None:
    images = [(one + 1000.0) * (1.0 + 0.2 * (place % 2)) for place, one in enumerate(walk())]
    assert measured(tmp_path, images, modality="MR")["slice_disorder"] < 0.95


@pytest.mark.more
def test_a_place_that_is_taken_twice_overlaps(tmp_path: Path) -> None:
    images = walk()
    places = [5.0 * place for place in range(SLICES)]
    values = measured(tmp_path / "a", [*images[:6], images[5], *images[6:]], [*places[:6], places[5], *places[6:]])
    assert (values["slice_overlaps"], values["slices_repeated"]) == (1.0, 1.0)
    phases = measured(tmp_path / "b", [*images, *images], [*places, *places])
    assert phases["slice_overlaps"] == 0.0
