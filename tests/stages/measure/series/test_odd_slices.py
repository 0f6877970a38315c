"""One slice of a stack is not like the others: by its header, by its values, or by lines that it lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset

from miqa_node.core.domain.assessment import Measurement
from tests.stages.measure.series import making
from tests.stages.measure.series.test_measures import judged

NAMES = ("slices_differ", "slice_offset", "lines_lost")
ODD = 4
"""Instance Number of the slice that is changed."""


def chests() -> list[making.Image]:
    return [making.chest_ct(seed) for seed in range(8)]


def told(folder: Path, images: list[making.Image], change: Callable[[FileDataset], None]) -> dict[str, Measurement]:
    def only_one(dataset: FileDataset) -> None:
        if dataset.InstanceNumber == ODD:
            change(dataset)

    measured = judged(making.write_series(folder, images, "CT", change=only_one)).assessment.measurements
    return {one.name: one for one in measured if one.name in NAMES}


def test_a_sound_stack_has_no_odd_slice(tmp_path: Path) -> None:
    values = {name: one.value for name, one in told(tmp_path, chests(), lambda _: None).items()}
    assert values == {"slices_differ": 0.0, "lines_lost": 0.0, "slice_offset": pytest.approx(0.0, abs=5.0)}


@pytest.mark.parametrize(
    ("keyword", "value", "name"),
    [
        ("PixelSpacing", [2.5, 2.5], "Pixel Spacing"),
        ("SliceThickness", 1.25, "Slice Thickness"),
        ("RescaleSlope", 2.0, "Rescale Slope"),
        ("KVP", 80.0, "KVP"),
    ],
)
def test_a_header_that_differs_is_named(tmp_path: Path, keyword: str, value: object, name: str) -> None:
    def changed(dataset: FileDataset) -> None:
        setattr(dataset, keyword, value)

    differ = told(tmp_path, chests(), changed)["slices_differ"]
    assert differ.value == 1.0
    assert str(differ.place).startswith(f"{name} of slice {ODD} of 8")


@pytest.mark.parametrize("slope", [1.0, 2.0])
def test_a_scale_that_stored_values_make_up_for_is_no_difference(tmp_path: Path, slope: float) -> None:
    """What is shown and measured is the same; without the other stored values it is not."""

    def other_scale(dataset: FileDataset) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept = str(slope), "-1200"

    def made_up_for(dataset: FileDataset) -> None:
        stored = (dataset.pixel_array - 1024.0 + 1200.0) / slope
        dataset.PixelData = np.rint(stored).astype("<i2").tobytes()
        other_scale(dataset)

    assert told(tmp_path / "a", chests(), made_up_for)["slices_differ"].value == 0.0
    assert told(tmp_path / "b", chests(), other_scale)["slices_differ"].value == 1.0


def test_a_body_that_is_cut_off_has_no_size(tmp_path: Path) -> None:
    """A head in a field of 80 mm, as of an ear or a tooth, is no small head; one that shrank is."""

    def part(dataset: FileDataset) -> None:
        dataset.BodyPartExamined = "HEAD"

    def shrunk(dataset: FileDataset) -> None:
        dataset.BodyPartExamined, dataset.PixelSpacing = "HEAD", [0.5, 0.5]

    def sizes(folder: Path, images: list[making.Image], change: Callable[[FileDataset], None]) -> list[float]:
        measured = judged(making.write_series(folder, images, "CT", change=change)).assessment.measurements
        return [one.value for one in measured if one.name == "body_size"]

    images = [making.layered_ct(seed=seed) for seed in range(5)]
    middle = slice(making.SIDE // 2 - 20, making.SIDE // 2 + 20)
    assert sizes(tmp_path / "a", [image[middle, middle] for image in images], part) == []
    assert sizes(tmp_path / "b", images, shrunk) == [pytest.approx(78, abs=2)]


def test_a_part_with_slices_of_its_own_is_a_protocol(tmp_path: Path) -> None:
    def in_parts(dataset: FileDataset) -> None:
        dataset.SliceThickness = 5.0 if dataset.InstanceNumber > 9 else 2.5

    images = [making.chest_ct(seed) for seed in range(12)]
    measured = judged(making.write_series(tmp_path, images, "CT", change=in_parts)).assessment.measurements
    assert [one.value for one in measured if one.name == "slices_differ"] == [0.0]


@pytest.mark.parametrize("odd", [0, 3, 7])
@pytest.mark.parametrize("shift", [-100.0, 100.0])
def test_a_slice_that_is_shifted_is_found(tmp_path: Path, shift: float, odd: int) -> None:
    images = chests()
    images[odd] = images[odd] + shift
    offset = told(tmp_path, images, lambda _: None)["slice_offset"]
    assert offset.value == pytest.approx(100.0, abs=5.0)
    assert str(offset.place).startswith(f"slice {odd + 1} of 8")


@pytest.mark.parametrize("axis", [0, 1])
def test_lines_through_the_body_are_counted(tmp_path: Path, axis: int) -> None:
    images = chests()
    lines = (slice(90, 98), slice(None))[:: 1 if axis == 0 else -1]
    images[3][lines] = -1024.0
    lost = told(tmp_path, images, lambda _: None)["lines_lost"]
    assert lost.value == 8.0
    assert str(lost.place).startswith("slice 4 of 8")


def test_body_and_thickness_are_those_of_the_drawing(tmp_path: Path) -> None:
    def thin(dataset: FileDataset) -> None:
        dataset.SliceThickness = 1.25

    measured = judged(making.write_series(tmp_path, chests(), "CT", change=thin)).assessment.measurements
    values = {one.name: one.value for one in measured}
    assert values["body_size"] == pytest.approx(140 * making.SPACING_MM, abs=2 * making.SPACING_MM)
    assert values["thickness_share"] == pytest.approx(100 * 1.25 / 5.0)


def test_a_thickness_below_zero_is_none(tmp_path: Path) -> None:
    def turned(dataset: FileDataset) -> None:
        dataset.SliceThickness = -5

    assert "thickness_share" not in told(tmp_path, chests(), turned)


@pytest.mark.more
def test_lines_beside_the_body_are_none(tmp_path: Path) -> None:
    """Padding above it, and a band of air between two arms."""
    images = chests()
    for image in images:
        image[:40] = -1024.0
        image[150:] = -1024.0
    assert told(tmp_path / "a", images, lambda _: None)["lines_lost"].value == 0.0

    y, x = np.mgrid[: making.SIDE, : making.SIDE] - (making.SIDE - 1) / 2
    drawn = np.where(np.hypot(np.abs(y) - 40, x) < 30, 45.0, -1000.0)
    arms = [np.where(np.abs(y) < 8, -1000.0, drawn + np.random.default_rng(n).normal(0, 8, y.shape)) for n in range(8)]
    assert told(tmp_path / "b", arms, lambda _: None)["lines_lost"].value == 0.0


@pytest.mark.more
def test_a_copy_a_few_pixels_off_is_a_doubled_contour(tmp_path: Path) -> None:
    """Of tissue with structure; each slice has its own."""

    def strength(folder: str, copy: float) -> float:
        images = []
        for seed, image in enumerate(chests()):
            structure = np.random.default_rng(seed).normal(0.0, 60.0, image.shape) * (image > -300.0)
            once = image + structure
            images.append((once + copy * np.roll(once, 3, axis=1)) / (1 + copy))
        measured = judged(making.write_series(tmp_path / folder, images, "CT")).assessment.measurements
        return next(one.value for one in measured if one.name == "doubled_contours")

    plain, half = strength("plain", 0.0), strength("half", 0.5)
    assert plain < 6.5 < half
