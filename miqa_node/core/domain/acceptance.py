"""Which measurements suffice for ACCEPT where no model judges, and for which body parts: a table of the policy.

One rule says which tables give ACCEPT (:meth:`Acceptance.shortfall`): complete series of two scanners, a share of false
alarms of at most ``MOST_FALSE_ALARMS``, and of each moderate fault at least ``LEAST_FOUND`` found in them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import floor

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.measurand import is_withdrawn, label_of, withdrawn_words
from miqa_node.core.domain.moderate_fault import FaultSearch, faults_of, search_with
from miqa_node.core.language.phrase import Phrase, joined

LEAST_SCANNERS = 2
"""Limits that were tried on one scanner describe that scanner."""
LEAST_FOUND = 0.8
"""Share of series with a moderate fault that must have been found, of each fault."""
MOST_FALSE_ALARMS = 0.1
"""Share of unaltered series that may have been flagged without cause."""


@dataclass(frozen=True, slots=True)
class ScannerTrial:
    """What the limits did on complete series of one scanner: ``miqa-node evaluate series DIR --faults`` counts it.

    ``found`` is the share that was flagged of these series with each moderate fault put in; what is not named was not
    found.
    """

    scanner: str
    series: int
    false_alarms: int = 0
    found: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """All of these measurements must have been taken, and no rule may flag.

    Its limits were tried on each ``body_part`` (empty: any), with images of the scanners of ``tried_on``.
    ``trials`` are the figures of these; without them the site vouches for the limits. ``parts`` are the tables of the
    parts of a combined body part.
    """

    measured: tuple[str, ...]
    body_part: tuple[str, ...]
    tried_on: tuple[str, ...]
    trials: tuple[ScannerTrial, ...] = ()
    parts: tuple[Acceptance, ...] = ()

    def covers(self, header: Header) -> bool:
        """Whether the limits were tried on this body part."""
        return not self.body_part or header.body_part_examined in self.body_part

    @property
    def labels(self) -> str:
        """The measurements, in words."""
        return labels(self.measured)

    def shortfall(self, modality: str) -> str:
        """Why what was tried gives no ACCEPT, in words; empty if it does, or if a site gives names alone."""
        if self.parts:
            return next(filter(None, (one.shortfall(modality) for one in self.parts)), "")
        if not self.trials:
            return ""
        series = sum(one.series for one in self.trials)
        if len({one.scanner for one in self.trials if one.series}) < LEAST_SCANNERS:
            return Phrase("Measured, experimental: no complete series of two scanners was there to try the limits on.")
        if (alarms := sum(one.false_alarms for one in self.trials)) > MOST_FALSE_ALARMS * series:
            return Phrase(
                "Measured, experimental: of {series} unaltered series {alarms} were flagged without cause.",
                series=series,
                alarms=alarms,
            )
        return self._missed(modality, series)

    def _missed(self, modality: str, series: int) -> str:
        shares = {
            one: round(sum(trial.series * trial.found.get(one.name, 0.0) for trial in self.trials) / series, 6)
            for one in faults_of(modality)
        }
        missed = {one: share for one, share in shares.items() if share < LEAST_FOUND}
        if not missed:
            return ""
        texts = [
            Phrase("{fault} ({share})", fault=one.title, share=f"{floor(round(100 * share, 4)) / 100:.2f}")
            for one, share in missed.items()
        ]
        return Phrase(
            "Measured, experimental: in series in which they were tried, too few of these faults were found for "
            "ACCEPT, which asks for {least}: {faults}.",
            least=f"{LEAST_FOUND:.2f}",
            faults=joined(", ", texts),
        )


def acceptance_of(tables: Sequence[Acceptance], header: Header) -> Acceptance | None:
    """The table of the image's body part, the first that covers it; None if there is none."""
    return next((one for one in tables if one.covers(header)), None)


def untried(tables: Sequence[Acceptance], header: Header) -> str:
    """Why what is measured of the image's body part is experimental, in words; empty if its limits suffice."""
    if (acceptance := acceptance_of(tables, header)) is not None:
        return acceptance.shortfall(header.modality)
    if not tables:
        return Phrase(
            "Measured, experimental: limits for {kind} have not been tried on two scanners.", kind=header.modality
        )
    if not header.body_part_examined:
        return Phrase(
            "Measured, experimental: the header does not say which body part this is, and limits for {modality} were "
            "tried on some body parts only.",
            modality=header.modality,
        )
    return Phrase(
        "Measured, experimental: limits for {modality} of this body part ({part}) have not been tried on two scanners.",
        modality=header.modality,
        part=header.body_part_examined,
    )


def obstacle(tables: Sequence[Acceptance], assessment: Assessment) -> str:
    """Why an image that no rule flags is not accepted by its measurements, in words; empty if it is."""
    acceptance = acceptance_of(tables, assessment.header)
    if (reason := untried(tables, assessment.header)) or acceptance is None:
        return reason
    if gone := [name for name in acceptance.measured if is_withdrawn(name)]:
        return Phrase(
            "Not accepted, because the policy asks for what nothing takes any more: {names}.",
            names="; ".join(map(withdrawn_words, gone)),
        )
    missing = [name for name in acceptance.measured if assessment.measurement(name) is None]
    if not missing:
        return ""
    return Phrase("Not accepted, because it could not be measured: {measurements}.", measurements=labels(missing))


def labels(names: Sequence[str]) -> str:
    """The measurements, in words."""
    return joined(", ", [label_of(name) for name in names])


def search_of(assessment: Assessment, limited: Collection[str]) -> FaultSearch:
    """What a series was searched for, where rules limit these measurements: those of them that were taken show it."""
    names = {one.name for one in assessment.measurements}
    return search_with(assessment.header.modality, names & set(limited))
