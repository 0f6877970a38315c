"""What the panel of an image says first: what was found, what to do, and the numbers with their limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.evaluation import PERCENTILE, ROOM
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.prediction import PENDING_NAMES
from miqa_node.core.domain.rule import AppliedRule, LimitSide, Outcome, Subject, compared_number
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.core.language.catalogue import LANGUAGE, numerals, reworded, say
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.lookup import finding_title
from miqa_node.core.words.formats import figures, measurement, shown, unit
from miqa_node.core.words.headline import headline, told_reasons
from miqa_node.core.words.next_step import next_step
from miqa_node.core.words.object_words import title_of
from miqa_node.core.words.rule_table import rule_limit, rule_title, rule_value
from miqa_node.core.words.search_words import OF_LOOK
from miqa_node.stages.units.rows.priors import UsualRange

NEAREST = 3
"""Measurements within their limits that the panel shows: those nearest to them."""
LEAST_SHARE = 1000
"""What is less than a thousandth of its limit is nothing."""


@dataclass(frozen=True, slots=True)
class PanelNumber:
    """A number with its limit, in words; a contradiction has neither. ``nearness`` is 0 at the limit, positive beyond.

    A probability is 1 beyond it where it is certain, however low its limit.
    """

    name: str
    title: str
    value: str = ""
    limit: str = ""
    nearness: float = 0.0
    usual: str = ""
    note: str = ""
    """Its place, or why it does not count."""
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
        text = f"{self.title}: {self.value}" if self.value else self.title
        return f"{text} ({self.limit})" if self.limit else text


@dataclass(frozen=True, slots=True)
class Panel:
    """What stands first: what was found, what to do, and numbers, those of the headline first."""

    what: str
    what_to_do: str
    numbers: tuple[PanelNumber, ...]

    @property
    def lines(self) -> tuple[str, str, str]:
        """What, what to do, and the first number with its limit."""
        first = self.numbers[0].line if self.numbers else say("No number has a limit here.")
        return self.what, self.what_to_do, first


def panel_of(assessment: Assessment | None, disposition: Disposition, usual: Mapping[str, UsualRange]) -> Panel:
    """The panel of an image in the language that is spoken now."""
    language = LANGUAGE.get()
    numbers = () if assessment is None else _ordered(assessment, disposition, usual)
    what = headline(assessment, disposition, language)
    return Panel(what, next_step(assessment, disposition), tuple(numbers))


def _ordered(
    assessment: Assessment, disposition: Disposition, usual: Mapping[str, UsualRange]
) -> Sequence[PanelNumber]:
    """Numbers in the order of the headline, then what the policy lets pass, then those nearest to their limits."""
    reasons = told_reasons(assessment, disposition)
    reasons += [
        one for one in disposition.reasons if one not in reasons
    ]  # which a headline leaves out, such as "unusual"
    first: dict[str, PanelNumber] = {}
    for reason in reasons:
        for one in _of_reason(reason, assessment, disposition, usual):
            first.setdefault(one.name, one)
    others = [one for one in _of_all(assessment, disposition, usual) if one.name not in first]
    within = sorted((one for one in others if not one.tolerated), key=lambda one: -one.nearness)[:NEAREST]
    within = [replace(one, note="") for one in within]  # nobody looks for the place of what is as it should be
    numbers = [*first.values(), *(one for one in others if one.tolerated), *within]
    if numbers or disposition.verdict is not Verdict.NOT_ASSESSED or not disposition.experimental:
        return numbers
    return [_of_measured(one, usual) for one in assessment.measurements[:NEAREST]]


def _of_reason(
    reason: Reason, assessment: Assessment, disposition: Disposition, usual: Mapping[str, UsualRange]
) -> Iterator[PanelNumber]:
    rows = [one for one in disposition.rules if one.what == reason.name and one.outcome is Outcome.FLAGS]
    rows.sort(key=lambda one: one.then.value != reason.verdict.value)
    if rows:
        yield _of_rule(rows[0], reason, assessment, usual)
    elif reason.name in PENDING_NAMES:
        for one in assessment.predictions:
            if any(waiting.reason == reason.name for waiting in one.pending):
                value = say("confidence {confidence}", confidence=numerals(f"{one.confidence:.2f}"))
                title = say("Prediction of {package}", package=one.package)
                yield PanelNumber(one.package, title, value if one.label else "", nearness=1.0)
    elif reason.name not in OF_LOOK:
        yield from _of_text(reason.text, reason.name)


def _of_text(text: str, name: str = "") -> Iterator[PanelNumber]:
    """What a text says that no rule of this judgement stands behind: of the one before, or what explains others."""
    values = text.values if isinstance(text, Phrase) else {}
    value, limit = values.get("value", ""), values.get("limit", "")
    if "measurement" in values and value:
        place = value.values.get("place", "") if isinstance(value, Phrase) else ""
        number = value.values["value"] if isinstance(value, Phrase) and place else value
        limit = limit or (f"{values['low']} – {values['high']}" if "low" in values else "")
        title = _said(values["measurement"])
        yield PanelNumber(name or title, title, _said(number), _said(limit), 1.0, note=_said(place))
    elif "probability" in values and "finding" in values:
        title, probability = _said(values["finding"]), _said(values["probability"])
        value = say("probability {probability}", probability=probability)
        yield PanelNumber(name or title, title, value, nearness=1.0)
    else:
        for one in values.values():
            yield from _of_text(one) if isinstance(one, Phrase) else ()


def _said(text: str) -> str:
    return numerals(reworded(text))


def _of_rule(row: AppliedRule, reason: Reason, assessment: Assessment, usual: Mapping[str, UsualRange]) -> PanelNumber:
    """A rule that flags; its number is beyond the limit, whatever the two are."""
    if row.subject is Subject.CONTRADICTION:
        return PanelNumber(row.what, _said(reason.text).rstrip("."), nearness=1.0)
    finding = assessment.finding(FindingName(row.what)) if row.subject is Subject.FINDING else None
    if finding is not None:
        return replace(_of_finding(finding, row, assessment), nearness=1.0)
    measured = assessment.measurement(row.what)
    if measured is None:
        limit = (
            say("at most {limit}", limit=f"{figures(row.limits[0])} %") if row.side == PERCENTILE else rule_limit(row)
        )
        return PanelNumber(row.what, rule_title(row), rule_value(row), limit, 1.0)
    return replace(_of_limit(measured, row, usual), nearness=1.0, tolerated=False)


def _of_all(assessment: Assessment, disposition: Disposition, usual: Mapping[str, UsualRange]) -> Iterator[PanelNumber]:
    """Yield what has a limit and is no reason: findings that are there, or of an ACCEPT all, and measurements."""
    for finding in assessment.findings:
        if finding.present or disposition.verdict is Verdict.ACCEPT:
            one = _of_finding(finding, None, assessment)
            yield replace(one, tolerated=finding.present, note=_why_not(disposition) if finding.present else "")
    for row in disposition.rules:
        measured = assessment.measurement(row.what)
        if measured is not None and row.subject is Subject.MEASUREMENT and row.side in set(LimitSide):
            one = _of_limit(measured, row, usual)
            yield replace(one, note=f"{one.note} {_why_not(disposition)}".strip()) if one.tolerated else one


def _why_not(disposition: Disposition) -> str:
    return say("does not count") if disposition.experimental else say("tolerated")


def _of_finding(finding: Finding, row: AppliedRule | None, assessment: Assessment) -> PanelNumber:
    """A finding by its rule; without one by the threshold of its model."""
    gate = assessment.gate_class if finding.name == FindingName.GATE else None
    title = finding_title(gate, LANGUAGE.get()) if gate else title_of(finding, LANGUAGE.get())
    past = finding.probability - finding.threshold
    nearness = past / max(finding.threshold if past < 0 else 1 - finding.threshold, 1e-6) + 1e-9
    if row is not None and row.side == ROOM:
        return PanelNumber(finding.name, title, rule_value(row), rule_limit(row), nearness)
    least, least_severity = (finding.threshold, 0.0) if row is None else row.limits
    value = say("probability {probability}", probability=numerals(f"{finding.probability:.2f}"))
    limit = say("from {limit}", limit=numerals(f"{least:.2f}"))
    if least_severity:
        value += f"; {say('severity {severity}', severity=numerals(f'{finding.severity:.2f}'))}"
        limit += f"; {say('from {limit}', limit=numerals(f'{least_severity:.2f}'))}"
    return PanelNumber(finding.name, title, value, limit, nearness)


def _of_measured(measured: Measurement, usual: Mapping[str, UsualRange], limit: float | None = None) -> PanelNumber:
    range_of, name = usual.get(measured.name), measured.name
    number = 0.0 if abs(measured.value) * LEAST_SHARE < abs(limit or 0.0) else measured.value
    return PanelNumber(
        name,
        measurement(name),
        f"{shown(number, name, limit)} {unit(measured.unit)}".rstrip(),
        usual="" if range_of is None else f"{shown(range_of.low, name)} – {shown(range_of.high, name)}",
        note=_said(measured.place) if measured.place else "",
        measured=measured,
    )


def _of_limit(measured: Measurement, row: AppliedRule, usual: Mapping[str, UsualRange]) -> PanelNumber:
    limit, above = row.limits[0 if len(row.limits) == 1 or row.side.endswith("below") else 1], "below" not in row.side
    past = (compared_number(row.values) - limit) * (1 if above else -1)
    one, least_or_most = _of_measured(measured, usual, limit), f"{figures(limit)} {unit(measured.unit)}".rstrip()
    if row.side == LimitSide.SHARE:
        one, least_or_most = replace(one, value=rule_value(row)), f"{figures(100 * limit)} %"
    text = say("at most {limit}", limit=least_or_most) if above else say("at least {limit}", limit=least_or_most)
    return replace(
        one,
        limit=text if row.side in set(LimitSide) else rule_limit(row),
        nearness=past / (abs(limit) or 1.0) if past or limit else -1.0,  # none of what should not be is not near
        tolerated=row.outcome is Outcome.HINT,
    )
