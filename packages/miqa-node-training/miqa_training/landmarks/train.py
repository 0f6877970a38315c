"""Trains both landmark networks from public weights and writes a package with its figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from miqa_node.stages.assess.landmarks.estimate import INPUT, LandmarkNetwork
from miqa_node.stages.assess.sidecars import LANDMARKS
from miqa_training import weights
from miqa_training.datasets import read_records
from miqa_training.landmarks.closeup import CLOSE_UP, CloseUpLoss, draw_close_up
from miqa_training.landmarks.data import LandmarkData, draw, read_landmark_data, read_pixels
from miqa_training.landmarks.estimate import reader_of
from miqa_training.landmarks.evaluate import evaluate, simulated_cuts
from miqa_training.landmarks.fit import LandmarkSchedule, fit, landmark_batches
from miqa_training.landmarks.losses import RIBS_TYPICAL, RIBS_UNIT, SCALE_OFFSET, LandmarkLoss, LandmarkTargets
from miqa_training.landmarks.network import LandmarkNet, LandmarkTask, landmark_net, part_net, places
from miqa_training.landmarks.package import write_package
from miqa_training.landmarks.points import read_annotations, spreads
from miqa_training.onnx_graph import write_graph
from miqa_training.pretrained import settle

MOBILENET_FILE = "mobilenet_v2_1.0_224_quant.tflite"
SETTLE_BATCHES = 6
"""Number of batches for the initial normalisation statistics of the published network."""
SETTLE_FROM = 10_000_000
"""Index of the first sample of these batches; fitting never reaches it."""
WHOLE_GRAPH, CLOSE_UP_GRAPH = "whole.onnx", "close_up.onnx"
WHOLE_CHECKPOINT, CLOSE_UP_CHECKPOINT = "landmarks.pt", "close_up.pt"

ABOUT_FIGURES = (
    "Errors are percentages of the image's width; exact errors are of the coordinate that readers agree on. "
    "Figures with low and high have intervals of 95 % (bootstrap over images). The development set (hospitals that no "
    "weight learned from) chose the combination of the rotation's parts and the operating points, so it flatters them. "
    "Rotation and cuts are AUROC against the readers' words. Cuts are simulated on the held-out patients."
)

Draw = Callable[[LandmarkData, int, int], tuple[Tensor, LandmarkTargets]]


def train_landmarks(
    data_dir: Path, runs: Path, out: Path, schedule: LandmarkSchedule, close_up_schedule: LandmarkSchedule,
    version: str,
) -> Path:  # fmt: skip
    """Fit both networks and write the package to ``out``; its folder.

    ``data_dir`` is the folder of all collections; ``runs`` keeps decoded images and checkpoints, from which an
    interrupted run resumes.
    """
    data = read_landmark_data(data_dir, runs / "images")
    loss = LandmarkLoss(torch.from_numpy(spreads()))
    torch.manual_seed(schedule.seed)
    whole = landmark_net(weights=data_dir / "pretrained" / MOBILENET_FILE)
    whole = fit_task(whole, data, draw, loss, _with_checkpoint(schedule, runs / WHOLE_CHECKPOINT))
    closer = part_net(whole, CLOSE_UP)
    closer = fit_task(
        closer, data, draw_close_up, CloseUpLoss(), _with_checkpoint(close_up_schedule, runs / CLOSE_UP_CHECKPOINT)
    )
    training = training_record(schedule, close_up_schedule, runs, version)
    return write_landmark_model(whole, closer, data_dir, runs, out / f"{LANDMARKS}-{version}", training, version)


def training_record(
    schedule: LandmarkSchedule, close_up_schedule: LandmarkSchedule, runs: Path, version: str
) -> dict[str, Any]:
    """The card's record of the training."""
    samples = {
        "whole": schedule.batch * _steps(runs / WHOLE_CHECKPOINT),
        "close_up": close_up_schedule.batch * _steps(runs / CLOSE_UP_CHECKPOINT),
    }
    return {
        "initial_weights": MOBILENET_FILE,
        "samples": samples,
        "seed": schedule.seed,
        "command": f"miqa-node train landmarks --data DIR --out models --minutes {schedule.minutes:g} "
        f"--close-up-minutes {close_up_schedule.minutes:g} --seed {schedule.seed} --version {version}",
    }


def fit_task(
    net: LandmarkNet, data: LandmarkData, draw_sample: Draw, loss: LandmarkLoss, schedule: LandmarkSchedule
) -> LandmarkNet:
    """The fitted network, after its normalisations got statistics from the training samples."""

    def sample(index: int) -> tuple[Tensor, LandmarkTargets]:
        return draw_sample(data, schedule.seed, index)

    ahead = landmark_batches(sample, SETTLE_FROM, schedule.batch, schedule.workers)
    settle(net, [next(ahead)[0] for _ in range(SETTLE_BATCHES)])
    ahead.close()
    return fit(net, sample, loss, schedule)


def write_landmark_model(
    whole: LandmarkNet, closer: LandmarkNet, data_dir: Path, runs: Path, folder: Path, training: Mapping[str, Any],
    version: str,
) -> Path:  # fmt: skip
    """The package of fitted networks, with figures on held-out patients, simulated cuts and the development set."""
    graphs = runs / WHOLE_GRAPH, runs / CLOSE_UP_GRAPH
    export(whole, graphs[0])
    export(closer, graphs[1])
    data = read_landmark_data(data_dir, runs / "images")
    metrics = landmark_figures(reader_of(*graphs), data, data_dir, runs / "images")
    return write_package(*graphs, folder, [a.record for a in data.fitting], training, metrics, version)


def landmark_figures(reader: LandmarkNetwork, data: LandmarkData, data_dir: Path, cache_dir: Path) -> dict[str, Any]:
    """Every figure of the card."""
    development = read_annotations(data_dir / "landmarks" / "eval.jsonl", read_records(data_dir / "cxr_eval"))
    figures = evaluate(reader, development, read_pixels(development, cache_dir))
    held_out = evaluate(reader, data.held_out, data.pixels)
    by_point = figures["all"]["by_point"]
    for rows in (figures, held_out):
        for row in rows.values():
            del row["by_point"]
    return {
        "about": ABOUT_FIGURES,
        "development_set": figures,
        "development_set_by_point": by_point,
        "held_out_patients": held_out,
        "simulated_cuts": simulated_cuts(reader, data.held_out, data.pixels),
    }


def _steps(checkpoint: Path) -> int:
    return int(torch.load(checkpoint, weights_only=True)["step"])


def _with_checkpoint(schedule: LandmarkSchedule, path: Path) -> LandmarkSchedule:
    return replace(schedule, checkpoint=schedule.checkpoint or path)


class ExportedLandmarkNet(nn.Module):
    """The graph of a network; its outputs are named by :func:`output_names`."""

    def __init__(self, net: LandmarkNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Points (N, P, 2) as fractions of the input, then the state."""
        heat, state = self.net(image)
        return places(heat), *(_FINISH[name](values) for name, values in state.items())


_FINISH: Mapping[str, Callable[[Tensor], Tensor]] = {
    "visible": torch.sigmoid,
    "scale": lambda values: (values.clamp(-3.0, 5.0) - SCALE_OFFSET).exp().reshape(len(values), -1, 2),
    "cut": torch.sigmoid,
    "margin": lambda values: values,
    "ribs": lambda values: values * RIBS_UNIT + RIBS_TYPICAL,
    "rotation": lambda values: values.clamp(-1.0, 1.0),
    "grade": torch.sigmoid,
    "mark": torch.sigmoid,
    "mirrored": torch.sigmoid,
}


def output_names(task: LandmarkTask) -> tuple[str, ...]:
    """The graph's outputs in order; the network's log-scale becomes the expected error."""
    return ("points", *("error" if name == "scale" else name for name in task.state))


def export(net: LandmarkNet, path: Path) -> float:
    """Write the graph for one image; returns the largest difference from torch.

    Raises
    ------
    ValueError
        The difference is above the tolerance of :func:`write_graph`.
    """
    side = net.task.side_px
    generator = torch.Generator().manual_seed(0)
    examples = [(torch.rand((1, 1, side, side), generator=generator) * 2 - 1,) for _ in range(2)]
    plain = weights.in_format(net.eval(), torch.contiguous_format)
    return write_graph(ExportedLandmarkNet(plain).eval(), path, examples, (INPUT,), output_names(net.task))
