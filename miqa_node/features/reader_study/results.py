"""Results of a finished reader study: agreement of readers, accuracy of the node's alarms, and their benefit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.study_protocol import Grade
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import ConflictError
from miqa_node.features.reader_study.protocol import AIDED, BLINDED, ReaderStudyProtocol
from miqa_node.features.reader_study.rows import DrawnImage, StudyReading
from miqa_node.features.reader_study.selection import progress
from miqa_node.libraries.plain_statistics.agreement import Agreement, agreement, gwet_ac1
from miqa_node.libraries.plain_statistics.binomial import upper_limit
from miqa_node.libraries.plain_statistics.mrmc import (
    AreaUnderCurve,
    ReadingDifference,
    area_under_curve,
    compare_readings,
)
from miqa_node.libraries.plain_statistics.rates import Rate

NODE = "node"


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Agreement of two judges on usability, by Cohen's kappa and Gwet's AC1; ``second`` is a reader or the node."""

    first: str
    second: str
    kappa: Agreement
    ac1: Agreement


@dataclass(frozen=True, slots=True)
class ReaderStudyResults:
    """All figures of a study. Limits are exact (Clopper and Pearson), at the protocol's confidence."""

    images: int
    unusable: int
    sensitivity: Rate
    specificity: Rate
    positive_predictive_value: Rate
    alarm_rate: Rate
    sensitivity_shown: bool
    specificity_shown: bool
    score: AreaUnderCurve
    agreement: tuple[PairAgreement, ...]
    grades: dict[str, Counter[str]]
    reasons: Counter[str]
    aided: ReadingDifference | None


def evaluate(
    protocol: ReaderStudyProtocol, images: Sequence[DrawnImage], readings: Collection[StudyReading]
) -> ReaderStudyResults:
    """The figures of a finished study.

    An image is unusable if at least half of the readers, blinded to the node, graded it so.

    Raises
    ------
    ConflictError
        No images were drawn, or readings are missing: interim figures would invite stopping the study early.
    """
    if not images:
        raise ConflictError("No images were drawn yet; miqa-node study collect draws them once the period is over.")
    if remaining := sum(progress(protocol, images, readings).values()):
        raise ConflictError(
            Phrase.of_number(
                "{count} reading is missing; there are no figures before the study is complete.",
                "{count} readings are missing; there are no figures before the study is complete.",
                remaining,
            )
        )
    by_key = {(reading.reader, reading.arm, reading.digest): reading for reading in readings}
    bad = np.array(
        [
            [by_key[reader, BLINDED, image.digest].grade == Grade.UNUSABLE for image in images]
            for reader in protocol.readers
        ]
    )
    truth = bad.mean(0) >= 0.5
    alarms = np.array([image.flagged for image in images])
    limits = _limits_at(protocol.expected.confidence)
    sensitivity = limits(int((alarms & truth).sum()), int(truth.sum()))
    specificity = limits(int((~alarms & ~truth).sum()), int((~truth).sum()))
    blinded = [reading for reading in readings if reading.arm == BLINDED]
    return ReaderStudyResults(
        len(images),
        int(truth.sum()),
        sensitivity,
        specificity,
        limits(int((alarms & truth).sum()), int(alarms.sum())),
        limits(int(alarms.sum()), len(images)),
        (sensitivity.low or 0.0) > protocol.expected.least_sensitivity,
        (specificity.low or 0.0) > protocol.expected.least_specificity,
        _score(images, truth, protocol.expected.confidence),
        tuple(_agreements(protocol, bad, alarms)),
        {reader: Counter(r.grade for r in blinded if r.reader == reader) for reader in protocol.readers},
        Counter(reason for reading in blinded for reason in reading.reasons),
        _aided(protocol, images, by_key, bad) if protocol.aided else None,
    )


def _limits_at(confidence: float) -> Callable[[int, int], Rate]:
    delta = (1.0 - confidence) / 2.0

    def exact(count: int, total: int) -> Rate:
        if not total:
            return Rate(count, total, None, None, None)
        low = 1.0 - upper_limit(total - count, total, delta)
        return Rate(count, total, count / total, low, upper_limit(count, total, delta))

    return exact


def _score(images: Sequence[DrawnImage], truth: NDArray[np.bool_], confidence: float) -> AreaUnderCurve:
    scored = np.array([image.score is not None for image in images])
    scores = np.array([-(image.score or 0.0) for image in images])
    return area_under_curve(scores[scored], truth[scored], confidence)


def _agreements(
    protocol: ReaderStudyProtocol, bad: NDArray[np.bool_], alarms: NDArray[np.bool_]
) -> list[PairAgreement]:
    judges = {**dict(zip(protocol.readers, bad, strict=True)), NODE: alarms}
    pairs = []
    for first, second in combinations(judges, 2):
        table = Counter(zip(judges[first].tolist(), judges[second].tolist(), strict=True))
        level = protocol.expected.confidence
        pairs.append(PairAgreement(first, second, agreement(table, level), gwet_ac1(table, level)))
    return pairs


def _aided(
    protocol: ReaderStudyProtocol,
    images: Sequence[DrawnImage],
    by_key: dict[tuple[str, str, InstanceDigest], StudyReading],
    bad: NDArray[np.bool_],
) -> ReadingDifference | None:
    """Each reader compared with the other readers' blinded readings: no reader contributes to their own truth."""
    scores = np.array(
        [
            [[float(by_key[reader, arm, image.digest].rating) for image in images] for reader in protocol.readers]
            for arm in (BLINDED, AIDED)
        ]
    )
    others = (bad.sum(0) - bad) / (len(protocol.readers) - 1)
    return compare_readings(scores, others >= 0.5, protocol.expected.confidence)
