"""What the panel of an image says first: what was found, what to do, and the numbers with their limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.finding import Finding
from miqa_node.core.domain.reason_texts import share_text
from miqa_node.core.domain.rule import AppliedRule, LimitSide, Outcome, Subject, compared_number
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.language.catalogue import LANGUAGE, numerals, reworded, say
from miqa_node.core.words.formats import figures, measurement, shown, unit
from miqa_node.core.words.headline import headline
from miqa_node.core.words.image_title import image_title
from miqa_node.core.words.next_step import next_step
from miqa_node.core.words.object_words import title_of
from miqa_node.stages.units.rows.priors import UsualRange

NEAREST = 3
"""Measurements within their limits that the panel shows: those nearest to them."""


@dataclass(frozen=True, slots=True)
class PanelNumber:
    """A number with its limit, in words; ``nearness`` is 0 at the limit and positive beyond it.

    A probability is 1 beyond it where it is certain, however low its limit.
    """

    name: str
    title: str
    value: str
    limit: str
    nearness: float
    usual: str = ""
    place: str = ""
    tolerated: bool = False
    """It is there, and the policy lets it pass."""
    measured: Measurement | None = None
    """What was measured; None of a finding."""

    @property
    def is_beyond(self) -> bool:
        """Whether it is a reason for the verdict."""
        return self.nearness > 0 and not self.tolerated

    @property
    def line(self) -> str:
        """It in one line."""
        return f"{self.title}: {self.value} ({self.limit})" if self.limit else f"{self.title}: {self.value}"


@dataclass(frozen=True, slots=True)
class Panel:
    """What stands first: what was found, what to do, and numbers, the worst first."""

    what: str
    what_to_do: str
    numbers: tuple[PanelNumber, ...]

    @property
    def lines(self) -> tuple[str, str, str]:
        """What, what to do, and the worst number with its limit."""
        worst = self.numbers[0].line if self.numbers else say("No number has a limit here.")
        return self.what, self.what_to_do, worst


def panel_of(assessment: Assessment | None, disposition: Disposition, usual: Mapping[str, UsualRange]) -> Panel:
    """The panel of an image in the language that is spoken now."""
    numbers = () if assessment is None else tuple(_numbers(assessment, disposition, usual))
    beyond = _worst_first([one for one in numbers if one.is_beyond])
    within = [one for one in numbers if not one.is_beyond and not one.tolerated]
    named = [(one, reason) for reason in reversed(disposition.reasons) for one in (reason.finding, reason.name)]
    rank = {name: reason.verdict.rank for name, reason in named}
    beyond.sort(key=lambda one: -rank.get(one.name, 0))  # as the headline: what rejects before what is to be reviewed
    ordered = (*beyond, *(one for one in numbers if one.tolerated), *_worst_first(within)[:NEAREST])
    if disposition.experimental:
        ordered = ()  # no number of an image that the site has not switched on counts
    return Panel(what_of(assessment, disposition), next_step(assessment, disposition), ordered)


def what_of(assessment: Assessment | None, disposition: Disposition) -> str:
    """The findings, worst first, with their places; of an image that is not switched on that alone."""
    if disposition.experimental and assessment is not None and disposition.search is None:
        header = assessment.known_header
        kind = image_title(header.modality, header.body_part_examined, header.view_position, header.image_laterality)
        return say("Not judged: {kind} is not switched on here.", kind=kind)
    return headline(assessment, disposition, LANGUAGE.get())


def _worst_first(numbers: Sequence[PanelNumber]) -> list[PanelNumber]:
    return sorted(numbers, key=lambda one: -one.nearness)


def _numbers(
    assessment: Assessment, disposition: Disposition, usual: Mapping[str, UsualRange]
) -> Iterator[PanelNumber]:
    names = {one for reason in disposition.reasons if reason.verdict.flagged for one in (reason.name, reason.finding)}
    for finding in assessment.findings:
        if finding.present or disposition.verdict is Verdict.ACCEPT:
            yield _of_finding(finding, tolerated=finding.present and finding.name not in names)
    for rule in disposition.rules:
        measured = assessment.measurement(rule.what)
        if measured is not None and rule.subject is Subject.MEASUREMENT and rule.side in set(LimitSide):
            yield _of_measurement(measured, rule, usual.get(measured.name))


def _of_finding(finding: Finding, *, tolerated: bool) -> PanelNumber:
    value, limit = numerals(f"{finding.probability:.2f}"), numerals(f"{finding.threshold:.2f}")
    past = finding.probability - finding.threshold
    nearness = past / max(finding.threshold if past < 0 else 1 - finding.threshold, 1e-6) + 1e-9
    title = title_of(finding, LANGUAGE.get())
    return PanelNumber(
        finding.name, title, say("probability {probability}", probability=value), say("from {limit}", limit=limit),
        nearness, tolerated=tolerated,
    )  # fmt: skip


def _of_measurement(measured: Measurement, rule: AppliedRule, usual: UsualRange | None) -> PanelNumber:
    of_unit = f" {unit(measured.unit)}".rstrip()
    [least_or_most], above = rule.limits, rule.side != LimitSide.BELOW
    past = (compared_number(rule.values) - least_or_most) * (1 if above else -1)
    value, limit = (
        f"{shown(measured.value, measured.name, least_or_most)}{of_unit}",
        f"{figures(least_or_most)}{of_unit}",
    )
    if rule.side == LimitSide.SHARE:
        value, limit = numerals(reworded(share_text(rule.values, least_or_most))), f"{figures(100 * least_or_most)} %"
    return PanelNumber(
        measured.name,
        measurement(measured.name),
        value,
        say("at most {limit}", limit=limit) if above else say("at least {limit}", limit=limit),
        past / (abs(least_or_most) or 1.0),
        "" if usual is None else f"{shown(usual.low, measured.name)} – {shown(usual.high, measured.name)}",
        numerals(reworded(measured.place)) if measured.place else "",
        tolerated=rule.outcome is Outcome.HINT,
        measured=measured,
    )
