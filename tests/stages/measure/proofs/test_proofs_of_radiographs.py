"""Radiographs: what the shipped policy decides by, on drawn pictures and headers whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from miqa_node.stages.measure.projection import measure
from tests.stages.measure.frames.making import speckle, write
from tests.stages.measure.frames.making import values as values_of_frames
from tests.stages.measure.phantoms import chest, header, radiograph
from tests.stages.measure.proofs.agreement import agree

pytestmark = pytest.mark.more


def values(image: NDArray[np.floating], **elements: float | None) -> dict[str, float]:
    return {one.name: one.value for one in measure(radiograph(image), header(**elements))}


@pytest.mark.parametrize(("index", "target"), [(100.0, 400.0), (400.0, 400.0), (1600.0, 400.0), (523.0, 250.0)])
def test_the_deviation_index_follows_from_both_indices(index: float, target: float) -> None:
    result = values(chest(), exposure_index=index, target_exposure_index=target)
    agree("deviation_index", result["deviation_index"], float(10.0 * np.log10(index / target)))
    stated = values(chest(), exposure_index=index, target_exposure_index=target, deviation_index=-3.1)
    agree("deviation_index", stated["deviation_index"], -3.1)


@pytest.mark.parametrize("span", [1.0, 0.4, 0.1])
def test_the_contrast_of_a_ramp(span: float) -> None:
    ramp = np.tile(2047.5 + 4095.0 * span * np.linspace(-0.5, 0.5, 1024), (1024, 1))
    agree("displayed_contrast", values(ramp)["displayed_contrast"], 100.0 * 0.9 * 0.7 * span)


@pytest.mark.parametrize("share", [0.03, 0.2])
def test_white_and_black_pixels_are_counted(share: float) -> None:
    """In the middle, 15 to 85 % of height and width; those beside it do not count."""
    rows = 1000
    for end, name in ((4095.0, "burnt_out_share"), (0.0, "crushed_dark_share")):
        image = np.tile(np.linspace(1500.0, 2500.0, rows), (rows, 1))
        image[150 : 150 + round(700 * share), 150:850] = end
        image[:100] = end
        result = values(image)
        if name == "burnt_out_share":
            agree("burnt_out_share", result[name], 100.0 * share)
        else:
            agree("crushed_dark_share", result[name], 100.0 * share)


def highest_line_db(image: NDArray[np.float64]) -> float:
    """Mean periodogram of the rows, and of the columns, with Hann's window; the highest peak over its surroundings."""
    peaks = []
    for lines in (image, image.T):
        window = np.hanning(lines.shape[1])
        centred = (lines - lines.mean(axis=1, keepdims=True)) * window
        power = np.mean([np.abs(np.fft.rfft(line)) ** 2 for line in centred], axis=0)
        for place in range(len(power)):
            if place / lines.shape[1] < 0.03:
                continue
            around = power[max(0, place - 20) : place + 21]
            peaks.append(10.0 * np.log10(power[place] / np.median(around)))
    return float(max(peaks))


@pytest.mark.parametrize("amplitude", [0.003, 0.01, 0.03])
def test_grid_lines(amplitude: float) -> None:
    lines = 1.0 + amplitude * np.sin(2 * np.pi * 0.3 * np.arange(512))
    image = np.rint(np.clip(chest(noise=10.0) * lines, 0, 4095))
    agree("grid_peak", values(image)["grid_peak"], highest_line_db(image))


@pytest.mark.parametrize("gain", [0.5, 1.0, 2.0])
def test_the_gain_of_drawn_tissue(tmp_path_factory: pytest.TempPathFactory, gain: float) -> None:
    image = np.clip(np.rint(gain * speckle()), 0, 255)
    result = values_of_frames(write(tmp_path_factory.mktemp("us") / "one.dcm", "US", [image]))
    agree("us_gain", result["us_gain"], float(image[image > 8].mean() / 2.55))
