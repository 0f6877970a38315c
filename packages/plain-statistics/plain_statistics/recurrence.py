"""Places at which one detector shows a defect again and again, with any patient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from .binomial import binomial_cdf

HALF_WINDOW = 0.03
"""Peaks are of one place when they lie so near, as fractions of width and height."""
LEAST_PATIENTS = 3
LEVEL = 0.01
"""One of a hundred analyses without any defect names a place."""
MOST_PLACES = 5


@dataclass(frozen=True, slots=True)
class Peak:
    """One finding of one patient, seen by one detector."""

    detector: str
    patient: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Recurrence:
    """``patients`` of ``seen`` patients show it within the window around (x, y); ``expected`` would by chance."""

    detector: str
    x: float
    y: float
    patients: int
    seen: int
    expected: float
    p_value: float


def recurrences(peaks: Iterable[Peak]) -> list[Recurrence]:
    """Places where a detector's findings lie together more than those of the others do, the surest first.

    How often findings lie at a place in general (text in corners, devices over the heart) is learned from the other
    detectors, and never taken as rarer than if findings lay anywhere. p-values are binomial and corrected for the
    number of windows and detectors (Bonferroni). Each patient counts once a place; whoever has many findings shows one
    at a place sooner by chance.
    """
    by_detector: dict[str, list[Peak]] = {}
    for peak in peaks:
        by_detector.setdefault(peak.detector, []).append(peak)
    windows = 1.0 / HALF_WINDOW**2  # they overlap: four times as many as fit side by side
    tests = windows * max(len(by_detector), 1)
    places = []
    for detector, own in by_detector.items():
        others = [peak for name, rest in by_detector.items() if name != detector for peak in rest]
        places += _of_detector(detector, own, others, tests)
    return sorted(places, key=lambda one: one.p_value)


def _of_detector(detector: str, own: list[Peak], others: list[Peak], tests: float) -> list[Recurrence]:
    """Every place is the middle of a window; the fullest are looked at first, and each finding counts in one of them.

    Places common to all detectors are ignored; elsewhere a lower count suffices.
    """
    by_patient = Counter(peak.patient for peak in own)
    middles = {(round(peak.x, 2), round(peak.y, 2)) for peak in own}
    rest, places = own, list[Recurrence]()
    for _, x, y in sorted(((len(_patients(own, x, y)), x, y) for x, y in middles), reverse=True):
        patients = len(_patients(rest, x, y))
        if patients < LEAST_PATIENTS:
            continue
        rest = [peak for peak in rest if not _near(peak, x, y)]
        place = _at(Peak(detector, "", x, y), patients, others, by_patient)
        if place.p_value * tests <= LEVEL:
            places.append(place)
        if len(places) == MOST_PLACES:
            break
    return places


def _at(middle: Peak, patients: int, others: list[Peak], by_patient: Counter[str]) -> Recurrence:
    """The window around a place with this number of patients.

    ``by_patient`` counts all findings of the detector. Patients differ in their chance, and the binomial of the mean
    chance is on the safe side then (W. Hoeffding, Ann. Math. Stat. 27 (1956) 713–721).
    """
    elsewhere = sum(_near(peak, middle.x, middle.y) for peak in others)
    share = max((elsewhere + 0.5) / (len(others) + 1.0) if others else 0.0, (2.0 * HALF_WINDOW) ** 2)
    total = len(by_patient)
    expected = sum(1.0 - (1.0 - share) ** findings for findings in by_patient.values())
    p_value = 1.0 - binomial_cdf(patients - 1, total, expected / total)
    return Recurrence(middle.detector, middle.x, middle.y, patients, total, expected, max(p_value, 0.0))


def _patients(peaks: list[Peak], x: float, y: float) -> set[str]:
    return {peak.patient for peak in peaks if _near(peak, x, y)}


def _near(peak: Peak, x: float, y: float) -> bool:
    return abs(peak.x - x) <= HALF_WINDOW + 1e-9 and abs(peak.y - y) <= HALF_WINDOW + 1e-9
