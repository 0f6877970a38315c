"""From labelled cases to a site's certificate: what would be automated at each level, and what is right often enough.

Every count is of cases drawn fairly: one image of each patient, thinned to the rate of those that stand for most. Each
label and population is tested apart, once, at the level that the site asks for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from miqa_node.core.domain.instance import Header
from miqa_node.libraries.plain_statistics.binomial import lower_limit, trials_needed
from miqa_node.libraries.plain_statistics.mean_shifts import WINDOW, shift_limit
from miqa_node.stages.assess.classify.reading import READING
from miqa_node.stages.assess.prediction_certificate import (
    DELTA,
    LASTS,
    CertifiedAnswers,
    CertifiedPopulation,
    ConfidenceDrift,
    PredictionCertificate,
)

LEVELS = (0.80, 0.90, 0.95, 0.99)
LEAST_CASES = 150
LEAST_OF_KIND = 10
"""A station, a view and an age are covered from so many cases on: of ages those from the tenth youngest to the tenth
oldest, so that one child among adults does not make the certificate one for children."""
LEAST_POWER = 0.8
"""Share of shifts of confidence by a tenth that have to be seen within 200 images."""
LEAST_LIMIT = 1e-3
"""Of the drift, if all cases have one confidence."""


@dataclass(frozen=True, slots=True)
class CertificationCase:
    """One case: what a reader says, what the package says and how sure it is.

    ``waits`` is true if the image itself keeps its answer from being automated: by its quality, or as an unusual one.
    """

    truth: str
    label: str
    confidence: float
    header: Header
    population: str = ""
    reader: str = ""
    waits: bool = False

    def is_automated(self, level: float) -> bool:
        """Whether a certificate of this level would automate the answer."""
        return not self.waits and self.confidence >= level

    @property
    def is_right(self) -> bool:
        """Whether package and reader agree."""
        return self.label == self.truth


@dataclass(frozen=True, slots=True)
class LevelRow:
    """What would be automated of one group of cases at one level; ``bound`` as in a certificate."""

    level: float
    by: str
    name: str
    cases: int
    automated: int
    right: int
    bound: float

    @property
    def wrong(self) -> int:
        """Number of wrong answers among those automated."""
        return self.automated - self.right

    @property
    def share(self) -> float:
        """Share of the cases that would be automated."""
        return self.automated / self.cases if self.cases else 0.0


@dataclass(frozen=True, slots=True)
class CertificateWish:
    """What the site asks for, and of what."""

    package: str
    package_sha256: str
    site: str
    level: float
    least_right: float
    learned_known: bool


@dataclass(frozen=True, slots=True)
class CertificateEvidence:
    """The stations and populations, and the cases that lie within them."""

    stations: tuple[str, ...]
    populations: tuple[CertifiedPopulation, ...]
    covered: Sequence[CertificationCase]


GROUPS: dict[str, Callable[[CertificationCase], str]] = {
    "all": lambda _case: "all",
    "label": lambda case: case.label,
    "population": lambda case: case.population,
    "station": lambda case: case.header.station_name or "–",
}


def level_rows(cases: Sequence[CertificationCase]) -> list[LevelRow]:
    """Every level, of all cases and by label, population and station."""
    rows = []
    for by, name_of in GROUPS.items():
        for name in sorted({name_of(case) for case in cases}):
            group = [case for case in cases if name_of(case) == name]
            rows += [_row(level, by, name, group) for level in LEVELS]
    return rows


def _row(level: float, by: str, name: str, group: Sequence[CertificationCase]) -> LevelRow:
    automated = [case for case in group if case.is_automated(level)]
    right = sum(case.is_right for case in automated)
    return LevelRow(level, by, name, len(group), len(automated), right, lower_limit(right, len(automated), DELTA))


def make_certificate(
    cases: Sequence[CertificationCase], labels: Sequence[str], wish: CertificateWish, now: datetime
) -> PredictionCertificate:
    """The certificate that the cases show, with the labels and populations that pass; none may pass."""
    evidence = evidence_of(cases, labels, wish.level, wish.least_right)
    return PredictionCertificate(
        package=wish.package,
        package_sha256=wish.package_sha256,
        reading=READING,
        site=wish.site,
        made_at=now,
        ends_at=now + LASTS,
        reader=", ".join(sorted({case.reader for case in cases})),
        level=wish.level,
        least_right=wish.least_right,
        cases=len(cases),
        learned_known=wish.learned_known,
        stations=evidence.stations,
        populations=evidence.populations,
        drift=_drift(evidence.covered),
    )


def evidence_of(
    cases: Sequence[CertificationCase], labels: Sequence[str], level: float, least_right: float
) -> CertificateEvidence:
    """Test each label of each population by its own covered cases."""
    stations = _frequent(case.header.station_name for case in cases)
    populations, covered = [], list[CertificationCase]()
    for name in sorted({case.population for case in cases}):
        kind = _population(name, cases)
        within = [
            case for case in cases
            if case.population == name and case.header.station_name in stations and kind.holds(case.header)
        ]  # fmt: skip
        covered += within
        answers = [_answers(label, within, level) for label in labels]
        passed = tuple(one for one in answers if one.bound >= least_right)
        others = tuple(one for one in answers if one.bound < least_right)
        populations.append(kind.model_copy(update={"answers": passed, "others": others}))
    return CertificateEvidence(stations, tuple(populations), covered)


def passes(certificate: PredictionCertificate) -> list[tuple[CertifiedPopulation, CertifiedAnswers]]:
    """What is switched on."""
    return [(population, one) for population in certificate.populations for one in population.answers]


def missing(certificate: PredictionCertificate) -> list[str]:
    """What is not switched on, and what it lacks, a sentence for each."""
    return [
        _missing(population.name, one, certificate.least_right)
        for population in certificate.populations for one in population.others
    ]  # fmt: skip


def obstacles(cases: Sequence[CertificationCase], unknown: int, learned: int, nameless: int) -> list[str]:
    """What the labels lack for any certificate.

    ``unknown`` images were never received, ``learned`` patients are known to the package, and ``nameless`` lines have
    no reader.
    """
    named = {case.truth for case in cases}
    lacks = {
        f"{len(cases)} cases of different patients are few, {LEAST_CASES} are needed": len(cases) < LEAST_CASES,
        f"they have {'one label' if named else 'no label'}, two are needed": len(named) < 2,
        f"{nameless} of them have no reader": nameless,
        f"{unknown} images are unknown to the node": unknown,
        f"the package learned from images of {learned} of the patients": learned,
    }
    return [text for text, applies in lacks.items() if applies]


def is_watchable(certificate: PredictionCertificate) -> bool:
    """Whether a shift of the package's confidence would be seen."""
    return certificate.drift.power >= LEAST_POWER


def _population(name: str, cases: Sequence[CertificationCase]) -> CertifiedPopulation:
    headers = [case.header for case in cases if case.population == name]
    ages = sorted(header.age_years for header in headers if header.age_years is not None)
    span = (ages[LEAST_OF_KIND - 1], ages[-LEAST_OF_KIND]) if len(ages) >= LEAST_OF_KIND else (1, 0)
    return CertifiedPopulation(
        name=name,
        ages_years=span if span[0] <= span[1] else None,
        unknown_age=len(headers) - len(ages) >= LEAST_OF_KIND,
        views=_frequent(header.view_position for header in headers),
        answers=(),
    )


def _frequent(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(name for name, count in Counter(names).items() if count >= LEAST_OF_KIND))


def _answers(label: str, cases: Sequence[CertificationCase], level: float) -> CertifiedAnswers:
    automated = [case for case in cases if case.label == label and case.is_automated(level)]
    right = sum(case.is_right for case in automated)
    return CertifiedAnswers(
        label=label, answers=len(automated), right=right, bound=lower_limit(right, len(automated), DELTA)
    )


def _missing(population: str, one: CertifiedAnswers, least_right: float) -> str:
    wrong = one.answers - one.right
    needed = trials_needed(1.0 - least_right, DELTA, wrong / one.answers if one.answers else 0.0)
    counted = f"{one.label} in {population}: {one.right} of {one.answers} answers were right"
    return f"{counted}, too few." if needed is None else f"{counted}; about {needed} answers as good are needed."


def _drift(cases: Sequence[CertificationCase]) -> ConfidenceDrift:
    sample = [case.confidence for case in cases if not case.waits] or [0.0]
    shift = shift_limit(sample)
    limit = min(max(shift.limit, LEAST_LIMIT), 1.0 - LEAST_LIMIT)
    return ConfidenceDrift(mean=shift.mean, images=WINDOW, limit=limit, power=shift.power)
