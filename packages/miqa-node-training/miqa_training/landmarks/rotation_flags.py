"""From which degree on a rotated patient is flagged: chosen by readers' grades, each hospital weighted alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from miqa_node.libraries.plain_statistics.bootstrap import limits_of_draws
from miqa_node.stages.assess.landmarks.findings import GRADES, ROTATION_SIZES
from miqa_training.landmarks.reader_figures import LeftOutChance

LEAST_SEVERITY = 0.25
"""20 % of asymmetry: readers call less straight."""
FOUND = 0.5
"""Share of the images with grade 2, worth a repeat, that are flagged."""
STEPS = tuple(round(0.05 * step, 2) for step in range(19, 0, -1))
DRAWS = 2000
ABOUT = (
    "Share of the images of each grade of rotation that are flagged, each hospital weighted alike and judged by a rule "
    "that never saw its grades, on images that no network was fitted on; intervals of 95 % by patients. A grade is the "
    "worst that any reader gave: 2 is worth a repeat, 0 was called straight by all. The probability is the highest "
    "step of .05 that flags half of grade 2: fewer than 40 images, which is the exception to the rule for limits."
)

Flag = Callable[[LeftOutChance], bool]


def flag(probability: float) -> Flag:
    """What a policy with this probability and LEAST_SEVERITY flags."""

    def flags(one: LeftOutChance) -> bool:
        severity = np.interp(100.0 * abs(one.image.estimate.rotation), ROTATION_SIZES, GRADES)
        return bool(one.rotated >= probability and severity >= LEAST_SEVERITY)

    return flags


def rotation_flags(chances: Sequence[LeftOutChance]) -> dict[str, Any]:
    """The probability from which rotation is flagged, and both sides of it."""
    worst = [one for one in chances if one.image.turned == 2]
    probability = next(step for step in (*STEPS, 0.0) if _mean(_by_patient(worst, flag(step))) >= FOUND)
    looked = [one for one in chances if one.image.rotated is False]
    parts = {f"grade_{grade}": [one for one in chances if one.image.turned == grade] for grade in (2, 1, 0)}
    return {
        "about": ABOUT,
        "min_probability": probability,
        "min_severity": LEAST_SEVERITY,
        **{
            name: _side(part, flag(probability))
            for name, part in {**parts, "straight_to_who_looked_for_it": looked}.items()
        },
    }


def _side(images: Sequence[LeftOutChance], flags: Flag) -> dict[str, Any]:
    by_patient = _by_patient(images, flags)
    rng = np.random.default_rng(0)
    draws = [_mean(_drawn(by_patient, rng)) for _ in range(DRAWS)]
    low, high = limits_of_draws(draws, sum(map(len, by_patient.values())))
    hospitals = {name: [sum(map(sum, rows)), sum(map(len, rows))] for name, rows in by_patient.items()}
    return {
        "images": len(images), "flagged": sum(map(flags, images)), "share": round(_mean(by_patient), 3),
        "low": round(low, 3), "high": round(high, 3), "hospitals": hospitals,
    }  # fmt: skip


def _by_patient(images: Sequence[LeftOutChance], flags: Flag) -> dict[str, list[list[bool]]]:
    """Of each hospital, for each patient which of the images are flagged."""
    rows: dict[str, dict[str, list[bool]]] = {}
    for number, one in enumerate(images):
        patient = one.image.patient or str(number)
        rows.setdefault(one.image.source, {}).setdefault(patient, []).append(flags(one))
    return {hospital: list(patients.values()) for hospital, patients in rows.items()}


def _drawn(rows: dict[str, list[list[bool]]], rng: np.random.Generator) -> dict[str, list[list[bool]]]:
    return {name: [own[index] for index in rng.integers(len(own), size=len(own))] for name, own in rows.items()}


def _mean(rows: dict[str, list[list[bool]]]) -> float:
    """The mean of the hospitals' shares."""
    shares = [sum(map(sum, own)) / sum(map(len, own)) for own in rows.values()]
    return float(np.mean(shares)) if shares else 0.0
