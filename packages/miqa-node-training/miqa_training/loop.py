"""The one training loop of all networks: steps, learning rate, moving average of the weights, checkpoints, log."""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

import cv2
import structlog
import torch
from torch import Tensor, nn

from miqa_node.core.observe.progress import tell
from miqa_training import weights

B = TypeVar("B")
"""A batch."""
O = TypeVar("O")  # noqa: E741 - the output of a network
"""The network's output for a batch."""

log = structlog.get_logger(__name__)
WARM_SHARE = 0.05
"""Share of a run in which the learning rate rises."""


@dataclass(frozen=True, slots=True)
class TrainingSchedule:
    """How a run goes. It ends after ``steps`` steps or, when that is None, after ``minutes``."""

    rate: Callable[[int, float], float]
    """Factor on the optimizer's initial learning rate, by steps done and share of the run done."""
    average: float
    """Decay of the moving average of the weights after the first ``ramp`` steps."""
    ramp: float = 10.0
    steps: int | None = None
    minutes: float = math.inf
    largest_gradient: float = 5.0
    bfloat16: bool = True
    """Where the device computes in it faster than in float32."""
    log_every: int = 100
    log_file: Path | None = None
    """JSON lines; without it the lines go to the program's log."""
    checkpoint: Path | None = None
    checkpoint_s: float = 120.0
    checkpoint_every: int | None = None
    """Steps between checkpoints, instead of ``checkpoint_s`` seconds."""
    resume: bool = True
    """Resume from the checkpoint if there is one."""
    epoch_steps: float | None = None
    """Steps in which as many samples are drawn as there are; None if samples are made without end."""

    def words(self, step: int, loss: float) -> str:
        """How far a run is, for the person who waits.

        >>> TrainingSchedule(lambda *_: 1.0, 0.9, steps=40, epoch_steps=10).words(12, 0.4571)
        'epoch 2 of 4, loss 0.457'
        >>> TrainingSchedule(lambda *_: 1.0, 0.9, minutes=3).words(12, 0.4571)
        'step 12, loss 0.457'
        """
        size = self.epoch_steps or 1.0
        total = "" if self.steps is None else f" of {math.ceil(self.steps / size)}"
        return f"{'epoch' if self.epoch_steps else 'step'} {math.ceil(step / size)}{total}, loss {loss:.3f}"


@dataclass(slots=True)
class TrainingProgress:
    """Progress of a run; ``history`` holds the lines of its log."""

    step: int = 0
    elapsed_s: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)

    def share(self, schedule: TrainingSchedule) -> float:
        """Share of the run that is done."""
        if schedule.steps is not None:
            return self.step / schedule.steps
        return self.elapsed_s / (60.0 * schedule.minutes)


@dataclass(frozen=True)
class TrainingTask(Generic[B, O]):
    """A training task: network, average of its weights (which is shipped), batches and loss."""

    net: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    batches: Callable[[int], Iterable[B]]
    """Batches from the given number on, so that a resumed run sees the same data as an uninterrupted one."""
    forward: Callable[[B], O]
    """Applies the network, in bfloat16 where the schedule says so."""
    loss: Callable[[O, B], tuple[Tensor, Mapping[str, float]]]
    """The loss, and its parts for the log."""
    figures: Callable[[], Mapping[str, float]] = dict
    """Additional figures for each line of the log."""


def train(task: TrainingTask[B, O], schedule: TrainingSchedule) -> TrainingProgress:
    """Run to the end of the schedule and leave the average in evaluation mode."""
    for group in task.optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    done = _resume(task, schedule)
    if schedule.log_file is not None and done.step == 0:
        schedule.log_file.unlink(missing_ok=True)
    stream = iter(task.batches(done.step))
    began, saved, parts = time.monotonic() - done.elapsed_s, time.monotonic(), list[Mapping[str, float]]()
    task.net.train()
    while (share := done.share(schedule)) < 1.0 and (batch := next(stream, None)) is not None:
        for group in task.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * schedule.rate(done.step, share)
        loss, figures = _step(task, schedule, batch)
        parts.append(figures)
        done.step, done.elapsed_s = done.step + 1, time.monotonic() - began
        weights.follow(task.average, task.net, min(schedule.average, done.step / (done.step + schedule.ramp)))
        finished = done.share(schedule) >= 1.0
        tell("Training", done.share(schedule), 1.0, schedule.words(done.step, loss))
        if done.step % schedule.log_every == 0 or finished:
            _log(task, schedule, done, parts)
            parts.clear()
        every = schedule.checkpoint_every
        due = done.step % every == 0 if every else time.monotonic() - saved > schedule.checkpoint_s
        if schedule.checkpoint is not None and (due or finished):
            _save(task, schedule.checkpoint, done)
            saved = time.monotonic()
    tell("Training", 1.0, 1.0)
    task.average.eval()
    return done


def ahead(make: Callable[[int], B], numbers: Iterable[int], workers: int) -> Generator[B]:
    """The results of ``make`` for each number, prepared by threads, in an order independent of timing.

    Threads are enough: numpy, OpenCV and torch release the GIL while they work. Forked workers hang if OpenCV has
    already started threads, and spawned workers have to copy every sample through shared memory.
    """
    cv2.setNumThreads(1)
    waiting = iter(numbers)
    with ThreadPoolExecutor(workers) as pool:
        batches = deque(pool.submit(make, number) for number in islice(waiting, workers + 1))
        while batches:
            batch = batches.popleft().result()
            batches.extend(pool.submit(make, number) for number in islice(waiting, 1))
            yield batch


def warm_cosine(steps: int) -> Callable[[int, float], float]:
    """A learning rate that warms up over a twentieth of the steps, then decays as a cosine to almost zero."""
    warm = max(1, steps // 20)

    def rate(step: int, _share: float) -> float:
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))

    return rate


def warm_cosine_of_share(_step: int, share: float) -> float:
    """The same by the share of the run that is done, for runs that end after a number of minutes."""
    if share < WARM_SHARE:
        return (share + 0.002) / (WARM_SHARE + 0.002)
    return 0.5 * (1.0 + math.cos(math.pi * (share - WARM_SHARE) / (1.0 - WARM_SHARE)))


def _step(task: TrainingTask[B, O], schedule: TrainingSchedule, batch: B) -> tuple[float, Mapping[str, float]]:
    device = next(task.net.parameters()).device
    with torch.autocast(device.type, torch.bfloat16, enabled=schedule.bfloat16 and _is_quick_in_bfloat16(device)):
        output = task.forward(batch)
    loss, parts = task.loss(output, batch)
    task.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(task.net.parameters(), schedule.largest_gradient)
    task.optimizer.step()
    return float(loss.detach()), parts


def _is_quick_in_bfloat16(device: torch.device) -> bool:
    """A processor without AVX-512 imitates each product: a convolution took 17 times as long as in float32."""
    capability: str = torch.backends.cpu.get_cpu_capability()
    return device.type != "cpu" or capability.startswith(("AVX512", "AMX", "SVE"))


def _log(
    task: TrainingTask[B, O], schedule: TrainingSchedule, done: TrainingProgress, parts: list[Mapping[str, float]]
) -> None:
    line: dict[str, float] = {"step": done.step, "elapsed_s": round(done.elapsed_s, 1)}
    line["lr"] = float(task.optimizer.param_groups[0]["lr"])
    line |= {name: round(sum(part[name] for part in parts) / len(parts), 6) for name in parts[0]}
    line |= task.figures()
    done.history.append(line)
    if schedule.log_file is None:
        log.info("training", **line)
        return
    with schedule.log_file.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _save(task: TrainingTask[B, O], path: Path, done: TrainingProgress) -> None:
    state: dict[str, Any] = {name: part.state_dict() for name, part in _parts(task).items()}
    state |= {"step": done.step, "elapsed_s": done.elapsed_s, "history": done.history}
    weights.save(path, state | {"random": torch.get_rng_state()})


def _resume(task: TrainingTask[B, O], schedule: TrainingSchedule) -> TrainingProgress:
    if not schedule.resume or schedule.checkpoint is None or not schedule.checkpoint.is_file():
        return TrainingProgress()
    state = torch.load(schedule.checkpoint, weights_only=True, map_location="cpu")
    if "history" not in state:
        raise ValueError(f"{schedule.checkpoint} is of an older version, from which no run can resume: start it again.")
    for name, part in _parts(task).items():
        part.load_state_dict(state[name])
    torch.set_rng_state(state["random"])  # dropout continues as in an uninterrupted run
    return TrainingProgress(state["step"], state["elapsed_s"], state["history"])


def _parts(task: TrainingTask[B, O]) -> dict[str, nn.Module | torch.optim.Optimizer]:
    return {"net": task.net, "average": task.average, "optimizer": task.optimizer}
