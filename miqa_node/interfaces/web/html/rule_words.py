"""Rules of the policy in words: what a scope covers, what each rule asks for, and which rule a reason comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.measurand import MEASUREMENTS
from miqa_node.core.domain.policy import FindingRule, MeasurementRule, Scope, UsualRule
from miqa_node.core.domain.prediction import PackageRule
from miqa_node.core.domain.rule import LimitSide
from miqa_node.core.domain.rule_key import RuleKey, key_of, package_key, usual_key
from miqa_node.core.domain.slice_kind import kind_named
from miqa_node.core.domain.verdict import Reason, Verdict
from miqa_node.core.language.catalogue import numerals, reworded, say
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.reasons import reason_words
from miqa_node.core.words.phrases import PLAUSIBILITY
from miqa_node.interfaces.web.html.formats import figures, finding, measurement, unit

ANOMALY = "anomaly"
"""The name of the reason for an unusual image."""
SCOPE_NAMES = (
    Phrase("frontal chest radiograph"),
    Phrase("other radiograph"),
    Phrase("CT series"),
    Phrase("CT series, head"),
    Phrase("CT series, sharp kernel"),
    Phrase("MR series"),
    Phrase("MR series, echo-planar"),
)
"""The scopes of the shipped policy, which pages name in the language of their reader; a site's keep their names."""
_TERMS = (
    Phrase("modality {names}"), Phrase("body part {names}"), Phrase("projection {names}"), Phrase("kind {names}"),
)  # fmt: skip
_REGIONS = {"lung": Phrase("a lung"), "mediastinum": Phrase("the mediastinum"), "outside": Phrase("neither of them")}

_BEYOND = {
    LimitSide.ABOVE: Phrase("above the confirmed usual range of its machine"),
    LimitSide.BELOW: Phrase("below the confirmed usual range of its machine"),
}


@dataclass(frozen=True, slots=True)
class RuleWords:
    """One rule: the key of its reasons, what it looks at, from where on, and what it asks for."""

    key: RuleKey
    title: str
    condition: str
    verdict: Verdict

    @property
    def line(self) -> str:
        """It in one line, without the verdict."""
        return f"{self.title}: {self.condition}" if self.condition else self.title


def rules_of(scope: Scope) -> tuple[RuleWords, ...]:
    """All rules of a scope that can flag, in the language that is spoken now."""
    return tuple(_rules(scope))


def rule_of(scope: Scope, reason: Reason) -> RuleWords | None:
    """The rule that gave a reason; None if none did, such as for an image that nothing judged.

    A finding that flags by a figure of its own asks for REVIEW, whatever its rule asks for.
    """
    key = key_of(reason)
    of_name = [one for one in rules_of(scope) if (one.key[0], one.key[2]) == (key[0], key[2])]
    return next((one for one in of_name if one.key == key), of_name[0] if of_name else None)


def covered(scope: Scope) -> str:
    """The images that a scope covers."""
    kinds = [say(kind_named(one).title) for one in scope.kind]
    parts = _named([(scope.modality, scope.modality), (scope.body_part, scope.body_part), (scope.view, scope.view),
                    (scope.kind, kinds)])  # fmt: skip
    return "; ".join(parts) or say("all images")


def matching(scope: Scope, header: Header, kind: str) -> str:
    """What an image has of that by which the scope chooses."""
    title = say(kind_named(kind).title) if kind else ""
    parts = _named([(scope.modality, [header.modality]), (scope.body_part, [header.body_part_examined]),
                    (scope.view, [header.view_position]), (scope.kind, [title])])  # fmt: skip
    return ", ".join(parts) or say("all images")


def _named(terms: Sequence[tuple[Sequence[str], Sequence[str]]]) -> list[str]:
    """Modality, body part, projection and kind in words; each is left out where the scope asks for none."""
    return [
        say(message, names=", ".join(name or say("none named") for name in names))
        for message, (asks, names) in zip(_TERMS, terms, strict=True) if asks
    ]  # fmt: skip


def _rules(scope: Scope) -> Iterator[RuleWords]:
    for of_finding in scope.findings:
        yield _of_finding(of_finding, scope)
    for of_measured in scope.measurements:
        yield _of_measurement(of_measured)
    for of_usual in scope.usual:
        yield _of_usual(of_usual)
    for issue in scope.plausibility:
        title = say(PLAUSIBILITY[issue.issue]) if issue.issue in PLAUSIBILITY else reason_words(issue.issue)
        yield RuleWords((issue.issue, issue.verdict.value, ""), title, "", issue.verdict)
    if scope.anomaly is not None:
        share = figures(100 - scope.anomaly.min_percentile)
        condition = say("among the most unusual {share} percent", share=share)
        verdict = scope.anomaly.verdict
        yield RuleWords((ANOMALY, verdict.value, ""), say("Unusual image"), condition, verdict)
    for package in scope.packages:
        title = say("Prediction of {package}", package=package.package)
        yield RuleWords(package_key(package.package), title, _waits(package), Verdict.ACCEPT)


def _of_finding(rule: FindingRule, scope: Scope) -> RuleWords:
    alone = [one for one in scope.finding_figures if one.finding == rule.finding and one.may_flag]
    parts = [_from(rule.min_probability, rule.min_severity)]
    if rule.soft:
        parts.append(say("a confirmed limit of the room takes its place"))
    if rule.over:
        parts.append(say("over {regions}", regions=", ".join(reworded(_REGIONS[one.value]) for one in rule.over)))
    for one in alone:
        point = _from(one.min_probability, one.min_severity)
        of = f" ({', '.join(one.figure.body_part)})" if len(alone) > 1 else ""
        parts.append(say("where nothing else counts, Review {point}", point=point) + of)
    return RuleWords((rule.finding, rule.verdict.value, ""), finding(rule.finding), "; ".join(parts), rule.verdict)


def _from(probability: float, severity: float) -> str:
    at = {"probability": figures(probability), "severity": figures(severity)}
    if probability and severity:
        return say("from probability {probability} and severity {severity} on", **at)
    if severity:
        return say("from severity {severity} on", severity=at["severity"])
    if probability:
        return say("from probability {probability} on", probability=at["probability"])
    return say("whenever it is found")


def _of_measurement(rule: MeasurementRule) -> RuleWords:
    limit = f"{figures(rule.limit)} {_unit(rule.measurement)}".rstrip()
    above = rule.comparison is LimitSide.ABOVE
    condition = say("above {limit}", limit=limit) if above else say("below {limit}", limit=limit)
    key = (rule.measurement, rule.verdict.value, rule.comparison.value)
    return RuleWords(key, measurement(rule.measurement), condition, rule.verdict)


def _of_usual(rule: UsualRule) -> RuleWords:
    key, title = usual_key(rule.measurement, rule.comparison), measurement(rule.measurement)
    return RuleWords(key, title, reworded(_BEYOND[rule.comparison]), rule.verdict)


def _unit(name: str) -> str:
    measurand = MEASUREMENTS.all().get(name)
    return unit(measurand.unit) if measurand is not None else ""


def _waits(package: PackageRule) -> str:
    if package.min_confidence is None:
        return say("a person looks where it cannot be automated")
    return say("a person looks below confidence {confidence}", confidence=numerals(f"{package.min_confidence:.2f}"))
