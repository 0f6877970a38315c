"""Adds the lung field to a landmark package: a small head on the features that its network computes for the points.

The network itself stays as it is, run by ONNX Runtime, so points and positioning are those of the package it began
with, bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableSequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnx.compose
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it

from miqa_node.core.settings import Accelerator
from miqa_node.stages.assess.landmarks.estimate import INPUT, LUNGS, LandmarkEstimate, LandmarkNetwork
from miqa_node.stages.assess.landmarks.points import NUMBER, POINTS
from miqa_node.stages.assess.session import GraphSession
from miqa_training.datasets import DatasetRecord, held_out, may_ship, read_records
from miqa_training.landmarks.data import LandmarkData, picture, read_pixels
from miqa_training.landmarks.evaluate import presentation
from miqa_training.landmarks.fit import LandmarkSchedule, TensorPair, fit_pairs
from miqa_training.landmarks.lung_outlines import REQUIRED, drawn_lungs
from miqa_training.landmarks.network import separable
from miqa_training.landmarks.points import LandmarkAnnotation
from miqa_training.landmarks.variation import vary_sample
from miqa_training.onnx_graph import write_graph

CHANNELS, CELLS = 48, 64
"""Shape of the features before the heat maps: channels, and cells on each side."""
FEATURES = "lung_features"
"""Name of the features as an output of the tapped graph, and as the head's input."""
PREFIX = f"{LUNGS}/"
"""Beginning of the names of the head's nodes in the graph."""
Masks = NDArray[np.uint8]


class LungHead(nn.Module):
    """Features (N, 48, 64, 64) to logits (N, 2, 64, 64) of lung at the image's left and right."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(separable(CHANNELS), separable(CHANNELS), nn.Conv2d(CHANNELS, 2, 1))

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        logits: Tensor = self.layers(features)
        return logits


class _LungProbability(nn.Module):
    def __init__(self, head: LungHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Tensor) -> Tensor:
        return torch.sigmoid(self.head(features))


@dataclass(frozen=True, slots=True)
class LungData:
    """Images with lung fields (2, 256, 256), by file name, those for fitting and those of held-out patients."""

    fitting: list[LandmarkAnnotation]
    held_out: list[LandmarkAnnotation]
    pixels: Mapping[str, NDArray[np.uint8]]
    lungs: Mapping[str, Masks]

    def draw(
        self, features_of: Callable[[NDArray[np.float32]], NDArray[np.float32]], seed: int, index: int
    ) -> TensorPair:
        """Training sample number ``index`` of a seed, without the batch axis; always the same one."""
        rng = np.random.default_rng((seed, index))
        annotation = self.fitting[int(rng.integers(len(self.fitting)))]
        name = annotation.record.path.name
        sample = vary_sample(annotation, self.pixels[name], rng, lungs=self.lungs[name])
        if sample.lungs is None:
            raise AssertionError(name)
        fields = [cv2.resize(lung, (CELLS, CELLS), interpolation=cv2.INTER_AREA) for lung in sample.lungs]
        features = features_of(picture(sample.image)[None].numpy())
        return torch.from_numpy(features[0]), torch.from_numpy(np.stack(fields))


def read_lung_data(drawn: LandmarkData, data_dir: Path, cache_dir: Path, reader: LandmarkNetwork) -> LungData:
    """The images of ``drawn``, and the others of its collection, whose points ``reader`` estimates.

    Images without one of the points that an outline needs are left out.
    """
    annotated = {a.record.path.name for a in (*drawn.fitting, *drawn.held_out)}
    sources = {a.record.source for a in drawn.fitting}
    others = [
        record
        for record in read_records(data_dir / "cxr_train")
        if record.source in sources and may_ship(record) and record.path.name not in annotated
    ]
    pixels = {**drawn.pixels, **read_pixels([_estimated(record) for record in others], cache_dir / "others")}
    estimates = [_estimated(record, reader(presentation(pixels[record.path.name]))) for record in others]
    complete = [
        annotation
        for annotation in (*drawn.fitting, *drawn.held_out, *estimates)
        if np.isfinite(annotation.points[REQUIRED]).all()
    ]
    lungs = {a.record.path.name: drawn_lungs(pixels[a.record.path.name], a.points) for a in complete}
    apart = [held_out(a.record) for a in complete]
    return LungData(
        [a for a, away in zip(complete, apart, strict=True) if not away],
        [a for a, away in zip(complete, apart, strict=True) if away and a.record.path.name in annotated],
        pixels, lungs,
    )  # fmt: skip


def _estimated(record: DatasetRecord, estimate: LandmarkEstimate | None = None) -> LandmarkAnnotation:
    """An image as if a reader had drawn the points that were estimated; those that are not visible are absent."""
    points = np.full((len(POINTS), 2), np.nan)
    if estimate is not None:
        points = np.where((estimate.visible >= 0.5)[:, None], estimate.points, np.nan)
    return LandmarkAnnotation(record, points, frozenset(), (0, 0), (0, 0), float("nan"), 1.0)


def tapped_graph(graph: Path, path: Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Runs a landmark graph up to the features before its heat maps; its copy with that output is written to ``path``.

    Raises
    ------
    ValueError
        The graph was not made by :mod:`miqa_training.landmarks.train`.
    """
    model, tensor = _with_features(graph)
    onnx.save(model, str(path))
    session = GraphSession(path, Accelerator.CPU, intra_op_threads=1, inter_op_threads=1)

    def run(image: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(session.run((tensor,), {INPUT: image})[tensor], np.float32)

    return run


def _with_features(graph: Path) -> tuple[onnx.ModelProto, str]:
    """The graph with one more output and its name: the input of the convolution to the heat maps.

    A lung field that it has is left out.
    """
    model = onnx.load(str(graph))
    parts: tuple[MutableSequence[Any], ...] = (
        model.graph.node, model.graph.initializer, model.graph.value_info, model.graph.output,
    )  # fmt: skip
    for part in parts:
        for one in [one for one in part if one.name.startswith((PREFIX, LUNGS))]:
            part.remove(one)
    heats = {t.name for t in model.graph.initializer if tuple(t.dims) == (len(NUMBER), CHANNELS, 1, 1)}
    tensors = [node.input[0] for node in model.graph.node if node.op_type == "Conv" and node.input[1] in heats]
    if len(tensors) != 1:
        msg = "The graph is not one of the landmark network: it has no single convolution to its heat maps."
        raise ValueError(msg)
    model.graph.output.append(onnx.helper.make_tensor_value_info(tensors[0], onnx.TensorProto.FLOAT, None))
    return model, str(tensors[0])


def fit_lungs(draw: Callable[[int], TensorPair], schedule: LandmarkSchedule) -> LungHead:
    """The head whose samples ``draw`` gives: features (48, 64, 64) and lung fields (2, 64, 64) of 0 to 1."""
    return fit_pairs(LungHead, draw, loss_of, replace(schedule, bfloat16=False))


def loss_of(logits: Tensor, fields: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Cross entropy of each cell, and one less the Dice coefficient of each lung; its parts for the log."""
    entropy = F.binary_cross_entropy_with_logits(logits, fields)
    chance = torch.sigmoid(logits)
    both = (chance * fields).sum((2, 3))
    overlap = 1.0 - ((2.0 * both + 1.0) / (chance.sum((2, 3)) + fields.sum((2, 3)) + 1.0)).mean()
    return entropy + overlap, {"entropy": float(entropy.detach()), "overlap": float(overlap.detach())}


def add_head(graph: Path, head: LungHead, path: Path) -> None:
    """Write the graph with the head's output ``lungs`` (1, 2, 64, 64), probabilities; all other outputs stay."""
    part = path.with_suffix(".head.onnx")
    generator = torch.Generator().manual_seed(0)
    examples = [(torch.rand((1, CHANNELS, CELLS, CELLS), generator=generator),) for _ in range(2)]
    write_graph(_LungProbability(head).eval(), part, examples, (FEATURES,), (LUNGS,))
    model, tensor = _with_features(graph)
    added = onnx.compose.add_prefix(onnx.load(str(part)), PREFIX, rename_inputs=False, rename_outputs=False)
    added.ir_version = model.ir_version
    outputs = [output.name for output in model.graph.output if output.name != tensor]
    merged = onnx.compose.merge_models(model, added, io_map=[(tensor, FEATURES)], outputs=[*outputs, LUNGS])
    del merged.opset_import[1:]  # both parts have the same
    merged.producer_name, merged.graph.name = model.producer_name, model.graph.name
    onnx.checker.check_model(merged)
    onnx.save(merged, str(path))
    part.unlink()
