"""A run of training tells how far it is."""

from __future__ import annotations

import copy
import dataclasses
from itertools import repeat

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402 - torch may be missing

from miqa_node.core.observe.progress import watched_by  # noqa: E402 - torch may be missing
from miqa_training.loop import TrainingSchedule, TrainingTask, train  # noqa: E402


def _task() -> TrainingTask[Tensor, Tensor]:
    torch.manual_seed(1)
    net = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(net.parameters(), 0.01)

    def loss(output: Tensor, _batch: Tensor) -> tuple[Tensor, dict[str, float]]:
        value = (output**2).mean() + 1.0
        return value, {"loss": float(value.detach())}

    return TrainingTask(net, copy.deepcopy(net), optimizer, lambda _: repeat(torch.ones(1, 2)), net, loss)


def test_a_run_by_minutes_tells_its_steps() -> None:
    lines: list[str] = []
    with watched_by(lambda _what, _done, _total, words: lines.append(words)):
        train(_task(), TrainingSchedule(lambda *_: 1.0, 0.9, minutes=0.0005, bfloat16=False))
    assert lines[0].startswith("step 1, loss ")


@pytest.mark.parametrize(("processor", "imitates"), [("AVX2", True), ("AVX512", False)])
def test_a_processor_that_imitates_bfloat16_computes_in_float32(
    monkeypatch: pytest.MonkeyPatch, processor: str, imitates: bool
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: processor)
    kinds: list[object] = []
    task = _task()

    def forward(batch: Tensor) -> Tensor:
        output = task.forward(batch)
        kinds.append(output.dtype)
        return output

    train(dataclasses.replace(task, forward=forward), TrainingSchedule(lambda *_: 1.0, 0.9, steps=1))
    assert kinds == [torch.float32 if imitates else torch.bfloat16]


@pytest.mark.more
def test_epoch_loss_and_share_are_told() -> None:
    lines: list[tuple[str, float, float, str]] = []
    with watched_by(lambda *args: lines.append(args)):
        train(_task(), TrainingSchedule(lambda *_: 1.0, 0.9, steps=6, epoch_steps=3.0, bfloat16=False))

    shares, words = [line[1] for line in lines], [line[3] for line in lines]
    assert all(line[0] == "Training" for line in lines)
    assert shares == [pytest.approx(n / 6) for n in range(1, 7)] + [1.0]
    assert [text.split(", ")[0] for text in words[:6]] == ["epoch 1 of 2"] * 3 + ["epoch 2 of 2"] * 3
    assert all(text.split(", ")[1].startswith("loss 1.") for text in words[:6])
