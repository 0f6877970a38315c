"""The protocol of a reader study: fixed before the first image is drawn, and identified by its hash."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from miqa_node.core.domain.study_protocol import PROTOCOL_NAME, StudyProtocol
from miqa_node.errors import SettingsError

MOST_IMAGES = 20_000
BLINDED, AIDED = "blinded", "aided"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedAccuracy:
    """Assumptions for the sample size; shares in (0, 1).

    If the true values are ``sensitivity`` and ``specificity``, the study shows with probability ``power`` that they lie
    above ``least_…`` (lower exact limit at ``confidence``). ``prevalence`` is the expected share of unusable images.
    """

    prevalence: float
    sensitivity: float
    specificity: float
    least_sensitivity: float
    least_specificity: float
    power: float = 0.8
    confidence: float = 0.95

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0.0 < value < 1.0:
                raise SettingsError(f"{name.replace('_', ' ')} must lie between 0 and 1, not {value}.")
        if self.least_sensitivity >= self.sensitivity or self.least_specificity >= self.specificity:
            raise SettingsError("The least sensitivity and specificity must lie below the expected ones.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderStudyProtocol(StudyProtocol):
    """Readers, images, their selection, and the goals of the study.

    ``until`` is the day after the last one. Images are drawn in random runs of ``run_length`` consecutive images.
    ``rooms`` is empty for all. With ``aided``, each reader reads the images again ``washout_days`` after the first
    reading, with the node's verdict. ``seed`` makes the draw and the reading order repeatable.
    """

    name: str
    question: str
    since: date
    until: date
    rooms: tuple[str, ...]
    images: int
    run_length: int
    readers: tuple[str, ...]
    aided: bool
    washout_days: int
    expected: ExpectedAccuracy
    seed: str
    model: str
    policy: str
    software: str

    def __post_init__(self) -> None:
        if not re.fullmatch(PROTOCOL_NAME, self.name):
            raise SettingsError(
                f"{self.name!r}: a study's name has lower-case letters, digits and hyphens, at most 40."
            )
        if self.until <= self.since:
            raise SettingsError("The last day must not lie before the first.")
        if len(set(self.readers)) < 2 or len(set(self.readers)) != len(self.readers):
            raise SettingsError("A reader study needs at least two different readers.")
        if not 1 <= self.images <= MOST_IMAGES or not 1 <= self.run_length <= self.images:
            raise SettingsError(f"There must be 1 to {MOST_IMAGES} images, and at most as many in a run.")
        if self.washout_days < 0:
            raise SettingsError("The days between the two readings cannot be negative.")


def read_protocol(text: str) -> ReaderStudyProtocol:
    """The protocol read from its canonical JSON.

    Raises
    ------
    SettingsError
        The text is not a protocol, or its values contradict each other.
    """
    try:
        values: dict[str, Any] = json.loads(text)
        values |= {name: date.fromisoformat(values[name]) for name in ("since", "until")}
        values |= {name: tuple(values[name]) for name in ("rooms", "readers")}
        values["expected"] = ExpectedAccuracy(**values["expected"])
        return ReaderStudyProtocol(**values)
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError("This is not the protocol of a reader study.") from error
