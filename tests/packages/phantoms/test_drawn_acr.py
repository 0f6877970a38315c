"""Measures of the ACR MR phantoms give the numbers with which a phantom was drawn, however it lies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from miqa_node.features.phantoms.measure import PhantomMeasure
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_phantoms import geometric_accuracy, piu, slice_position, slice_thickness
from tests.packages.phantoms.drawing import Acr, Image, stack

DRAWN = Acr(thickness=5.6, shift_1=1.0, shift_11=-1.5, shading=0.15, ghost=0.01, tilt_deg=1.0, centre=(3.0, -4.0))


@pytest.fixture(scope="module")
def images() -> list[Image]:
    return DRAWN.images()


def value(measure: PhantomMeasure, of: PhantomStack, name: str) -> float:
    result = {one.name: one for one in measure.take(of)}[name]
    assert result.value is not None, result.reason
    return result.value


def all_values(of: PhantomStack) -> dict[str, float]:
    measures = (piu.MEASURE, geometric_accuracy.MEASURE, slice_thickness.MEASURE, slice_position.MEASURE)
    return {one.name: one.value for measure in measures for one in measure.take(of) if one.value is not None}


def test_lengths_are_those_of_the_drawing(images: list[Image]) -> None:
    drawn = stack(images)
    for name in ("slice_1_horizontal", "slice_1_vertical", "slice_5_diagonal_sw", "slice_5_diagonal_se"):
        assert value(geometric_accuracy.MEASURE, drawn, f"geometric_accuracy_mm.{name}") == pytest.approx(
            190.0, abs=0.6
        )
    assert value(slice_thickness.MEASURE, drawn, "slice_thickness_mm") == pytest.approx(5.6, abs=0.2)
    result = slice_position.MEASURE.take(drawn)
    assert [one.value for one in result] == pytest.approx([2.0, -3.0], abs=0.4)
    assert [one.read_on.role for one in result if one.read_on] == ["slice_1", "slice_11"]


def test_uniformity_follows_the_shading(images: list[Image]) -> None:
    # In the circle of 200 cm² the signal rises to the edge of the last small circle's middle.
    edge = 1.0 + 0.15 * ((np.sqrt(20000 / np.pi) - np.sqrt(100 / np.pi)) / 95.0) ** 2
    expected = 100.0 * (1.0 - (edge - 1.0) / (edge + 1.0))
    assert value(piu.MEASURE, stack(images), "piu_percent") == pytest.approx(expected, abs=0.6)


TURNS: dict[str, Callable[[list[Image]], list[Image]]] = {
    "reversed": lambda images: images[::-1],
    "turned": lambda images: [np.rot90(one) for one in images],
    "upside down": lambda images: [np.rot90(one, 2) for one in images],
    "mirrored": lambda images: [np.fliplr(one) for one in images],
    "mirrored, turned and reversed": lambda images: [np.rot90(np.fliplr(one), 3) for one in images][::-1],
}


@pytest.mark.parametrize("turn", TURNS)
def test_a_series_in_another_pose_has_the_same_values(images: list[Image], turn: str) -> None:
    expected, result = all_values(stack(images)), all_values(stack(TURNS[turn](images)))
    assert set(result) == set(expected)
    assert len(result) == 15
    assert result == pytest.approx(expected, abs=0.35)


def test_regions_lie_on_the_slice_as_it_was_sent(images: list[Image]) -> None:
    turned = stack([np.rot90(one) for one in images])
    bars = next(iter(slice_position.MEASURE.take(turned)))
    # Up is left now: the lower ends of the bars are 63 mm left of the centre.
    columns = [point[0] for region in bars.regions for point in region.points]
    rows = [point[1] for region in bars.regions for point in region.points]
    assert np.mean(columns) == pytest.approx(127.5 + (-4.0 - 63.0) / turned.spacing_mm[0], abs=3.0)
    assert np.mean(rows) == pytest.approx(127.5 - 3.0 / turned.spacing_mm[0], abs=4.0)


def test_what_is_no_such_phantom_says_why() -> None:
    plain = [Acr().image(7) for _ in range(11)]
    for one in piu.MEASURE.take(stack(plain)):
        assert one.value is None
        assert "ACR protocol" in one.reason
    one_slice = piu.MEASURE.take(stack(plain[:1]))
    assert "localizer" in one_slice[0].reason
