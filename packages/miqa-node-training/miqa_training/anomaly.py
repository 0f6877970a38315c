"""``miqa-node train anomaly``: adds an anomaly model of ordinary images to a finished quality package, in place.

It uses only features of the package's own graph, so it runs after the graph is trained, needs no torch and takes
minutes. The network does not change, but the card inside the graph does, and with it the graph's checksum.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from miqa_node.stages.assess.anomaly.arrays import dump_arrays
from miqa_node.stages.assess.anomaly.detector import AnomalyModel
from miqa_node.stages.assess.anomaly.section import AnomalySection
from miqa_node.stages.assess.card import CARD_NAME, read_card
from miqa_training.anomaly_figures import figures
from miqa_training.corpus import CACHE, QualityData, read_quality_data
from miqa_training.forest_graph import Forest, forest_graph
from miqa_training.ordinary import FILE, FOLDS, FOREST_FILE, SAMPLES, TREES, ImageLooker, learn
from miqa_training.seal import seal


def train_anomaly(data_dir: Path, package_dir: Path, *, seed: int = 1, cache_dir: Path = CACHE) -> Path:
    """Learn from ``data_dir/cxr_train``, measure on ``data_dir/cxr_eval``, and write the package in place."""
    return teach(package_dir, read_quality_data(data_dir, cache_dir), data_dir, seed=seed)


def teach(package_dir: Path, data: QualityData, data_dir: Path, *, seed: int = 1) -> Path:
    """The same, with the training images already loaded."""
    looker = ImageLooker(package_dir, read_card(package_dir))
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
    return write(package_dir, section, learnt.model, learnt.forest)


def write(package_dir: Path, section: AnomalySection, model: AnomalyModel, forest: Forest) -> Path:
    """Write the anomaly files and their card section; update checksums, the embedded card and MODEL_CARD.md."""
    width = sum(projection.components.shape[1] for projection in model.projections.values())
    arrays: dict[str, Any] = {"ordinary_scores": model.ordinary}
    for number, projection in model.projections.items():
        arrays |= projection.arrays(number)
    if model.bank is not None:
        arrays |= model.bank.arrays() | {"bank_places": model.bank.places.astype(np.float16)}
    (package_dir / FILE).write_bytes(dump_arrays(arrays))
    (package_dir / FOREST_FILE).write_bytes(forest_graph(forest, width))
    card: dict[str, Any] = yaml.safe_load((package_dir / CARD_NAME).read_text("utf-8"))
    return seal(package_dir, card | {"anomaly": section.model_dump(mode="json")})
