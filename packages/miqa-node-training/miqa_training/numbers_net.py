"""Teaches a fitted quality network to use the numbers beside the pixels; all else of it stays as it is.

Each class is given only numbers that bear on it, through a small network of its own that adds to the class's logit and
severity. A class whose numbers are unknown keeps, but for a constant, what the pixels say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from miqa_node.core.domain.finding import FindingName
from miqa_node.stages.assess.numbers import NumberName
from miqa_training import losses
from miqa_training.networks import ExportedNet, QualityNet
from miqa_training.samples import CLASSES, COLUMN, TrainingSample

DOSE: tuple[NumberName, ...] = ("exposure_index", "deviation_index")
NUMBERS: tuple[NumberName, ...] = ("displayed_span", "displayed_mean", *DOSE)
BEARS_ON: Mapping[FindingName, Sequence[NumberName]] = {
    FindingName.NOISE: DOSE,
    FindingName.UNDEREXPOSURE: NUMBERS,
    FindingName.OVEREXPOSURE_SATURATION: NUMBERS,
}
"""Automatic ranging hides noise in the displayed range. Contrast is not among them: with span and mean simulated
windows were found better (AUROC .93 instead of .91), low contrast as readers grade it worse (.70 instead of .77); the
contrast as displayed has a rule of its own."""
SAMPLES, ROUNDS, BATCH = 9000, 20, 128
HIDDEN, RATE, DECAY = 16, 1e-2, 0.01


class NumbersNet(nn.Module):
    """What the numbers add to logits and severity logits; nothing before it is fitted."""

    place: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.columns = [
            [NUMBERS.index(name) + part for part in (0, len(NUMBERS)) for name in names] for names in BEARS_ON.values()
        ]
        self.each = nn.ModuleList(_small(len(columns)) for columns in self.columns)
        place = torch.zeros(len(BEARS_ON), len(CLASSES))
        for row, finding in enumerate(BEARS_ON):
            place[row, COLUMN[finding]] = 1.0
        self.register_buffer("place", place)

    def forward(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Both (images, C) from (images, 2·N), see :func:`~miqa_node.stages.assess.numbers.numbers_of`."""
        added = torch.stack(
            [part(numbers[:, columns]) for part, columns in zip(self.each, self.columns, strict=True)], 2
        )
        return added[:, 0] @ self.place, added[:, 1] @ self.place


def _small(inputs: int) -> nn.Sequential:
    last = nn.Linear(HIDDEN, 2)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.ReLU(), last)


@dataclass(frozen=True, slots=True)
class JudgedSamples:
    """What a network says of M samples from the pixels, their numbers, and the truth: all (M, C) but the numbers."""

    logits: Tensor
    severity_logits: Tensor
    numbers: Tensor
    present: Tensor
    severity: Tensor


@torch.no_grad()
def judged(net: QualityNet, samples: Iterable[TrainingSample]) -> JudgedSamples:
    """The network's own judgements of samples."""
    exported = ExportedNet(net.eval())
    rows: list[tuple[Tensor, ...]] = []
    for sample in samples:
        logits, severity, *_ = exported(torch.from_numpy(sample.global_view[None]), torch.from_numpy(sample.crops))
        truth = (torch.from_numpy(part)[None] for part in (sample.numbers, sample.present, sample.severity))
        rows.append((logits, severity.logit(1e-6), *truth))
    return JudgedSamples(*(torch.cat(column) for column in zip(*rows, strict=True)))


def fit_numbers(samples: JudgedSamples, seed: int) -> NumbersNet:
    """Fitted to samples by the losses of the network itself."""
    torch.manual_seed(seed)
    net = NumbersNet()
    steps = ROUNDS * len(samples.numbers) // BATCH
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, steps))
    for _ in range(steps):
        some = torch.randint(len(samples.numbers), (BATCH,))
        loss = _loss(net, samples, some)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
        optimiser.step()
        falling.step()
    net.eval()
    return net


def _loss(net: NumbersNet, samples: JudgedSamples, some: Tensor) -> Tensor:
    logits, severity_logits = net(samples.numbers[some])
    present, severity = samples.present[some], samples.severity[some]
    return losses.presence(samples.logits[some] + logits, present, severity) + losses.severity(
        samples.severity_logits[some] + severity_logits, severity
    )
