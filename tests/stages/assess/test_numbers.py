"""The numbers beside the pixels: what the normalisation removes, and what the header says of dose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header
from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.card import read_card
from miqa_node.stages.assess.contracts.base import ModelMaterial
from miqa_node.stages.assess.contracts.two_branch import TWO_BRANCH
from miqa_node.stages.assess.packages import open_package
from miqa_node.stages.assess.preprocess import Preprocess, prepare
from miqa_node.stages.measure.view import PICTURE_HEADER
from tests.stages.assess.making import write_package

ALL = Preprocess(numbers=("displayed_span", "displayed_mean", "exposure_index", "deviation_index"))


def numbers(display: NDArray[np.uint16], header: Header | None = None) -> list[float]:
    return [float(value) for value in prepare(display, None, ALL, header).numbers[0]]


def ramp(low: int, high: int) -> NDArray[np.uint16]:
    return np.linspace(low, high, 300 * 200).reshape(300, 200).astype(np.uint16)


def test_a_picture_squeezed_by_its_window_differs_in_the_numbers_alone() -> None:
    whole, squeezed = ramp(0, 65535), ramp(30000, 33000)
    first, second = (prepare(display, None, ALL) for display in (whole, squeezed))
    assert np.abs(first.global_view - second.global_view).max() < 0.01
    assert numbers(whole)[:2] == pytest.approx([0.0, 0.5], abs=0.01)
    assert numbers(squeezed)[:2] == pytest.approx([-1.34, 31500 / 65535], abs=0.02)


def test_a_flat_picture_has_a_span_too() -> None:
    assert numbers(np.full((200, 200), 5, np.uint16))[0] == pytest.approx(-3.0)


def test_padding_does_not_count() -> None:
    display = ramp(20000, 40000)
    valid = np.ones(display.shape, np.bool_)
    valid[:60], display[:60] = False, 0
    assert prepare(display, valid, ALL).numbers[0, 1] == pytest.approx(display[60:].mean() / 65535, abs=0.01)


@pytest.mark.parametrize(
    ("index", "target", "deviation", "expected", "flags"),
    [
        (None, None, None, (0.0, 0.0), (0.0, 0.0)),
        (250.0, None, None, (0.0, 0.0), (1.0, 0.0)),
        (2500.0, 250.0, None, (1.0, 1.0), (1.0, 1.0)),
        (125.0, None, -3.0, (-0.301, -0.3), (1.0, 1.0)),
        (0.0, 250.0, None, (0.0, 0.0), (0.0, 0.0)),
        (1e9, None, -500.0, (2.0, -2.0), (1.0, 1.0)),
    ],
)
def test_header_numbers_are_powers_of_ten_of_the_dose(
    index: float | None, target: float | None, deviation: float | None,
    expected: tuple[float, float], flags: tuple[float, float],
) -> None:  # fmt: skip
    header = replace(PICTURE_HEADER, exposure_index=index, target_exposure_index=target, deviation_index=deviation)
    read_numbers = numbers(ramp(0, 65535), header)
    assert read_numbers[2:4] == pytest.approx(expected, abs=0.001)
    assert tuple(read_numbers[6:]) == flags


def test_a_card_without_numbers_gives_its_graph_two_inputs() -> None:
    assert sorted(prepare(ramp(0, 65535), None, Preprocess()).arrays) == ["crops", "global_view"]


def test_a_card_that_names_numbers_passes_the_header_on_and_needs_a_graph_with_that_input(tmp_path: Path) -> None:
    write_package(tmp_path / "tiny-1.0.0", preprocess={"numbers": ["deviation_index"]})
    card = read_card(tmp_path / "tiny-1.0.0")
    display = ramp(0, 65535)
    material = ModelMaterial(
        Radiograph(display, display, (0, 65535), None), header=replace(PICTURE_HEADER, deviation_index=-6.0)
    )
    assert TWO_BRANCH.prepare(card, material).arrays["numbers"].tolist() == [[pytest.approx(-0.6), 1.0]]
    with pytest.raises(ModelPackageError, match="no input called numbers"):
        open_package(tmp_path / "tiny-1.0.0", Accelerator.CPU, load_settings().assess)


@pytest.mark.more
def test_the_shipped_package_weighs_what_the_header_says_of_dose() -> None:
    """A low dose makes a noisy picture more credibly noisy; findings that no number bears on stay as they are."""
    settings = load_settings()
    [folder] = settings.models_dir.glob("quality-0.*")
    package = open_package(folder, Accelerator.CPU, settings.assess)
    picture = TWO_BRANCH.golden(package.card, (folder / "golden" / "noise.png").read_bytes())

    def judged(deviation: float | None) -> dict[str, float]:
        material = replace(picture, header=replace(PICTURE_HEADER, deviation_index=deviation))
        logits = package.run(package.contract.prepare(package.card, material).arrays)["logits"]
        rows = zip(package.card.outputs.classes, package.probabilities(logits), strict=True)
        return {row.name: float(value) for row, value in rows}

    low, unknown, high = judged(-6.0), judged(None), judged(3.0)
    assert low["noise"] > unknown["noise"] > high["noise"]
    assert low["motion_blur"] == unknown["motion_blur"]
    assert {name for name in low if low[name] != unknown[name]} == {
        "noise",
        "underexposure",
        "overexposure_saturation",
    }
