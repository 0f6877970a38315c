"""A run of training tells how far it is."""

from __future__ import annotations

import pytest

from miqa_node.core.observe.progress import watched_by
from miqa_training.loop import TrainingSchedule, train
from tests.packages.training.test_loop import _task


def test_epoch_loss_and_share_are_told() -> None:
    lines: list[tuple[str, float, float, str]] = []
    with watched_by(lambda *args: lines.append(args)):
        train(_task(), TrainingSchedule(lambda *_: 1.0, 0.9, steps=6, epoch_steps=3.0, bfloat16=False))

    shares, words = [line[1] for line in lines], [line[3] for line in lines]
    assert all(line[0] == "Training" for line in lines)
    assert shares == [pytest.approx(n / 6) for n in range(1, 7)] + [1.0]
    assert [text.split(", ")[0] for text in words[:6]] == ["epoch 1 of 2"] * 3 + ["epoch 2 of 2"] * 3
    assert all(text.split(", ")[1].startswith("loss 1.") for text in words[:6])
