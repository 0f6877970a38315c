"""Chooses the members, calibrates the probabilities, and repackages trained networks."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from miqa_node.stages.assess.card import gradient_file, read_sections
from miqa_node.stages.assess.classify.card import IMAGE, LOGITS, ClassifierCard, Combination, EnsembleMember
from miqa_node.stages.assess.classify.classifier import mirrored_logits
from miqa_node.stages.assess.classify.learned import write_learned
from miqa_node.stages.assess.classify.picture import prepare
from miqa_training.origin import commit, start_of
from miqa_training.patients import PatientPart
from miqa_training.pneumonia.automation import automation_of
from miqa_training.pneumonia.card import NAME, limits_of, sources_of, write_goldens
from miqa_training.pneumonia.data import (
    PneumoniaSample,
    Population,
    calibrates,
    learned_marks,
    read_all,
    read_display,
)
from miqa_training.pneumonia.ensemble import ADULTS_RECALL_TARGET, RECALL_TARGET, PneumoniaEnsemble, calibrated
from miqa_training.pneumonia.figures import member_figures
from miqa_training.scores import auroc
from miqa_training.seal import seal

Logits = Mapping[str, NDArray[np.float32]]
"""Logits of each member by architecture, (N, 2) in the order of the samples, means over a picture and its mirror
image."""
WORTH = 0.005
"""Minimum gain in the mean AUROC of the calibration patients for adding a member."""
SHARES = (0.1, 0.25, 0.5, 1.0)
"""Candidate weights of a member relative to the best one."""


def calibration_of(
    samples: Sequence[PneumoniaSample], logits: Logits, taps: Mapping[str, str]
) -> tuple[PneumoniaEnsemble, dict[str, Any]]:
    """The shipped ensemble, and the card's section ``calibration``.

    A dropped member with a tap stays for its map only, with weight 0.
    """
    indices = [n for n, sample in enumerate(samples) if calibrates(sample)]
    chosen = [samples[n] for n in indices]
    logits_by_name = {name: values[indices] for name, values in logits.items()}
    shares, worth = worthwhile(logits_by_name, chosen)
    ensemble = calibrated({name: logits_by_name[name] for name in shares}, chosen, taps, shares)
    shown = tuple(
        EnsembleMember(file=f"{name}.onnx", architecture=name, weight=0.0, tap=tap)
        for name, tap in taps.items()
        if name not in shares and name in logits
    )
    ensemble = replace(ensemble, members=(*ensemble.members, *shown))
    adults = [sample for sample in chosen if sample.population is Population.ADULTS]
    section = {
        "images": len(chosen),
        "method": "temperature and bias of each member, then of their mean; radiologists' labels, hospitals with both",
        "children": len(chosen) - len(adults),
        "adults": len(adults),
        "recall_target": {"children": RECALL_TARGET, "adults": ADULTS_RECALL_TARGET},
        "members_tried": [{"members": _named(shares), "mean AUROC": round(area, 4)} for shares, area in worth],
    }
    return ensemble, section


def _named(shares: Mapping[str, float]) -> str:
    return " + ".join(name if share == 1.0 else f"{share:g} {name}" for name, share in shares.items())


def worthwhile(
    logits: Logits, samples: Sequence[PneumoniaSample]
) -> tuple[dict[str, float], list[tuple[dict[str, float], float]]]:
    """Members with their shares, and every choice tried, with its mean AUROC.

    The best member has the share 1. The others are added, best first, with the share that helps most, if the gain is at
    least WORTH. The mean is over the populations that have both labels; each member's logits are scaled by their
    spread.
    """
    truth = np.array([sample.pneumonia for sample in samples], bool)
    groups = [np.array([sample.population is one for sample in samples], bool) for one in Population]
    groups = [one for one in groups if (one & truth).any() and (one & ~truth).any()]
    scores = {name: (values[:, 1] - values[:, 0]).astype(np.float64) for name, values in logits.items()}
    scores = {name: values / max(float(values.std()), 1e-9) for name, values in scores.items()}

    def area(shares: Mapping[str, float]) -> float:
        together = np.sum([share * scores[name] for name, share in shares.items()], axis=0)
        return float(np.mean([auroc(together[one & truth], together[one & ~truth]) for one in groups] or [0.0]))

    tried = [({name: 1.0}, area({name: 1.0})) for name in scores]
    first, *others = (name for shares, _ in sorted(tried, key=lambda one: -one[1]) for name in shares)
    chosen, reached = {first: 1.0}, area({first: 1.0})
    for name in others:
        joined = [(shares, area(shares)) for shares in (chosen | {name: share} for share in SHARES)]
        tried += joined
        best = max(joined, key=lambda one: one[1])
        if best[1] >= reached + WORTH:
            chosen, reached = best
    return chosen, tried


def calibrate_again(package: Path, data: Path, out: Path, version: str) -> Path:
    """The networks of ``package`` with calibration and threshold of ``data``, as ``out/pneumonia-ensemble-<version>``.

    Members that do not help are left out. The card has no figures of the whole node until ``miqa-node evaluate
    pneumonia --write`` adds them.
    """
    sections = read_sections(package)
    card = ClassifierCard.model_validate(sections)
    everyone = read_all(data)
    samples = [s for s in everyone if s.part is not PatientPart.TRAIN]
    logits = logits_of_package(package, card, samples)
    ensemble, section = calibration_of(samples, logits, {m.architecture: m.tap for m in card.members if m.tap})
    folder = out / f"{NAME}-{version}"
    files = {member.file for member in ensemble.members}
    dropped = {member.file for member in card.members} - files
    shutil.copytree(package, folder, ignore=shutil.ignore_patterns(*dropped, *map(gradient_file, dropped)))
    write_goldens(folder, ensemble, card.picture)
    write_learned(folder, learned_marks(everyone))
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
        "training": _training(sections["training"], package.name, everyone, version),
    })  # fmt: skip


def _training(
    before: Mapping[str, Any], package: str, samples: Sequence[PneumoniaSample], version: str
) -> dict[str, Any]:
    """The training record of ``package``: the networks' fitting is unchanged, calibration and tests are new."""
    counts = Counter(
        sample.part for sample in samples if calibrates(sample) or sample.part is not PatientPart.CALIBRATE
    )
    tested = {part.value: counts[part] for part in (PatientPart.CALIBRATE, PatientPart.TEST, PatientPart.ELSEWHERE)}
    return {**before, "data": sources_of(samples), "images": before["images"] | tested,
            "command": f"miqa-node train pneumonia --networks {package} --data DIR --out DIR --version {version}",
            "history": f"The networks are those of {package}; shares, calibration, threshold and evidence are new. The "
            "shortcut test keeps the patients that it had.",
            "networks": package, "start": start_of(package, commit())}  # fmt: skip


def logits_of_package(
    package: Path, card: ClassifierCard, samples: Sequence[PneumoniaSample]
) -> dict[str, NDArray[np.float32]]:
    """Logits of every member of a package, (N, 2), averaged over mirror images."""
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
