"""The table of rules in words: the same columns for a rule of the policy and for what it came to on an image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from miqa_node.core.domain.evaluation import PERCENTILE, ROOM, USUAL
from miqa_node.core.domain.measurand import MEASUREMENTS
from miqa_node.core.domain.prediction import PackageRule
from miqa_node.core.domain.reason_texts import share_text
from miqa_node.core.domain.rule import (
    ALL,
    ANOMALY,
    CARD,
    SITE,
    AppliedRule,
    LimitSide,
    Outcome,
    Rule,
    Subject,
    Then,
    Where,
)
from miqa_node.core.domain.slice_kind import kind_named
from miqa_node.core.language.catalogue import numerals, reworded, say
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.reasons import reason_words
from miqa_node.core.words.formats import figures, finding, measurement, shown, unit, verdict_words
from miqa_node.core.words.phrases import PLAUSIBILITY

PLACE_NAMES = (
    Phrase("frontal chest radiograph"),
    Phrase("other radiograph"),
    Phrase("CT series"),
    Phrase("CT series, head"),
    Phrase("CT series, sharp kernel"),
    Phrase("MR series"),
    Phrase("MR series, echo-planar"),
)
"""The places of the shipped policy, which pages name in the language of their reader; a site's keep their names."""
COLUMNS = (Phrase("Rule"), Phrase("Value"), Phrase("Limit"), Phrase("Evidence"), Phrase("Outcome"), Phrase("Why"))
_TERMS = {
    "modality": Phrase("modality {names}"),
    "body_part": Phrase("body part {names}"),
    "view": Phrase("projection {names}"),
    "kind": Phrase("kind {names}"),
    "room": Phrase("room {names}"),
    "age": Phrase("age {names} years"),
}
_REGIONS = {"lung": Phrase("a lung"), "mediastinum": Phrase("the mediastinum"), "outside": Phrase("neither of them")}
_EVIDENCE = {SITE: Phrase("the site's word"), CARD: Phrase("the card of the package")}
_CONFIRMED = {USUAL.strip(): Phrase("confirmed range"), ROOM: Phrase("limit of the room")}
_BEYOND = {
    LimitSide.ABOVE: Phrase("above the confirmed usual range of its machine"),
    LimitSide.BELOW: Phrase("below the confirmed usual range of its machine"),
}
_ORDER = (Outcome.FLAGS, Outcome.ACCEPTS, Outcome.HELD, Outcome.HINT, Outcome.WITHIN)


@dataclass(frozen=True, slots=True)
class RuleCells:
    """One rule in words, below :data:`COLUMNS`; ``number`` is that of the policy, ``then`` what it asks for."""

    number: int
    then: Then
    outcome: Outcome
    line: tuple[str, str, str, str, str, str]

    @property
    def may_flag(self) -> bool:
        """Whether it can put images on the worklist."""
        return self.then in (Then.REVIEW, Then.REJECT)


def table_of(rows: Sequence[AppliedRule]) -> tuple[RuleCells, ...]:
    """The rules that applied to an image, in the language that is spoken now: what flags or is a hint comes first."""
    return tuple(map(cells_of, sorted(rows, key=lambda row: _ORDER.index(row.outcome))))


def cells_of(row: AppliedRule) -> RuleCells:
    """What a rule came to on an image."""
    matched = ", ".join(filter(None, row.matched))
    title = f"{rule_title(row)} ({matched})" if matched else rule_title(row)
    line = title, rule_value(row), rule_limit(row), _evidence(row), _outcome(row), numerals(reworded(row.why))
    return RuleCells(row.number, row.then, row.outcome, line)


def cells_of_rule(rule: Rule) -> RuleCells:
    """A rule of the policy: nothing is measured yet, and it asks for what it can."""
    outcome = {Then.ACCEPT: Outcome.ACCEPTS, Then.HINT: Outcome.HINT}.get(rule.then, Outcome.FLAGS)
    limits: tuple[float, ...] = () if rule.limit is None else (rule.limit,)
    side = PERCENTILE if rule.what == ANOMALY else USUAL + rule.side if rule.is_usual else rule.side.value
    if rule.subject is not Subject.MEASUREMENT:
        limits, side = (rule.min_probability, rule.min_severity), ""
    row = AppliedRule(rule.subject, rule.what, rule.then, "", outcome, (), limits, side, rule.evidence)
    parts = [rule_limit(row)]
    if rule.is_learned:
        parts.append(say("a room learns what is usual there"))
    elif rule.soft:
        parts.append(say("a confirmed limit of the room takes its place"))
    if rule.over:
        parts.append(say("over {regions}", regions=", ".join(reworded(_REGIONS[one.value]) for one in rule.over)))
    line = rule_title(row), "", "; ".join(parts), _evidence(row), _outcome(row), ""
    return RuleCells(rule.number, rule.then, outcome, line)


def cells_of_package(rule: PackageRule) -> RuleCells:
    """The rule of a further package, whose prediction waits for a person."""
    waits = say("a person looks where it cannot be automated")
    if rule.min_confidence is not None:
        confidence = numerals(f"{rule.min_confidence:.2f}")
        waits = say("a person looks below confidence {confidence}", confidence=confidence)
    title = say("Prediction of {package}", package=rule.package)
    return RuleCells(
        0, Then.HINT, Outcome.HINT, (title, "", waits, reworded(_EVIDENCE[CARD]), say("A person looks"), "")
    )


def conditions(where: Where, keys: Sequence[str]) -> str:
    """Which images a place is about, by some of its conditions."""
    return "; ".join(_conditions(where, keys)) or say("all images")


def _conditions(where: Where, keys: Sequence[str]) -> Iterator[str]:
    for key in keys:
        names = getattr(where, key)
        if key == "age" and names:
            names = (f"{names[0]}–{names[1]}",)
        elif key == "kind":
            names = [say(kind_named(one).title) for one in names]
        if names:
            yield say(_TERMS[key], names=", ".join(name or say("none named") for name in names))


def rule_title(row: AppliedRule) -> str:
    """What the rule is about."""
    if row.then is Then.ACCEPT:
        return say("All findings of the model") if row.what == ALL else say("All measurements that are asked for")
    if row.subject is Subject.FINDING:
        return finding(row.what)
    if row.subject is Subject.CONTRADICTION and row.what in PLAUSIBILITY:
        return say(PLAUSIBILITY[row.what])
    return (
        measurement(row.what) if row.subject is Subject.MEASUREMENT and row.what != ANOMALY else reason_words(row.what)
    )


def rule_value(row: AppliedRule) -> str:
    """What the image has; empty if nothing was measured."""
    if row.subject is Subject.CONTRADICTION:
        return say("no") if row.outcome is Outcome.WITHIN else say("yes")
    if not row.values:
        return ""
    if row.side == ROOM:
        return say("strength {strength}", strength=figures(row.values[0]))
    if row.subject is Subject.FINDING:
        probability, severity = (numerals(f"{one:.2f}") for one in row.values)
        return say("probability {probability}, severity {severity}", probability=probability, severity=severity)
    if row.side in (PERCENTILE, LimitSide.SHARE):
        share = f"{row.values[0]:.1f} %" if row.side == PERCENTILE else share_text(row.values, row.limits[0])
        return numerals(reworded(share))
    return _measured(row.what, shown(row.values[0], row.what, row.limits[0] if len(row.limits) == 1 else None))


def rule_limit(row: AppliedRule) -> str:
    """What that is compared with; empty of a contradiction."""
    if row.then is Then.ACCEPT:
        return say("no rule flags the image")
    if row.subject is Subject.CONTRADICTION:
        return ""
    if row.side == ROOM:
        return say("from strength {limit} on", limit=figures(row.limits[0]))
    if row.subject is Subject.FINDING:
        return _from(*row.limits)
    return _limit_of_measured(row)


def _limit_of_measured(row: AppliedRule) -> str:
    if row.side == PERCENTILE:
        return say("among the most unusual {share} percent", share=figures(100 - row.limits[0]))
    if row.side == LimitSide.SHARE:
        return say("above {share} of the slices", share=f"{figures(100 * row.limits[0])} %")
    side = LimitSide(row.side.split()[-1])
    if not row.limits:
        return reworded(_BEYOND[side])
    limit = _measured(row.what, " – ".join(figures(one) for one in row.limits))
    if len(row.limits) > 1:
        return say("usual {range}", range=limit)
    return say("above {limit}", limit=limit) if side is LimitSide.ABOVE else say("below {limit}", limit=limit)


def _from(probability: float, severity: float) -> str:
    at = {"probability": figures(probability), "severity": figures(severity)}
    if probability and severity:
        return say("from probability {probability} and severity {severity} on", **at)
    if severity:
        return say("from severity {severity} on", severity=at["severity"])
    if probability:
        return say("from probability {probability} on", probability=at["probability"])
    return say("whenever it is found")


def _measured(name: str, number: str) -> str:
    measurand = MEASUREMENTS.all().get(name)
    return f"{number} {unit(measurand.unit)}".rstrip() if measurand is not None else number


def _outcome(row: AppliedRule) -> str:
    words = {Then.HINT: say("Hint"), Then.NOT_ASSESSED: say("Not accepted")}
    verdict = words.get(row.then) or verdict_words(row.then)
    if row.outcome is Outcome.WITHIN:
        return say("within, else {outcome}", outcome=verdict)
    if row.outcome is Outcome.HELD:
        return say("Held, later {outcome}", outcome=verdict)
    return words[Then.HINT] if row.outcome is Outcome.HINT else verdict


def _evidence(row: AppliedRule) -> str:
    confirmed = _CONFIRMED.get(row.side.partition(" ")[0])
    names = [reworded(_EVIDENCE.get(one, one)) for one in row.evidence]
    return ", ".join([*names, *([reworded(confirmed)] if confirmed else [])])
