"""Whether a stack is complete and in order: by places, by numbers, and by what its slices show."""

from __future__ import annotations

from pathlib import Path

from tests.stages.measure.series.test_stacks import SLICES, measured, walk


def test_brightness_that_alternates_is_not_disorder(tmp_path: Path) -> None:
    images = [(one + 1000.0) * (1.0 + 0.2 * (place % 2)) for place, one in enumerate(walk())]
    assert measured(tmp_path, images, modality="MR")["slice_disorder"] < 0.95


def test_a_place_that_is_taken_twice_overlaps(tmp_path: Path) -> None:
    images = walk()
    places = [5.0 * place for place in range(SLICES)]
    values = measured(tmp_path / "a", [*images[:6], images[5], *images[6:]], [*places[:6], places[5], *places[6:]])
    assert (values["slice_overlaps"], values["slices_repeated"]) == (1.0, 1.0)
    phases = measured(tmp_path / "b", [*images, *images], [*places, *places])
    assert phases["slice_overlaps"] == 0.0
