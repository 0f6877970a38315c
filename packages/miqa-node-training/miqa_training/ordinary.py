"""Learns what ordinary images look like: features per image, a forest of the features, and a small memory of places."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.settings import Accelerator
from miqa_node.stages.assess.anomaly.detector import AnomalyModel
from miqa_node.stages.assess.anomaly.features import Projection, raw_features
from miqa_node.stages.assess.anomaly.regions import MemoryBank, nearest, pool_places
from miqa_node.stages.assess.anomaly.section import AnomalySection, Block, HogBlock, TapBlock
from miqa_node.stages.assess.card import GRAPH_NAME, Card
from miqa_node.stages.assess.preprocess import Preprocess, TwoBranchInputs, prepare
from miqa_node.stages.assess.session import GraphSession
from miqa_training.corpus import QualityData
from miqa_training.datasets import DatasetRecord
from miqa_training.forest_graph import Forest
from miqa_training.isolation import coreset, grow, principal_components

FILE, FOREST_FILE = "anomaly.npz", "anomaly.onnx"
TREES, SAMPLES = 200, 256
COMPONENTS = 64
FOLDS = 5
BANK, PLACES_PER_IMAGE = 1024, 40


@dataclass(frozen=True, slots=True)
class ImageLook:
    """The stored description of one image: raw features of every kind of block, and its places (rows, columns, C)."""

    blocks: Mapping[str, NDArray[np.float64]]
    places: NDArray[np.float32]


class ImageLooker:
    """Runs the graph of a package to get the outputs used for anomaly scores."""

    def __init__(self, package_dir: Path, card: Card) -> None:
        if not card.saliency.taps:
            msg = f"{package_dir.name}: the card names no taps, so there are no features to look at."
            raise ValueError(msg)
        self.taps = card.saliency.taps
        self.kinds: dict[str, Block] = {"network": TapBlock(tensors=self.taps), "hog": HogBlock()}
        self._spec: Preprocess = card.preprocess
        self._session = GraphSession(package_dir / GRAPH_NAME, Accelerator.CPU, intra_op_threads=2, inter_op_threads=1)

    def run(self, display: NDArray[np.uint16]) -> tuple[TwoBranchInputs, dict[str, NDArray[np.float32]]]:
        """Inputs and taps of a display image (rows, columns), 0 black and 65,535 white."""
        inputs = prepare(display, None, self._spec)
        return inputs, self._session.run(self.taps, inputs.arrays)

    def look(self, display: NDArray[np.uint16]) -> ImageLook:
        """All features that a feature set can use; places are those of the last tap."""
        inputs, outputs = self.run(display)
        view = inputs.global_view[0, 0]
        raw = {name: raw_features(block, outputs, view) for name, block in self.kinds.items()}
        return ImageLook(raw, pool_places(outputs[self.taps[-1]]))


@dataclass(frozen=True, slots=True)
class OrdinaryLooks:
    """Looks at ordinary images: those from which forests grow, their patients, and those of held-out patients."""

    looks: Sequence[ImageLook]
    patients: Sequence[str]
    held_out: Sequence[ImageLook]


@dataclass(frozen=True, slots=True)
class OrdinaryModel(OrdinaryLooks):
    """A model with the looks from which it was learned, for comparison with other feature sets."""

    model: AnomalyModel
    forest: Forest


def learn(looker: ImageLooker, data: QualityData, seed: int) -> OrdinaryModel:
    """Forest, ordinary scores and memory of places; held-out patients of the network give the ranks of scores."""
    section = AnomalySection(file=FILE, forest=FOREST_FILE, blocks=(looker.kinds["network"],), regions=looker.taps[-1])
    looks = [looker.look(display(data, record)) for record in data.fitting]
    held_out = [looker.look(display(data, record)) for record in data.held_out]
    patients = [f"{record.source}/{record.patient}" for record in data.fitting]
    ordinary = np.sort(np.concatenate(ordinary_scores(["network"], looks, patients, held_out, seed)))
    projections, forest = fit_forest(["network"], looks, seed)
    free = [look.places for look, record in zip(looks, data.fitting, strict=True) if not record.has_real_object]
    bank = remember(free, [look.places for look in held_out], seed)
    model = AnomalyModel(section, projections, forest, ordinary, bank, "")
    return OrdinaryModel(looks, patients, held_out, model, forest)


def fit_forest(kinds: Sequence[str], looks: Sequence[ImageLook], seed: int) -> tuple[dict[int, Projection], Forest]:
    """Projections of the given kinds of blocks, and a forest of the projected features."""
    projections = {
        number: principal_components(np.stack([look.blocks[kind] for look in looks]), COMPONENTS)
        for number, kind in enumerate(kinds)
    }
    return projections, grow(project(kinds, projections, looks), trees=TREES, samples=SAMPLES, seed=seed)


def project(
    kinds: Sequence[str], projections: Mapping[int, Projection], looks: Iterable[ImageLook]
) -> NDArray[np.float64]:
    """Features of looks, shape (N, F), as :func:`~miqa_node.stages.assess.anomaly.features.features` makes them."""
    return np.stack([
        np.concatenate([
            (look.blocks[kind] - projections[number].mean) @ projections[number].components
            for number, kind in enumerate(kinds)
        ])
        for look in looks
    ])  # fmt: skip


def ordinary_scores(
    kinds: Sequence[str], looks: Sequence[ImageLook], patients: Sequence[str], held_out: Sequence[ImageLook], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores of images by forests without their patients: the fitting part in folds, and the held-out part."""
    fold = np.array([int(hashlib.sha256(p.encode()).hexdigest(), 16) % FOLDS for p in patients])
    scores = np.zeros(len(looks))
    for number in range(FOLDS):
        projections, forest = fit_forest(kinds, [k for k, f in zip(looks, fold, strict=True) if f != number], seed)
        mine = np.flatnonzero(fold == number).tolist()
        if mine:
            scores[mine] = forest.score(project(kinds, projections, [looks[i] for i in mine]))
    projections, forest = fit_forest(kinds, looks, seed)
    return scores, forest.score(project(kinds, projections, held_out))


def remember(images: Sequence[NDArray[np.float32]], others: Sequence[NDArray[np.float32]], seed: int) -> MemoryBank:
    """A bank of places of some images; the distances of places of ``others`` from it define what is ordinary."""
    rng = np.random.default_rng(seed)
    pool = []
    for places in images:
        flat = places.reshape(-1, places.shape[-1])
        pool.append(flat[rng.choice(len(flat), min(PLACES_PER_IMAGE, len(flat)), replace=False)])
    # Half precision halves the file; run time compares with the same rounded values.
    bank = coreset(np.concatenate(pool), BANK).astype(np.float16).astype(np.float32)
    distances = np.concatenate([nearest(places, bank).ravel() for places in others])
    ordinary, unusual = np.quantile(distances, (0.95, 0.999))
    return MemoryBank(bank, np.array([ordinary]), np.array([max(unusual, ordinary * 1.001 + 1e-6)]))


def display(data: QualityData, record: DatasetRecord) -> NDArray[np.uint16]:
    """The cached pixels as display values."""
    return data.cache[record.path].astype(np.uint16) * np.uint16(257)
