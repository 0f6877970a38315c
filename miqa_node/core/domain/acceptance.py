"""What was tried on series decides both ways: which limits flag, and which measurements suffice for ACCEPT.

A limit flags where it was tried on scanners of two makers (:meth:`TriedLimits.speaks_for`). ACCEPT asks for more
(:meth:`Acceptance.shortfall`): complete series of two scanners, a share of false alarms of at most
``MOST_FALSE_ALARMS``, and of each moderate fault at least ``LEAST_FOUND`` found in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import floor

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.measurand import is_withdrawn, label_of, withdrawn_words
from miqa_node.core.domain.moderate_fault import faults_of, shown_by
from miqa_node.core.language.phrase import Phrase, joined

LEAST_SCANNERS = 2
"""Limits that were tried on one scanner describe that scanner."""
LEAST_MAKERS = 2
"""Scanners of one maker share coils, corrections and reconstruction."""
NO_MAKER = "unknown"
"""The first word of scanners whose maker nobody knows: they may all be of one."""
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


def found_share(trials: Sequence[ScannerTrial], fault: str) -> float:
    """The share of all series of the trials in which a fault was found when it was put in."""
    series = sum(one.series for one in trials)
    return round(sum(one.series * one.found.get(fault, 0.0) for one in trials) / max(series, 1), 6)


def share_words(share: float) -> str:
    """It with two decimals, none of them rounded up.

    >>> share_words(0.7999)
    '0.79'
    """
    return f"{floor(round(100 * share, 4)) / 100:.2f}"


@dataclass(frozen=True, slots=True)
class TriedLimits:
    """A record of the policy: limits were tried on series of these scanners, by these trials if they have figures.

    It is about series of each ``body_part``, ``kind`` of slices, and Magnetic Field Strength (0018,0087) of ``field_t``
    (lowest and highest, in tesla); what is empty or None stands for any, and an unknown field lies within.
    """

    scanners: tuple[str, ...]
    trials: tuple[ScannerTrial, ...] = ()
    body_part: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    field_t: tuple[float, float] | None = None

    def covers(self, assessment: Assessment) -> bool:
        """Whether a series is one of these."""
        field_t, part = assessment.field_t, assessment.known_header.body_part_examined
        in_field = self.field_t is None or field_t is None or self.field_t[0] <= field_t <= self.field_t[1]
        return in_field and (not self.body_part or part in self.body_part) and self._is_of(assessment.kind)

    def _is_of(self, kind: str) -> bool:
        return not self.kind or not kind or kind in self.kind

    def speaks_for(self, measurement: str) -> bool:
        """Whether its limit may flag: scanners of two makers were there, with and without what it shows."""
        faults = {one.name for one in shown_by(measurement)}
        tried = [one.scanner for one in self.trials if not faults or not faults.isdisjoint(one.found)]
        makers = {one.partition(" ")[0] for one in (tried if self.trials else self.scanners)} - {NO_MAKER}
        alarms, series = (sum(getattr(one, key) for one in self.trials) for key in ("false_alarms", "series"))
        return len(makers) >= LEAST_MAKERS and alarms <= MOST_FALSE_ALARMS * series

    def share(self, fault: str) -> float | None:
        """The share of its series in which a fault was found, of those in which it was tried; None if it was in none.

        Parts of series count where there are no whole ones.
        """
        tried = [one for one in self.trials if fault in one.found]
        whole = [one for one in tried if one.series] or [replace(one, series=1) for one in tried]
        return found_share(whole, fault) if whole else None


def why_hint(records: Sequence[TriedLimits], measurement: str, assessment: Assessment) -> str:
    """Why a limit that a series exceeds is a hint there, in words; empty if it was tried on such series."""
    if any(one.covers(assessment) and one.speaks_for(measurement) for one in records):
        return ""
    part = assessment.known_header.body_part_examined or Phrase("unknown body part")
    field_t = "" if assessment.field_t is None else f"{assessment.field_t:g} T"
    kind = joined(" · ", [*filter(None, (assessment.header.modality, assessment.kind, part, field_t))])
    return Phrase("this limit has not been tried on scanners of two makers for such series ({kind})", kind=kind)


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
        return self._missed(modality)

    def _missed(self, modality: str) -> str:
        shares = {one: found_share(self.trials, one.name) for one in faults_of(modality)}
        missed = {one: share for one, share in shares.items() if share < LEAST_FOUND}
        if not missed:
            return ""
        texts = [
            Phrase("{fault} ({share})", fault=one.title, share=share_words(share)) for one, share in missed.items()
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
