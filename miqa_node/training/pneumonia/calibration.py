"""What the package's probabilities are calibrated on, and a package of networks that are trained already."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from miqa_node.assess.card import read_sections
from miqa_node.assess.classify.card import ClassifierCard
from miqa_node.assess.classify.classifier import IMAGE, LOGITS
from miqa_node.assess.classify.picture import prepare
from miqa_node.training.pneumonia.card import NAME, limits_of, write_goldens
from miqa_node.training.pneumonia.data import (
    FOLDS,
    PneumoniaPart,
    PneumoniaSample,
    Population,
    calibrates,
    fold_of,
    read_all,
    read_display,
)
from miqa_node.training.pneumonia.ensemble import ADULTS_RECALL_TARGET, RECALL_TARGET, PneumoniaEnsemble, calibrated
from miqa_node.training.pneumonia.figures import member_figures
from miqa_node.training.pneumonia.folds import WITHOUT_FOLD, fold_row
from miqa_node.training.pneumonia.sealing import seal

Logits = Mapping[str, NDArray[np.float32]]
"""Of each member by architecture, (N, 2) in the order of the samples."""


def calibration_of(
    samples: Sequence[PneumoniaSample], logits: Logits, taps: Mapping[str, str]
) -> tuple[PneumoniaEnsemble, dict[str, Any]]:
    """The ensemble that ships, and the card's section ``calibration`` with that of every fold."""
    chosen = [sample for sample in samples if calibrates(sample)]
    further = Counter((s.source, s.licence) for s in chosen if s.part is PneumoniaPart.ELSEWHERE)
    section = {
        "images": len(chosen),
        "method": "temperature and bias of each member, then of their mean",
        "children": sum(s.population is Population.CHILDREN for s in chosen),
        "adults": sum(s.strong and s.population is Population.ADULTS for s in chosen),
        "adults_of_further_hospitals": sum(further.values()),
        "further_hospitals": [
            {"source": source, "licence": licence, "images": images}
            for (source, licence), images in sorted(further.items())
        ],
        "recall_target": {"children": RECALL_TARGET, "adults": ADULTS_RECALL_TARGET},
        "adults_of_the_test": "each is measured with the calibration that was made without the fold of its patient",
        WITHOUT_FOLD: [fold_row(fold, ensemble_of(samples, logits, taps, fold)) for fold in range(FOLDS)],
    }
    return ensemble_of(samples, logits, taps), section


def ensemble_of(
    samples: Sequence[PneumoniaSample], logits: Logits, taps: Mapping[str, str], without: int | None = None
) -> PneumoniaEnsemble:
    """The ensemble of all samples that calibrate, or of all but one fold of the held-out adults."""
    chosen = [n for n, s in enumerate(samples) if calibrates(s) and (without is None or fold_of(s) != without)]
    return calibrated({name: values[chosen] for name, values in logits.items()}, [samples[n] for n in chosen], taps)


def calibrate_again(package: Path, data: Path, out: Path, version: str) -> Path:
    """The networks of ``package`` with calibration and threshold of ``data``, as ``out/pneumonia-ensemble-<version>``.

    Figures of the whole node are left out of the card until ``miqa-node evaluate pneumonia --write`` has made them.
    """
    sections = read_sections(package)
    card = ClassifierCard.model_validate(sections)
    samples = [s for s in read_all(data) if s.part is not PneumoniaPart.TRAIN]
    logits = _logits(package, card, samples)
    ensemble, section = calibration_of(samples, logits, {m.architecture: m.tap for m in card.members if m.tap})
    folder = out / f"{NAME}-{version}"
    shutil.copytree(package, folder)
    write_goldens(folder, ensemble, card.picture)
    metrics = {name: value for name, value in sections["metrics"].items() if name != "test"}
    return seal(folder, sections | {
        "version": version,
        "limits": limits_of(section),
        "members": [member.model_dump(mode="json") for member in ensemble.members],
        "combination": ensemble.combination.model_dump(mode="json"),
        "operating_point": sections["operating_point"] | {"threshold": ensemble.threshold},
        "calibration": section,
        "metrics": metrics | {"members": member_figures(samples, logits, ensemble.probability(logits))},
        "training": sections["training"] | {"networks": package.name},
    })  # fmt: skip


def _logits(package: Path, card: ClassifierCard, samples: Sequence[PneumoniaSample]) -> dict[str, NDArray[np.float32]]:
    sessions = {
        member.architecture: onnxruntime.InferenceSession(
            str(package / member.file), providers=["CPUExecutionProvider"]
        )
        for member in card.members
    }
    found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in sessions}
    for sample in samples:
        image = prepare(read_display(sample.path), card.picture)
        for name, session in sessions.items():
            found[name].append(session.run([LOGITS], {IMAGE: image})[0][0])
    return {name: np.stack(rows) for name, rows in found.items()}
