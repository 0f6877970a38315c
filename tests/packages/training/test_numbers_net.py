"""What numbers beside the pixels add is learned last, and changes nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    import torch
else:
    torch = pytest.importorskip("torch")

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.instance import Header
from miqa_node.stages.assess.numbers import DisplayedRange, numbers_of
from miqa_node.stages.assess.preprocess import GlobalView, Preprocess
from miqa_node.stages.measure.view import PICTURE_HEADER
from miqa_training.dose import dose_header
from miqa_training.export import export
from miqa_training.fit import PLACED
from miqa_training.graph import QualityGraph
from miqa_training.networks import QualityNet
from miqa_training.numbers_net import BEARS_ON, NUMBERS, JudgedSamples, NumbersNet, fit_numbers, judged
from miqa_training.onnx_graph import TOLERANCE
from miqa_training.samples import CLASSES, COLUMN, TrainingSample

pytestmark = pytest.mark.more

NOISE, BRIGHT = COLUMN[FindingName.NOISE], COLUMN[FindingName.UNDEREXPOSURE]
SPEC = Preprocess(global_view=GlobalView(rows=64, columns=64), numbers=NUMBERS)


def samples(count: int = 4000) -> JudgedSamples:
    """Pixels say nothing: low doses are noisy, bright pictures under-exposed."""
    rng = np.random.default_rng(4)
    numbers, present = [], np.zeros((count, len(CLASSES)), np.float32)
    for row in range(count):
        noisy, bright = (bool(rng.uniform() < 0.5) for _ in range(2))
        header = dose_header({FindingName.NOISE: 0.75} if noisy else {}, rng)
        low, span = rng.uniform(0, 2000), rng.uniform(30000, 60000)
        mean = rng.uniform(40000, 60000) if bright else rng.uniform(10000, 35000)
        numbers.append(numbers_of(NUMBERS, DisplayedRange(low, low + span, mean), header)[0])
        present[row, [NOISE, BRIGHT]] = noisy, bright
    zero = torch.zeros(count, len(CLASSES))
    truth = torch.from_numpy(present)
    return JudgedSamples(zero, zero, torch.from_numpy(np.array(numbers)), truth, 0.75 * truth)


@pytest.fixture(scope="module")
def fitted() -> NumbersNet:
    return fit_numbers(samples(), seed=1)


def added(net: NumbersNet, mean: float, span: float = 40000.0, deviation: float | None = None) -> torch.Tensor:
    header: Header | None = None
    if deviation is not None:
        header = replace(PICTURE_HEADER, deviation_index=deviation)
    row = numbers_of(NUMBERS, DisplayedRange(100.0, 100.0 + span, mean), header)
    with torch.no_grad():
        logits: torch.Tensor = net(torch.from_numpy(row))[0]
    return logits[0]


def test_a_low_dose_speaks_for_noise_and_a_high_one_against_it(fitted: NumbersNet) -> None:
    low, none, high = (float(added(fitted, 25000.0, deviation=d)[NOISE]) for d in (-9.0, None, 3.0))
    assert high < none - 0.5
    assert low > none + 0.5


def test_an_index_alone_does_not_outweigh_clear_pixels(fitted: NumbersNet) -> None:
    """Targets that do not fit are common: a deviation index may move the odds a hundredfold, not more."""
    none = float(added(fitted, 25000.0)[NOISE])
    assert float(added(fitted, 25000.0, deviation=-9.0)[NOISE]) - none < np.log(100.0)


def test_a_bright_picture_is_recognised_by_the_displayed_range(fitted: NumbersNet) -> None:
    assert added(fitted, 50000.0)[BRIGHT] > added(fitted, 20000.0)[BRIGHT] + 2.0
    assert added(fitted, 50000.0)[NOISE] == added(fitted, 20000.0)[NOISE]


def test_other_findings_stay_as_they_are(fitted: NumbersNet) -> None:
    others = [column for name, column in COLUMN.items() if name not in set(BEARS_ON)]
    assert not added(fitted, 50000.0, deviation=-9.0)[others].any()
    assert len(others) == len(CLASSES) - len(BEARS_ON)


def test_the_graph_says_what_network_and_numbers_say_together(fitted: NumbersNet, tmp_path: Path) -> None:
    torch.manual_seed(3)
    net = QualityNet(len(CLASSES), PLACED).eval()
    for silent in (net.classify_texture, net.grade_texture):  # equal constants would become one in the graph
        silent.weight.data.normal_(0, 0.05)
    assert export(net, tmp_path / "pixels.onnx", Preprocess(global_view=SPEC.global_view)) < TOLERANCE
    assert export(net, tmp_path / "both.onnx", SPEC, fitted) < TOLERANCE
    display = np.linspace(30000, 62000, 220 * 200).reshape(220, 200).astype(np.uint16)
    pixels = QualityGraph(tmp_path / "pixels.onnx", Preprocess(global_view=SPEC.global_view))(display)
    both = QualityGraph(tmp_path / "both.onnx", SPEC)(display)
    more = added(fitted, float(display.mean()), span=float(np.percentile(display, 99.5) - np.percentile(display, 0.5)))
    assert both.logits - pixels.logits == pytest.approx(more.numpy(), abs=0.01)
    assert both.logits[BRIGHT] > pixels.logits[BRIGHT] + 1.0


def test_samples_are_judged_by_the_network_itself() -> None:
    torch.manual_seed(5)
    net = QualityNet(len(CLASSES), PLACED)
    rng = np.random.default_rng(1)

    def drawn() -> Iterator[TrainingSample]:
        for _ in range(3):
            cells = np.zeros((3, 8, 8), np.float32)
            yield TrainingSample(
                rng.normal(0, 1, (1, 64, 64)).astype(np.float32), rng.normal(0, 1, (2, 1, 160, 160)).astype(np.float32),
                np.ones(len(CLASSES), np.float32), np.zeros(len(CLASSES), np.float32), cells,
                cells.astype(np.int16), np.arange(8, dtype=np.float32),
            )  # fmt: skip

    every = list(drawn())
    judgements = judged(net, every)
    with torch.no_grad():
        logits, severity, *_ = net(
            torch.from_numpy(np.stack([one.global_view for one in every])),
            torch.from_numpy(np.concatenate([one.crops for one in every])),
        )
    assert torch.allclose(judgements.logits, logits, atol=1e-4)
    assert torch.allclose(judgements.severity_logits, severity, atol=1e-3)
    assert judgements.numbers.shape == (3, 2 * len(NUMBERS))


def test_half_of_the_headers_say_nothing_and_the_others_what_was_simulated() -> None:
    rng = np.random.default_rng(2)
    drawn = [dose_header({FindingName.UNDEREXPOSURE: 1.0}, rng) for _ in range(600)]
    headers = [header for header in drawn if header is not None]
    assert 0.4 < len(headers) / len(drawn) < 0.6
    deviations = [header.deviation_index for header in headers if header.deviation_index is not None]
    assert np.median(deviations) == pytest.approx(-12.0, abs=1.0)  # a sixteenth of the dose
    over = [dose_header({FindingName.OVEREXPOSURE_SATURATION: 0.5}, rng) for _ in range(600)]
    above = [one.deviation_index for one in over if one is not None and one.deviation_index is not None]
    assert np.median(above) == pytest.approx(6.0, abs=1.0)
