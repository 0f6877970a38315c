"""Which members count, what probabilities are calibrated on, and a package of networks that are trained already."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from miqa_node.assess.card import read_sections
from miqa_node.assess.classify.card import ClassifierCard, Combination, EnsembleMember
from miqa_node.assess.classify.classifier import IMAGE, LOGITS, mirrored_logits
from miqa_node.assess.classify.picture import prepare
from miqa_node.training.origin import commit, start_of
from miqa_node.training.pneumonia.automation import automation_of
from miqa_node.training.pneumonia.card import NAME, limits_of, write_goldens
from miqa_node.training.pneumonia.data import (
    PneumoniaPart,
    PneumoniaSample,
    Population,
    calibrates,
    read_all,
    read_display,
)
from miqa_node.training.pneumonia.ensemble import ADULTS_RECALL_TARGET, RECALL_TARGET, PneumoniaEnsemble, calibrated
from miqa_node.training.pneumonia.figures import member_figures
from miqa_node.training.pneumonia.sealing import seal
from miqa_node.training.scores import auroc

Logits = Mapping[str, NDArray[np.float32]]
"""Of each member by architecture, (N, 2) in the order of the samples, means of a picture and its mirror image."""
WORTH = 0.005
"""Members that raise the mean AUROC of the calibration patients by less than this are dropped."""


def calibration_of(
    samples: Sequence[PneumoniaSample], logits: Logits, taps: Mapping[str, str]
) -> tuple[PneumoniaEnsemble, dict[str, Any]]:
    """The ensemble that ships, and the card's section ``calibration``.

    A dropped member that has a tap stays for the map alone, with weight 0.
    """
    indices = [n for n, sample in enumerate(samples) if calibrates(sample)]
    chosen = [samples[n] for n in indices]
    given = {name: values[indices] for name, values in logits.items()}
    members, worth = worthwhile(given, chosen)
    ensemble = calibrated({name: given[name] for name in members}, chosen, taps)
    shown = tuple(
        EnsembleMember(file=f"{name}.onnx", architecture=name, weight=0.0, tap=tap)
        for name, tap in taps.items()
        if name not in members and name in logits
    )
    ensemble = replace(ensemble, members=(*ensemble.members, *shown))
    adults = [sample for sample in chosen if sample.population is Population.ADULTS]
    section = {
        "images": len(chosen),
        "method": "temperature and bias of each member, then of their mean; hospitals with both labels only",
        "children": len(chosen) - len(adults),
        "adults": len(adults),
        "adults_with_mined_labels": sum(not sample.strong for sample in adults),
        "recall_target": {"children": RECALL_TARGET, "adults": ADULTS_RECALL_TARGET},
        "members_tried": [{"members": " + ".join(names), "mean AUROC": round(area, 4)} for names, area in worth],
    }
    return ensemble, section


def worthwhile(
    logits: Logits, samples: Sequence[PneumoniaSample]
) -> tuple[tuple[str, ...], list[tuple[tuple[str, ...], float]]]:
    """The smallest set of members that is hardly worse than the best, and every set with its mean AUROC.

    The mean is over the populations that have both labels; each member's logits count by their spread.
    """
    truth = np.array([sample.pneumonia for sample in samples], bool)
    groups = [np.array([sample.population is one for sample in samples], bool) for one in Population]
    groups = [one for one in groups if (one & truth).any() and (one & ~truth).any()]
    scores = {name: (values[:, 1] - values[:, 0]).astype(np.float64) for name, values in logits.items()}
    scores = {name: values / max(float(values.std()), 1e-9) for name, values in scores.items()}
    tried: list[tuple[tuple[str, ...], float]] = []
    for size in range(1, len(scores) + 1):
        for names in combinations(scores, size):
            together = np.sum([scores[name] for name in names], axis=0)
            areas = [auroc(together[group & truth], together[group & ~truth]) for group in groups]
            tried.append((names, float(np.mean(areas)) if areas else 0.0))
    best = max(area for _, area in tried)
    names, _ = min((one for one in tried if one[1] >= best - WORTH), key=lambda one: (len(one[0]), -one[1]))
    return names, tried


def calibrate_again(package: Path, data: Path, out: Path, version: str) -> Path:
    """The networks of ``package`` with calibration and threshold of ``data``, as ``out/pneumonia-ensemble-<version>``.

    Members that do not help are left out. Figures of the whole node are left out of the card until
    ``miqa-node evaluate pneumonia --write`` has made them.
    """
    sections = read_sections(package)
    card = ClassifierCard.model_validate(sections)
    samples = [s for s in read_all(data) if s.part is not PneumoniaPart.TRAIN]
    logits = logits_of_package(package, card, samples)
    ensemble, section = calibration_of(samples, logits, {m.architecture: m.tap for m in card.members if m.tap})
    folder = out / f"{NAME}-{version}"
    kept = {member.file for member in ensemble.members}
    dropped = {member.file for member in card.members} - kept
    shutil.copytree(package, folder, ignore=shutil.ignore_patterns(*dropped))
    write_goldens(folder, ensemble, card.picture)
    metrics = {name: value for name, value in sections["metrics"].items() if name != "test"}
    probability = ensemble.probability(logits)
    return seal(folder, sections | {
        "version": version,
        "limits": limits_of(section),
        "members": [member.model_dump(mode="json") for member in ensemble.members],
        "combination": ensemble.combination.model_dump(mode="json"),
        "operating_point": sections["operating_point"] | {"threshold": ensemble.threshold},
        "automation": [one.model_dump(mode="json") for one in automation_of(samples, probability, ensemble.threshold)],
        "calibration": section,
        "metrics": metrics | {"members": member_figures(samples, logits, probability)},
        "training": sections["training"] | {"networks": package.name, "start": start_of(package.name, commit())},
    })  # fmt: skip


def logits_of_package(
    package: Path, card: ClassifierCard, samples: Sequence[PneumoniaSample]
) -> dict[str, NDArray[np.float32]]:
    """Of every member of a package, (N, 2), with mirror images."""
    sessions = {
        member.architecture: onnxruntime.InferenceSession(
            str(package / member.file), providers=["CPUExecutionProvider"]
        )
        for member in card.members
    }
    mirrored = Combination(mirrored=True)
    logits: dict[str, list[NDArray[np.float32]]] = {name: [] for name in sessions}
    for sample in samples:
        image = prepare(read_display(sample.path), card.picture)
        for name, session in sessions.items():
            logits[name].append(np.asarray(mirrored_logits(partial(_run, session), image, mirrored)[0], np.float32))
    return {name: np.stack(rows) for name, rows in logits.items()}


def _run(session: onnxruntime.InferenceSession, image: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(session.run([LOGITS], {IMAGE: image})[0], np.float32)
