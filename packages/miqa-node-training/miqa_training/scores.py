"""Scores of many images by many draws: what calibration and evaluation count with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.observe.progress import counted
from miqa_node.libraries.plain_statistics.bootstrap import limits_of_draws
from miqa_training.datasets import DatasetRecord
from miqa_training.degrade import FAMILIES, DonorMaterial, Image, degrade, pitch_of
from miqa_training.graph import ImageJudge

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class JudgedCase:
    """One judged image. ``made`` names what was simulated ("" nothing), ``level`` how severe.

    ``origin`` is (seed, number, place, draw) of a simulated image, from which :func:`simulate` makes it again.
    """

    record: DatasetRecord
    made: str
    level: float
    logits: NDArray[np.float32]
    severity: NDArray[np.float32]
    origin: tuple[int, ...] = ()


def judge(
    graph: ImageJudge,
    record: DatasetRecord,
    image: Image,
    made: str = "",
    level: float = 0.0,
    origin: tuple[int, ...] = (),
    *,
    exact: bool = False,
) -> JudgedCase:
    """Judge a display image with values in [0, 1], in 8 bits as the images have that it was made of, or ``exact``."""
    prediction = graph(sixteen_bits(image) if exact else eight_bits(image))
    return JudgedCase(record, made, level, prediction.logits, prediction.severity, origin)


def judge_simulated(
    graph: ImageJudge, records: Sequence[DatasetRecord], load: Callable[[DatasetRecord], Image],
    findings: Iterable[FindingName],
    levels: Sequence[float], *, seed: int, draws: int = 1, material: DonorMaterial | None = None, family: str = "",
) -> list[JudgedCase]:  # fmt: skip
    """Every record with every finding, ``draws`` times, the levels taken in turn; seeded by record and finding.

    ``family`` chooses the generator of foreign objects; the cases are then named ``foreign_object:<family>``.
    """
    chosen = list(findings)
    made = {finding: f"{finding}:{family}" if family else finding for finding in chosen}
    cases = []
    for number, record in enumerate(counted(records, "Simulating defects")):
        images = (load(record), load(other_record(records, number)))
        for place, finding in enumerate(chosen):
            for draw in range(draws):
                origin = (seed, number, place, draw)
                level = float(levels[(number + place + draw) % len(levels)])
                changed = simulate(*images, finding, level, origin, material, family)
                cases.append(judge(graph, record, changed, made[finding], level, origin))
    return cases


def simulate(
    image: Image, other: Image, finding: FindingName, level: float, origin: tuple[int, ...],
    material: DonorMaterial | None = None, family: str = "",
) -> Image:  # fmt: skip
    """The image with a defect; the same origin makes the same one. ``other`` is for double exposures."""
    rng = np.random.default_rng(origin)
    more = DonorMaterial(other=other, cutouts=material.cutouts if material else ())
    if family:
        return FAMILIES[family](image, level, rng, pitch_of(image), more)
    return degrade(image, finding, level, rng, pitch_of(image), more)


def simulate_again(case: JudgedCase, records: Sequence[DatasetRecord], load: Callable[[DatasetRecord], Image]) -> Image:
    """The image of a simulated case of one of the standard simulators, for people to look at."""
    number = case.origin[1]
    finding = FindingName(case.made)
    made = simulate(load(records[number]), load(other_record(records, number)), finding, case.level, case.origin)
    return rounded(made)  # as it was judged


def other_record(records: Sequence[R], number: int) -> R:
    """The record that is laid over record ``number`` in a double exposure; the same one in every run."""
    return records[(number * 7 + 3) % len(records)]


def rounded(image: Image) -> Image:
    """The picture in 8 bits."""
    return np.asarray(np.rint(image * np.float32(255)) / np.float32(255), np.float32)


def eight_bits(image: Image) -> NDArray[np.uint16]:
    """A display image with values in [0, 1] as display pixels, 0 to 65,535, in 256 steps as 8-bit files have them."""
    return np.asarray(np.rint(image * np.float32(255)).astype(np.uint16) * np.uint16(257), np.uint16)


def sixteen_bits(image: Image) -> NDArray[np.uint16]:
    """A display image with values in [0, 1] as display pixels, 0 to 65,535."""
    return np.asarray(np.rint(image * np.float32(65535)), np.uint16)


def read_image(record: DatasetRecord) -> Image:
    """The file's pixels as display values."""
    pixels = cv2.imread(str(record.path), cv2.IMREAD_GRAYSCALE)
    return np.asarray(pixels, np.float32) / np.float32(255)


def auroc(positive: NDArray[np.floating], negative: NDArray[np.floating]) -> float:
    """Area under the ROC curve by ranks (Mann and Whitney 1947); ties count half; NaN when a side is empty."""
    if positive.size == 0 or negative.size == 0:
        return float("nan")
    both = np.concatenate([positive, negative])
    _, inverse, counts = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]
    wins = ranks[: positive.size].sum() - positive.size * (positive.size + 1) / 2.0
    return float(wins / (positive.size * negative.size))


def auroc_interval(
    positive: NDArray[np.floating], positive_patients: Sequence[str], negative: NDArray[np.floating],
    negative_patients: Sequence[str], *, seed: int = 0, rounds: int = 400,
) -> tuple[float, float, float]:  # fmt: skip
    """AUROC with its 95 % interval; whole patients are drawn with replacement, for their images resemble each other."""
    patients = sorted({*positive_patients, *negative_patients})
    place = {patient: index for index, patient in enumerate(patients)}
    of_positive = np.array([place[p] for p in positive_patients], int)
    of_negative = np.array([place[p] for p in negative_patients], int)
    rng, values = np.random.default_rng(seed), []
    for _ in range(rounds):
        times = np.bincount(rng.integers(len(patients), size=len(patients)), minlength=len(patients))
        value = auroc(np.repeat(positive, times[of_positive]), np.repeat(negative, times[of_negative]))
        if not np.isnan(value):
            values.append(value)
    fewer = min(len(set(positive_patients)), len(set(negative_patients)))
    return auroc(positive, negative), *limits_of_draws(values, fewer)
