"""``miqa-node train anomaly``: teaches a finished quality package which images are ordinary, and writes it in place.

Only features of the package's own graph are used, so this comes after the training of the graph, needs no torch and
takes minutes. Nothing of the network changes; but the card inside the graph does, and with it the graph's checksum.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from numpy.typing import NDArray

from miqa_node.assess.anomaly.arrays import dump_arrays
from miqa_node.assess.anomaly.detector import AnomalyModel
from miqa_node.assess.anomaly.features import Projection, raw_features
from miqa_node.assess.anomaly.forest import Forest
from miqa_node.assess.anomaly.regions import MemoryBank, nearest, pool_places
from miqa_node.assess.anomaly.section import AnomalySection, Block, HogBlock, TapBlock
from miqa_node.assess.card import METADATA_KEY, Card, read_card
from miqa_node.assess.model_card import model_card
from miqa_node.assess.packages import GRAPH_NAME
from miqa_node.assess.preprocess import Inputs, Preprocess, prepare
from miqa_node.assess.session import Session
from miqa_node.settings import Accelerator
from miqa_node.training.corpus import CACHE, QualityData, read_quality_data
from miqa_node.training.datasets import Record
from miqa_node.training.isolation import coreset, grow, principal_components

FILE = "anomaly.npz"
TREES, SAMPLES = 200, 256
COMPONENTS = 64
FOLDS = 5
BANK, PLACES_PER_IMAGE = 1024, 40


@dataclass(frozen=True, slots=True)
class Look:
    """What is kept of one image: raw features of every kind of block, and its places (rows, columns, C)."""

    blocks: Mapping[str, NDArray[np.float64]]
    places: NDArray[np.float32]


class Looker:
    """Runs the graph of a package for the outputs that anomalies are told from."""

    def __init__(self, package_dir: Path, card: Card) -> None:
        if not card.saliency.taps:
            msg = f"{package_dir.name}: the card names no taps, so there are no features to look at."
            raise ValueError(msg)
        self.taps = card.saliency.taps
        self.kinds: dict[str, Block] = {"network": TapBlock(tensors=self.taps), "hog": HogBlock()}
        self._spec: Preprocess = card.preprocess
        self._session = Session(package_dir / GRAPH_NAME, Accelerator.CPU, intra_op_threads=2, inter_op_threads=1)

    def run(self, display: NDArray[np.uint16]) -> tuple[Inputs, dict[str, NDArray[np.float32]]]:
        """Inputs and taps of a display image (rows, columns), 0 black and 65,535 white."""
        inputs = prepare(display, None, self._spec)
        return inputs, self._session.run(self.taps, inputs.arrays)

    def look(self, display: NDArray[np.uint16]) -> Look:
        """Everything that any set of features may want; places are those of the last tap."""
        inputs, outputs = self.run(display)
        view = inputs.global_view[0, 0]
        raw = {name: raw_features(block, outputs, view) for name, block in self.kinds.items()}
        return Look(raw, pool_places(outputs[self.taps[-1]]))


@dataclass(frozen=True, slots=True)
class Learnt:
    """A model with the looks that it was learnt from, by which other sets of features are compared with it."""

    model: AnomalyModel
    looks: Sequence[Look]
    patients: Sequence[str]
    held_out: Sequence[Look]


def train_anomaly(data_dir: Path, package_dir: Path, *, seed: int = 1, cache_dir: Path = CACHE) -> Path:
    """Learn from ``data_dir/cxr_train``, measure on ``data_dir/cxr_eval``, and write the package in place."""
    return teach(package_dir, read_quality_data(data_dir, cache_dir), data_dir, seed=seed)


def teach(package_dir: Path, data: QualityData, data_dir: Path, *, seed: int = 1) -> Path:
    """The same with the training images at hand."""
    from miqa_node.training.anomaly_figures import figures  # noqa: PLC0415 - it uses this module

    card = read_card(package_dir)
    looker = Looker(package_dir, card)
    learnt = learn(looker, data, seed)
    metrics = figures(looker, learnt, data, data_dir, seed)
    training = {
        "command": "miqa-node train anomaly --data DIR --package DIR",
        "images": len(data.fitting),
        "patients": len({(r.source, r.patient) for r in data.fitting}),
        "ordinary_scores": f"{len(learnt.model.ordinary)} images: held-out patients, and {FOLDS} folds of the others",
        "trees": TREES,
        "samples_per_tree": SAMPLES,
        "places": 0 if learnt.model.bank is None else len(learnt.model.bank.places),
        "seed": seed,
        "date": datetime.now(UTC).date().isoformat(),
    }
    section = learnt.model.section.model_copy(update={"training": training, "metrics": metrics})
    return write(package_dir, section, learnt.model)


def learn(looker: Looker, data: QualityData, seed: int) -> Learnt:
    """Forest, ordinary scores and memory of places; patients that the network was not fitted on rank the scores."""
    section = AnomalySection(file=FILE, blocks=(looker.kinds["network"],), regions=looker.taps[-1])
    looks = [looker.look(display(data, record)) for record in data.fitting]
    held_out = [looker.look(display(data, record)) for record in data.held_out]
    patients = [f"{record.source}/{record.patient}" for record in data.fitting]
    ordinary = np.sort(np.concatenate(ordinary_scores(["network"], looks, patients, held_out, seed)))
    projections, forest = fit_forest(["network"], looks, seed)
    free = [look.places for look, record in zip(looks, data.fitting, strict=True) if not record.has_real_object]
    bank = remember(free, [look.places for look in held_out], seed)
    return Learnt(AnomalyModel(section, projections, forest, ordinary, bank, ""), looks, patients, held_out)


def fit_forest(kinds: Sequence[str], looks: Sequence[Look], seed: int) -> tuple[dict[int, Projection], Forest]:
    """Projections of some kinds of blocks, and the forest of them."""
    projections = {
        number: principal_components(np.stack([look.blocks[kind] for look in looks]), COMPONENTS)
        for number, kind in enumerate(kinds)
    }
    return projections, grow(project(kinds, projections, looks), trees=TREES, samples=SAMPLES, seed=seed)


def project(kinds: Sequence[str], projections: Mapping[int, Projection], looks: Iterable[Look]) -> NDArray[np.float64]:
    """Features of looks, shape (N, F), as :func:`~miqa_node.assess.anomaly.features.features` makes them."""
    return np.stack([
        np.concatenate([
            (look.blocks[kind] - projections[number].mean) @ projections[number].components
            for number, kind in enumerate(kinds)
        ])
        for look in looks
    ])  # fmt: skip


def ordinary_scores(
    kinds: Sequence[str], looks: Sequence[Look], patients: Sequence[str], held_out: Sequence[Look], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores of images by forests that did not see their patients: of the fitting part in folds, and held out."""
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
    """A bank of places of some images; how far places of ``others`` lie from it says what is ordinary."""
    rng = np.random.default_rng(seed)
    pool = []
    for places in images:
        flat = places.reshape(-1, places.shape[-1])
        pool.append(flat[rng.choice(len(flat), min(PLACES_PER_IMAGE, len(flat)), replace=False)])
    # Half precision halves the file; what is compared with it at run time is what was rounded here.
    bank = coreset(np.concatenate(pool), BANK).astype(np.float16).astype(np.float32)
    distances = np.concatenate([nearest(places, bank).ravel() for places in others])
    ordinary, unusual = np.quantile(distances, (0.95, 0.999))
    return MemoryBank(bank, np.array([ordinary]), np.array([max(unusual, ordinary * 1.001 + 1e-6)]))


def write(package_dir: Path, section: AnomalySection, model: AnomalyModel) -> Path:
    """Put file and section into the package: checksums, the card inside the graph and MODEL_CARD.md follow."""
    arrays: dict[str, Any] = {**model.forest.arrays(), "ordinary_scores": model.ordinary}
    for number, projection in model.projections.items():
        arrays |= projection.arrays(number)
    if model.bank is not None:
        arrays |= model.bank.arrays() | {"bank_places": model.bank.places.astype(np.float16)}
    (package_dir / FILE).write_bytes(dump_arrays(arrays))
    card: dict[str, Any] = yaml.safe_load((package_dir / "card.yaml").read_text("utf-8"))
    files = card.pop("files")
    # Through JSON once, so that card.yaml and the card in the graph hold the same plain numbers.
    card["anomaly"] = json.loads(section.model_dump_json())
    graph = onnx.load(str(package_dir / GRAPH_NAME))
    kept = {item.key: item.value for item in graph.metadata_props}
    onnx.helper.set_model_props(graph, {**kept, METADATA_KEY: json.dumps(card, sort_keys=True)})
    onnx.save(graph, str(package_dir / GRAPH_NAME))
    for name in (GRAPH_NAME, FILE):
        files[name] = hashlib.sha256((package_dir / name).read_bytes()).hexdigest()
    card["files"] = files
    page = model_card(Card.model_validate(card))
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=120)
    (package_dir / "card.yaml").write_text(text, encoding="utf-8")
    (package_dir / "MODEL_CARD.md").write_text(page, encoding="utf-8")
    return package_dir


def display(data: QualityData, record: Record) -> NDArray[np.uint16]:
    """The cached pixels as display values."""
    return data.cache[record.path].astype(np.uint16) * np.uint16(257)
