"""Trains the lung field on top of a landmark package and writes the package that has both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from miqa_node.stages.assess.card import GRAPH_NAME, checked_card, read_sections
from miqa_node.stages.assess.landmarks.card import CLOSE_UP_GRAPH, LandmarkCard
from miqa_node.stages.assess.landmarks.estimate import LandmarkNetwork
from miqa_node.stages.assess.sidecars import LANDMARKS
from miqa_training.datasets import read_records
from miqa_training.landmarks.data import read_landmark_data, read_pixels
from miqa_training.landmarks.estimate import reader_of
from miqa_training.landmarks.fit import LandmarkSchedule, TensorPair
from miqa_training.landmarks.lung_field import (
    LungData,
    add_head,
    fit_lungs,
    read_lung_data,
    tapped_graph,
)
from miqa_training.landmarks.lung_figures import ABOUT, against_drawn_masks, against_outlines
from miqa_training.landmarks.lung_outlines import REQUIRED
from miqa_training.landmarks.package import LIMITS, write_package
from miqa_training.landmarks.points import read_annotations
from miqa_training.package import sources_of

CHECKPOINT = "lung_field.pt"
LUNG_LIMITS = (
    (
        "Nobody drew the lung fields to learn from: they were made from the points that readers drew, and from the "
        "pixels between. Where lung is as white as the heart (consolidation, effusion, collapse) the inner border is a "
        "guess."
    ),
    "The lung field is what is visible beside mediastinum and heart and above the domes, not the whole lung.",
)  # fmt: skip


def train_lung_field(
    start: Path, data_dir: Path, runs: Path, out: Path, schedule: LandmarkSchedule, version: str
) -> Path:
    """Fit the lung field on the features of the package ``start`` and write the new package to ``out``; its folder.

    ``data_dir`` is the folder of all collections; ``runs`` keeps decoded images and the checkpoint, from which an
    interrupted run resumes.
    """
    runs.mkdir(parents=True, exist_ok=True)
    whole, closer = start / GRAPH_NAME, start / CLOSE_UP_GRAPH
    drawn = read_landmark_data(data_dir, runs / "images")
    data = read_lung_data(drawn, data_dir, runs / "images", reader_of(whole, closer))
    features_of = tapped_graph(whole, runs / "tapped.onnx")

    def draw(index: int) -> TensorPair:
        return data.draw(features_of, schedule.seed, index)

    checkpoint = schedule.checkpoint or runs / CHECKPOINT
    head = fit_lungs(draw, replace(schedule, checkpoint=checkpoint))
    add_head(whole, head, runs / GRAPH_NAME)
    card = checked_card(LandmarkCard, read_sections(start), start.name)
    figures = lung_figures(reader_of(runs / GRAPH_NAME, closer), data, data_dir, runs / "images")
    records = [a.record for a in data.fitting]
    training = {
        **card.training,
        "lung_field": {
            "start": start.name, "data": sources_of(records), "seed": schedule.seed,
            "samples": schedule.batch * int(torch.load(checkpoint, weights_only=True)["step"]),
            "command": f"miqa-node train lung-field --start models/{start.name} --data DIR --out models "
            f"--minutes {schedule.minutes:g} --seed {schedule.seed} --version {version}",
        },
    }  # fmt: skip
    metrics = {**card.metrics, "lung_field": figures}
    folder = out / f"{LANDMARKS}-{version}"
    return write_package(
        runs / GRAPH_NAME, closer, folder, records, training, metrics, version, limits=(*LIMITS, *LUNG_LIMITS)
    )


def lung_figures(reader: LandmarkNetwork, data: LungData, data_dir: Path, cache_dir: Path) -> dict[str, Any]:
    """The card's figures of the lung field."""
    development = [
        annotation
        for annotation in read_annotations(data_dir / "landmarks" / "eval.jsonl", read_records(data_dir / "cxr_eval"))
        if np.isfinite(annotation.points[REQUIRED]).all()
    ]
    return {
        "about": ABOUT,
        "masks_drawn_by_others": {"openist": against_drawn_masks(reader, data_dir / "cxr_train")},
        "held_out_patients": against_outlines(reader, data.held_out, data.pixels),
        "development_set": against_outlines(reader, development, read_pixels(development, cache_dir)),
    }
