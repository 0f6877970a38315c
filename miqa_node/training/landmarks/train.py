"""Trains both landmark networks from public starts to checked graphs, their figures and their goldens."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from miqa_node.training.datasets import read_records
from miqa_node.training.landmarks.closeup import CLOSE_UP, CloseUpLoss, draw_close_up
from miqa_node.training.landmarks.data import LandmarkData, draw, read_landmark_data, read_pixels
from miqa_node.training.landmarks.estimate import LandmarkReader
from miqa_node.training.landmarks.evaluate import evaluate
from miqa_node.training.landmarks.export import LandmarkGraph, export
from miqa_node.training.landmarks.fit import LandmarkSchedule, fit, landmark_batches
from miqa_node.training.landmarks.goldens import write_goldens
from miqa_node.training.landmarks.losses import LandmarkLoss, LandmarkTargets
from miqa_node.training.landmarks.network import LandmarkNet, landmark_net, part_net
from miqa_node.training.landmarks.points import read_annotations, spreads
from miqa_node.training.pretrained import settle

MOBILENET_FILE = "mobilenet_v2_1.0_224_quant.tflite"
SETTLE_BATCHES = 6
"""Batches that give the normalisations of the published network their first statistics."""
SETTLE_FROM = 10_000_000
"""Number of the first sample that these batches are made of; fitting never gets there."""
WHOLE_GRAPH, CLOSE_UP_GRAPH = "model.onnx", "close_up.onnx"

Draw = Callable[[LandmarkData, int, int], tuple[Tensor, LandmarkTargets]]


def train_landmarks(
    data_dir: Path, runs: Path, out: Path, schedule: LandmarkSchedule, close_up_schedule: LandmarkSchedule
) -> dict[str, Any]:
    """Fit both networks, write graphs, goldens and ``figures.json`` to ``out``, and return the figures.

    ``data_dir`` is the folder of all collections; ``runs`` keeps decoded images and the checkpoints, from which an
    interrupted run goes on.
    """
    data = read_landmark_data(data_dir, runs / "images")
    loss = LandmarkLoss(torch.from_numpy(spreads()))
    torch.manual_seed(schedule.seed)
    whole = landmark_net(weights=data_dir / "pretrained" / MOBILENET_FILE)
    whole = fit_task(whole, data, draw, loss, _with_checkpoint(schedule, runs / "landmarks.pt"))
    closer = part_net(whole, CLOSE_UP)
    closer = fit_task(
        closer, data, draw_close_up, CloseUpLoss(), _with_checkpoint(close_up_schedule, runs / "close_up.pt")
    )
    return write_landmark_model(whole, closer, data_dir, runs, out)


def fit_task(
    net: LandmarkNet, data: LandmarkData, draw_sample: Draw, loss: LandmarkLoss, schedule: LandmarkSchedule
) -> LandmarkNet:
    """The fitted network; first its normalisations get the statistics of what they will see."""

    def sample(index: int) -> tuple[Tensor, LandmarkTargets]:
        return draw_sample(data, schedule.seed, index)

    ahead = landmark_batches(sample, SETTLE_FROM, schedule.batch, schedule.workers)
    settle(net, [next(ahead)[0] for _ in range(SETTLE_BATCHES)])
    ahead.close()
    return fit(net, sample, loss, schedule)


def write_landmark_model(
    whole: LandmarkNet, closer: LandmarkNet, data_dir: Path, runs: Path, out: Path
) -> dict[str, Any]:
    """Graphs, goldens and figures of fitted networks: on held-out patients and on the development set."""
    out.mkdir(parents=True, exist_ok=True)
    export(whole, out / WHOLE_GRAPH)
    export(closer, out / CLOSE_UP_GRAPH)
    reader = LandmarkReader(LandmarkGraph(out / WHOLE_GRAPH), LandmarkGraph(out / CLOSE_UP_GRAPH, CLOSE_UP))
    write_goldens(out / "golden", reader, Path(str(files("data_store") / "data" / "RG1_UNCR.dcm")))
    data = read_landmark_data(data_dir, runs / "images")
    development = read_annotations(data_dir / "landmarks" / "eval.jsonl", read_records(data_dir / "cxr_eval"))
    figures = {
        "held_out": evaluate(reader, data.held_out, data.pixels),
        "development": evaluate(reader, development, read_pixels(development, runs / "images")),
    }
    (out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return figures


def _with_checkpoint(schedule: LandmarkSchedule, path: Path) -> LandmarkSchedule:
    return replace(schedule, checkpoint=schedule.checkpoint or path)
