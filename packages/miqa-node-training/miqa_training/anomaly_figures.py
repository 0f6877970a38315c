"""How well the anomaly score detects unusual images, on hospitals left out of training (SCIENCE.md §4)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.taxonomy.lookup import defect_names
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.errors import MiqaError, SettingsError
from miqa_node.stages.assess.anomaly.baseline import percentile
from miqa_node.stages.units.kinds import is_image
from miqa_training.corpus import OTHER_BODY_PARTS, OTHER_TEST_FILES, QualityData
from miqa_training.datasets import DatasetRecord, read_records
from miqa_training.degrade import DonorMaterial, degrade, pitch_of
from miqa_training.ordinary import (
    ImageLook,
    ImageLooker,
    OrdinaryLooks,
    OrdinaryModel,
    display,
    fit_forest,
    ordinary_scores,
    project,
)
from miqa_training.pointing import chance, hit, peak
from miqa_training.scores import auroc, auroc_interval, other_record, read_image, sixteen_bits

LEVELS = (0.5, 0.75, 1.0)
LIMIT = 99.5
SHOWN_LIMITS = (95.0, 99.0, LIMIT)
SETS: Mapping[str, Sequence[str]] = {"network": ("network",), "hog": ("hog",), "network and hog": ("network", "hog")}
SHIPPED = "network"
LEAST_SIDE_PX = 64
NOT_CHEST = "dicom_cases"
"""Folder of DICOM files, including other body parts."""
MOST_PIXELS = 50_000_000
REPEATS = 200
"""Random splits of a hospital's patients used to test its own baseline."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LookSet:
    """Looks at images of one kind, and the patient of each."""

    looks: list[ImageLook]
    patients: list[str]


@dataclass(frozen=True, slots=True)
class AnomalyTestData:
    """All images on which the scores are evaluated."""

    clean: LookSet
    records: list[DatasetRecord]
    simulated: Mapping[str, LookSet]
    not_chest: LookSet
    second_hospital: LookSet


def check_pictures(data_dir: Path) -> None:
    """Raise SettingsError, before hours of training, if there are no images other than chest radiographs."""
    folder = data_dir / NOT_CHEST
    if not any(folder.glob("*.dcm")):
        raise SettingsError(
            f"{folder} holds no DICOM files. Put some of other body parts there: what is unusual is measured on them."
        )


def figures(looker: ImageLooker, learnt: OrdinaryModel, data: QualityData, data_dir: Path, seed: int) -> dict[str, Any]:
    """Figures of the shipped feature set and of the alternatives, as plain data."""
    test = gather(looker.look, data, data_dir, seed)
    by_set = by_features(SETS, learnt, test, seed)
    return {
        "data": (
            f"{len(test.records)} images of {len(set(test.clean.patients))} patients of hospitals not seen in "
            f"training; {len(test.second_hospital.looks)} of a further one; {len(test.not_chest.looks)} pictures that "
            "are no frontal chest radiographs and were not used in training"
        ),
        **by_set[SHIPPED],
        "regions": _regions(looker, learnt, test.records),
        "milliseconds": _milliseconds(looker, learnt, data),
        "features_compared": {name: short(row) for name, row in by_set.items()},
    }


def by_features(
    sets: Mapping[str, Sequence[str]], learnt: OrdinaryLooks, test: AnomalyTestData, seed: int
) -> dict[str, dict[str, Any]]:
    """Figures of one forest per feature set, all on the same images."""
    return {name: _of_set(kinds, learnt, test, seed) for name, kinds in sets.items()}


def gather(
    look: Callable[[NDArray[np.uint16]], ImageLook], data: QualityData, data_dir: Path, seed: int
) -> AnomalyTestData:
    """Collect the looks at all images on which the scores are evaluated."""
    not_chest = _not_chest(look, data_dir / NOT_CHEST)
    records = read_records(data_dir / "cxr_eval", data_dir / "annotations" / "eval.jsonl")
    images = [read_image(record) for record in records]
    who = [f"{record.source}/{record.patient}" for record in records]
    simulated: dict[str, LookSet] = {finding: LookSet([], []) for finding in defect_names()}
    for number, image in enumerate(images):
        other = other_record(images, number)
        for place, finding in enumerate(defect_names()):
            rng = np.random.default_rng((seed, number, place))
            level = LEVELS[(number + place) % len(LEVELS)]
            bad = degrade(image, finding, level, rng, pitch_of(image), DonorMaterial(other=other))
            simulated[finding].looks.append(look(sixteen_bits(bad)))
            simulated[finding].patients.append(who[number])
    return AnomalyTestData(
        clean=LookSet([look(sixteen_bits(image)) for image in images], who),
        records=records,
        simulated=simulated,
        not_chest=not_chest,
        second_hospital=LookSet(
            [look(display(data, record)) for record in data.other_hospital],
            [record.patient for record in data.other_hospital],
        ),
    )


def _not_chest(look: Callable[[NDArray[np.uint16]], ImageLook], folder: Path) -> LookSet:
    """Each distinct picture in a folder of DICOM files, except frontal chests and pictures used in training."""
    used = tuple(name.split(".", maxsplit=1)[0].split("_UNCR")[0] for name in (*OTHER_BODY_PARTS, *OTHER_TEST_FILES))
    look_set, distinct = LookSet([], []), set[bytes]()
    for path in sorted(folder.glob("*.dcm")):
        name = path.stem.rpartition("__")[2]
        try:
            header, _ = read_header(path)
            if not is_image(header) or header.body_part_examined == "CHEST" or name.startswith(used):
                continue
            pixels = decode_frame(path, 0, MOST_PIXELS).display
        except MiqaError:
            continue
        # The same picture occurs in many transfer syntaxes; a coarse copy identifies it.
        coarse = (cv2.resize(pixels, (8, 8), interpolation=cv2.INTER_AREA).astype(np.uint16) >> 13).tobytes()
        if min(pixels.shape) >= LEAST_SIDE_PX and coarse not in distinct:
            distinct.add(coarse)
            look_set.looks.append(look(pixels))
            look_set.patients.append(path.name)
    if not look_set.looks:
        raise SettingsError(f"There is no picture in {folder} other than chest radiographs.")
    return look_set


def _of_set(kinds: Sequence[str], learnt: OrdinaryLooks, test: AnomalyTestData, seed: int) -> dict[str, Any]:
    folds, held_out = ordinary_scores(kinds, learnt.looks, learnt.patients, learnt.held_out, seed)
    ordinary = np.sort(np.concatenate([folds, held_out]))
    projections, forest = fit_forest(kinds, learnt.looks, seed)

    def score(look_set: LookSet) -> Floats:
        return forest.score(project(kinds, projections, look_set.looks))

    clean, who = score(test.clean), test.clean.patients
    findings = {
        name: _auroc(score(test_set), test_set.patients, clean, who) for name, test_set in test.simulated.items()
    }
    with_object = np.array([record.has_real_object is True for record in test.records])
    without = np.array([record.has_real_object is False for record in test.records])
    other = score(test.not_chest)
    return {
        "simulated": {
            "severity": "0.5 and more, against the same images as they are",
            "mean_auroc": _round(float(np.mean([row["auroc"] for row in findings.values()]))),
            "findings": findings,
        },
        "not_chest": {
            **_auroc(other, test.not_chest.patients, clean, who),
            "above_limit": _above(other, ordinary, LIMIT),
        },
        "real_objects": _auroc(clean[with_object], _some(who, with_object), clean[without], _some(who, without)),
        "other_hospitals": {
            "limit": f"percentile {LIMIT} of the training's baseline",
            "held_out_patients_against_fitted": _round(auroc(held_out, folds)),
            "cxr_eval_against_held_out": _round(auroc(clean, held_out)),
            "above": {
                name: {str(limit): _above(scores, ordinary, limit) for limit in SHOWN_LIMITS}
                for name, scores in (("cxr_eval", clean), ("second_hospital", score(test.second_hospital)))
            },
            "with_own_baseline": {
                "cxr_eval": _own_baseline(clean, who, seed),
                "second_hospital": _own_baseline(score(test.second_hospital), test.second_hospital.patients, seed),
                "note": f"half of the patients as baseline, the others judged; {REPEATS} random halves, mean share",
            },
        },
    }


def _own_baseline(scores: Floats, patients: Sequence[str], seed: int) -> dict[str, float]:
    """Share of a hospital's images above each limit when a random half of its patients is the baseline for the rest."""
    rng = np.random.default_rng(seed)
    names = sorted(set(patients))
    shares: dict[float, list[float]] = {limit: [] for limit in SHOWN_LIMITS}
    for _ in range(REPEATS):
        half = set(rng.permutation(names)[: len(names) // 2])
        mine = np.array([patient in half for patient in patients])
        own = np.sort(scores[mine])
        for limit, share in shares.items():
            if percentile(np.inf, own) >= limit:  # a smaller baseline cannot give such a percentile
                share.append(_above(scores[~mine], own, limit))
    return {str(limit): _round(float(np.mean(share))) for limit, share in shares.items() if share}


def _regions(looker: ImageLooker, learnt: OrdinaryModel, records: Sequence[DatasetRecord]) -> dict[str, Any]:
    """How often the most unusual place of an image lies on a real object; other places can be unusual, too."""
    hits, centre, random = [], [], []
    for record in records:
        boxes = [box.box for box in record.boxes]
        if not record.has_real_object:
            continue
        _, outputs = looker.run(sixteen_bits(read_image(record)))
        region_map = learnt.model.region_map(outputs)
        assert region_map is not None  # noqa: S101 - a model that is learnt here has a memory of places
        hits.append(hit(peak(region_map.values), boxes).tolerant)
        centre.append(hit((0.5, 0.5), boxes).tolerant)
        random.append(chance(boxes))
    names = ("pointing_game", "pointing_game_centre", "pointing_game_random")
    shares = (_round(float(np.mean(values))) for values in (hits, centre, random))
    return {"images": len(hits), **dict(zip(names, shares, strict=True))}


def _milliseconds(looker: ImageLooker, learnt: OrdinaryModel, data: QualityData, rounds: int = 30) -> dict[str, float]:
    """Minimum time of score and map after the graph has run; the minimum, because other processes share the machine."""
    inputs, outputs = looker.run(display(data, data.fitting[0]))
    times: dict[str, list[float]] = {"score": [], "map": []}
    for _ in range(rounds):
        start = time.perf_counter()
        learnt.model.score(outputs, inputs)
        between = time.perf_counter()
        learnt.model.region_map(outputs)
        times["score"].append(between - start)
        times["map"].append(time.perf_counter() - between)
    return {name: round(min(values) * 1e3, 2) for name, values in times.items()}


def short(row: Mapping[str, Any]) -> dict[str, float]:
    """The figures by which feature sets are compared."""
    return {
        "simulated": row["simulated"]["mean_auroc"],
        "not_chest": row["not_chest"]["auroc"],
        "real_objects": row["real_objects"]["auroc"],
        "cxr_eval_above_limit": row["other_hospitals"]["above"]["cxr_eval"][str(LIMIT)],
    }


def _auroc(
    unusual: Floats, unusual_patients: Sequence[str], ordinary: Floats, patients: Sequence[str]
) -> dict[str, Any]:
    value, low, high = auroc_interval(unusual, unusual_patients, ordinary, patients)
    return {"auroc": _round(value), "interval": [_round(low), _round(high)], "images": len(unusual)}


def _above(scores: Floats, ordinary: Floats, limit: float) -> float:
    """Share of the scores whose percentile reaches the limit."""
    return _round(float(np.mean([percentile(float(score), ordinary) >= limit for score in scores])))


def _some(values: Sequence[str], chosen: NDArray[np.bool_]) -> list[str]:
    return [value for value, is_chosen in zip(values, chosen, strict=True) if is_chosen]


def _round(value: float) -> float:
    return round(value, 3)
