"""Tables of measurements for training and evaluating classical models, made once and kept in the cache folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import miqa_node
from miqa_node.core.files.whole_file import whole_file
from miqa_node.core.observe.progress import counted
from miqa_node.stages.assess.preprocess import Preprocess
from miqa_training.calibrate import CalibrationCases, ask
from miqa_training.classical.features import FEATURES, MeasurementJudge, Treatment
from miqa_training.corpus import QualityData
from miqa_training.datasets import DatasetRecord, read_records
from miqa_training.degrade import Image
from miqa_training.evaluate import EvaluationCases, collect
from miqa_training.samples import CLASSES, Sampler, TrainingSample
from miqa_training.scores import JudgedCase

CACHE = Path(".cache/classical")
SAMPLES = 3000
DRAWS = 2
TRAINING, NODE = Path(__file__).parents[1], Path(miqa_node.__file__).parent
SOURCES = (
    NODE / "stages/assess/enhance",
    NODE / "stages/measure",
    TRAINING / "degrade",
    TRAINING / "samples.py",
    TRAINING / "scores.py",
    TRAINING / "classical/features.py",
)
"""Code that determines the content of a table; if it changes, the tables are made again."""


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Training samples: ``features`` (N, F), NaN where missing; ``present`` and ``severity`` (N, C), -1 unknown."""

    features: NDArray[np.float32]
    present: NDArray[np.float32]
    severity: NDArray[np.float32]


class _KeepsImage(Sampler):
    """Draws exactly the samples that the network trains on, and keeps the image of each."""

    image: Image

    def _finish(self, image: Image, *args: Any, **_named: Any) -> TrainingSample:
        self.image = image
        present, severity = args[:2]
        nothing = np.zeros(0, np.float32)  # the views for a network would cost as much as the measurements
        return TrainingSample(nothing, nothing, present, severity, nothing, np.zeros(0, np.int16), nothing)


def training_table(
    data: QualityData, treatment: Treatment, *, seed: int, samples: int = SAMPLES, cache_dir: Path = CACHE,
) -> FeatureTable:  # fmt: skip
    """Samples 0 to ``samples`` − 1 of the seed, measured."""
    path = cache_dir / f"train-{treatment.name}-{seed}-{samples}-{_fingerprint(data.fitting)}.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as arrays:
            return FeatureTable(arrays["features"], arrays["present"], arrays["severity"])
    cv2.setNumThreads(1)
    sampler = _KeepsImage(data.fitting, data.cache, data.others, Preprocess(), seed=seed, crops=1)
    measurer = MeasurementJudge(treatment)
    features = np.empty((samples, len(FEATURES)), np.float32)
    present = np.empty((samples, len(CLASSES)), np.float32)
    severity = np.empty((samples, len(CLASSES)), np.float32)
    for index in counted(range(samples), "Measuring"):
        sample = sampler(index)
        display = np.rint(sampler.image * np.float32(65535)).astype(np.uint16)
        features[index] = measurer.features(display)
        present[index], severity[index] = sample.present, sample.severity
    _save(path, {"features": features, "present": present, "severity": severity})
    return FeatureTable(features, present, severity)


def evaluation_table(
    data_dir: Path, data: QualityData, treatment: Treatment, *, cache_dir: Path = CACHE, draws: int = DRAWS
) -> EvaluationCases:
    """All cases of an evaluation, with measurements in place of logits; see :class:`.features.MeasurementJudge`."""
    records = read_records(data_dir / "cxr_eval", data_dir / "annotations" / "eval.jsonl")
    path = cache_dir / f"evaluation-{treatment.name}-{draws}-{_fingerprint(records)}.npz"
    if not path.exists():
        made = collect(MeasurementJudge(treatment), data_dir, data, draws=draws)
        groups = {"clean": made.clean, "simulated": made.simulated, "unseen": made.unseen, "gates": made.gates}
        _save(path, _arrays(groups))
    groups = _cases(path, records)
    centre = [(r, (0.5, 0.5)) for r in records if r.has_real_object]
    return EvaluationCases(groups["clean"], groups["simulated"], groups["unseen"], groups["gates"], centre)


def calibration_table(data: QualityData, treatment: Treatment, *, cache_dir: Path = CACHE) -> CalibrationCases:
    """All cases of a calibration, with measurements in place of logits."""
    records = [*data.held_out, *data.other_hospital]
    path = cache_dir / f"calibration-{treatment.name}-{_fingerprint(records)}.npz"
    if not path.exists():
        cases = ask(MeasurementJudge(treatment), data)
        _save(path, _arrays({"everything": cases.everything, "clean": cases.clean, "elsewhere": cases.elsewhere}))
    groups = _cases(path, records)
    return CalibrationCases(groups["everything"], groups["clean"], groups["elsewhere"])


def _arrays(groups: dict[str, list[JudgedCase]]) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for name, cases in groups.items():
        arrays[f"{name}.file"] = np.array([c.record.path.name for c in cases], np.str_)
        arrays[f"{name}.made"] = np.array([c.made for c in cases], np.str_)
        arrays[f"{name}.level"] = np.array([c.level for c in cases], np.float64)
        arrays[f"{name}.features"] = np.array([c.logits for c in cases], np.float32).reshape(len(cases), len(FEATURES))
    return arrays


def _cases(path: Path, records: Sequence[DatasetRecord]) -> dict[str, list[JudgedCase]]:
    by_name = {r.path.name: r for r in records}
    silent = np.zeros(len(CLASSES), np.float32)
    with np.load(path, allow_pickle=False) as arrays:
        names = {key.split(".")[0] for key in arrays.files}
        return {
            name: [
                JudgedCase(by_name[str(file)], str(made), float(level), row, silent)
                for file, made, level, row in zip(
                    *(arrays[f"{name}.{what}"] for what in ("file", "made", "level", "features")), strict=True
                )
            ]
            for name in names
        }


def _save(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part, part.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def _fingerprint(records: Sequence[DatasetRecord]) -> str:
    """Digest of the images and of the code."""
    digest = hashlib.sha256()
    for record in records:
        digest.update(f"{record.path.name}:{record.path.stat().st_size};".encode())
    for place in SOURCES:
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
