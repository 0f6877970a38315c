"""The site's rules: which findings and measurements make an image ACCEPT, REVIEW or REJECT.

``decide`` is pure: the same assessment and policy always give the same disposition.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from miqa_node.domain.assessment import Assessment
from miqa_node.domain.codes import OTHER_FAILURE, UNKNOWN_FAILURE, Code
from miqa_node.domain.finding import FINDING_WORDS, GATE_CODES, GATE_WORDS, Finding, FindingName
from miqa_node.domain.instance import Header
from miqa_node.domain.prediction import DECISION_SUPPORT


class Verdict(StrEnum):
    """What the node says of an image. NOT_ASSESSED is never ACCEPT."""

    ACCEPT = "ACCEPT"
    REVIEW = "REVIEW"
    REJECT = "REJECT"
    NOT_ASSESSED = "NOT_ASSESSED"

    @property
    def flagged(self) -> bool:
        """Whether the verdict by itself puts the study on the worklist."""
        return self in (Verdict.REVIEW, Verdict.REJECT)

    @property
    def rank(self) -> int:
        """Order of badness: the worst image gives a study its verdict."""
        return (Verdict.ACCEPT, Verdict.NOT_ASSESSED, Verdict.REVIEW, Verdict.REJECT).index(self)


class Comparison(StrEnum):
    """How a rule compares a measurement with its limit."""

    ABOVE = "above"
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class FindingRule:
    """REVIEW or REJECT when the finding is present and reaches both limits."""

    finding: FindingName
    verdict: Verdict
    min_probability: float = 0.0
    min_severity: float = 0.0


@dataclass(frozen=True, slots=True)
class MeasurementRule:
    """REVIEW or REJECT when the measurement is above or below its limit."""

    measurement: str
    comparison: Comparison
    limit: float
    verdict: Verdict
    code: Code


@dataclass(frozen=True, slots=True)
class PlausibilityRule:
    """REVIEW or REJECT when header and pixels contradict each other in the named way."""

    issue: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class AnomalyRule:
    """REVIEW when the image is more unusual than so many percent of the baseline's images.

    There is no other verdict to ask for: disease makes images unusual, too.
    """

    min_percentile: float
    verdict: Verdict = Verdict.REVIEW


@dataclass(frozen=True, slots=True)
class PackageRule:
    """Switches a further package on beside the quality package, and says when its predictions may be automated.

    ``package`` is a name (its newest version) or ``<name>-<version>``. What is None stands as in the settings.
    """

    package: str
    min_confidence: float | None = None
    max_percentile: float | None = None
    accepted_only: bool | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """The rules for one kind of image; empty tuples match everything."""

    name: str
    modality: tuple[str, ...] = ()
    body_part: tuple[str, ...] = ()
    view: tuple[str, ...] = ()
    findings: tuple[FindingRule, ...] = ()
    measurements: tuple[MeasurementRule, ...] = ()
    plausibility: tuple[PlausibilityRule, ...] = ()
    anomaly: AnomalyRule | None = None
    packages: tuple[PackageRule, ...] = ()
    accept_measured: tuple[str, ...] = ()
    """Without a model's judgement: ACCEPT when all these could be measured and no rule flags. Empty: never."""

    def covers(self, header: Header) -> bool:
        """Whether the image belongs to this scope."""
        return (
            _matches(self.modality, header.modality)
            and _matches(self.body_part, header.body_part_examined)
            and _matches(self.view, header.view_position)
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """All scopes of a site; the first that covers an image applies to it."""

    version: str
    scopes: tuple[Scope, ...]

    def scope_of(self, header: Header) -> Scope | None:
        """The scope that applies to an image."""
        return next((scope for scope in self.scopes if scope.covers(header)), None)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a verdict is what it is: a sentence for people and a code for machines."""

    name: str
    text: str
    code: Code
    verdict: Verdict


AUDIT = Reason(
    "audit", "Accepted, and drawn at random: say whether it is a good image.", UNKNOWN_FAILURE, Verdict.ACCEPT
)
"""Why an accepted image is on the worklist, where nothing else brought it there."""


@dataclass(frozen=True, slots=True)
class Disposition:
    """The verdict with its reasons and the policy that gave it.

    ``attention`` puts a study on the worklist whatever the verdict: something went wrong that people must know.
    ``certificate`` says how far the verdict may be trusted: "certified …" or "no certificate", with the reason.
    """

    verdict: Verdict
    reasons: tuple[Reason, ...]
    policy_version: str
    scope: str
    attention: bool = False
    certificate: str = ""

    @property
    def flagged(self) -> bool:
        """Whether the study goes on the worklist."""
        return self.attention or self.verdict.flagged


def decide(assessment: Assessment, policy: Policy) -> Disposition:
    """Give the image its verdict: the worst that any rule asks for, with every reason that applied.

    An image that no model judged, or that no scope covers, is NOT_ASSESSED unless a rule on a
    measurement or on plausibility flags it; it is ACCEPT only where the scope names the measurements that
    are enough. One whose gate is present is outside what the model can judge: only the rules on the gate count
    of its findings, and without one it is NOT_ASSESSED.

    A prediction that waits for a person never changes the verdict, which is about quality alone; it puts the study on
    the worklist with its own reasons.
    """
    quality = decide_quality(assessment, policy)
    waiting = tuple(
        Reason(
            one.reason.value,
            f"{prediction.package}: {one.text.removesuffix('.')} ({DECISION_SUPPORT})",
            OTHER_FAILURE,
            Verdict.ACCEPT,
        )
        for prediction in assessment.predictions
        for one in prediction.pending
    )
    if not waiting:
        return quality
    return replace(quality, reasons=(*quality.reasons, *waiting), attention=True)


def decide_quality(assessment: Assessment, policy: Policy) -> Disposition:
    """What the quality of the image alone gives it; see :func:`decide`."""
    if assessment.quarantined:
        return replace(_not_assessed(assessment.not_assessed, policy, ""), attention=True)
    scope = policy.scope_of(assessment.header)
    if scope is None:
        return _not_assessed("The policy has no scope for this kind of image.", policy, "")
    reasons = (
        *_finding_reasons(assessment, scope),
        *_measurement_reasons(assessment, scope),
        *_plausibility_reasons(assessment, scope),
        *_anomaly_reasons(assessment, scope),
    )
    if reasons:
        worst = max((r.verdict for r in reasons), key=lambda v: v.rank)
        return Disposition(worst, reasons, policy.version, scope.name)
    if assessment.not_assessed and not _is_measured(assessment, scope):
        return _not_assessed(assessment.not_assessed, policy, scope.name)
    gate = assessment.finding(FindingName.GATE)
    if gate is not None and gate.present:
        return _not_assessed("The image is not what the model was made for.", policy, scope.name)
    return Disposition(Verdict.ACCEPT, (), policy.version, scope.name)


def _is_measured(assessment: Assessment, scope: Scope) -> bool:
    return bool(scope.accept_measured) and all(assessment.measurement(name) for name in scope.accept_measured)


def _not_assessed(text: str, policy: Policy, scope: str) -> Disposition:
    reason = Reason("not_assessed", text, UNKNOWN_FAILURE, Verdict.NOT_ASSESSED)
    return Disposition(Verdict.NOT_ASSESSED, (reason,), policy.version, scope)


def _finding_reasons(assessment: Assessment, scope: Scope) -> tuple[Reason, ...]:
    gate = assessment.finding(FindingName.GATE)
    outside = gate is not None and gate.present
    reasons: dict[FindingName, Reason] = {}
    for rule in scope.findings:
        finding = assessment.finding(rule.finding)
        if finding is None or not finding.present:
            continue
        if outside and finding is not gate:
            continue
        if finding.probability < rule.min_probability or finding.severity < rule.min_severity:
            continue
        before = reasons.get(rule.finding)
        if before is not None and before.verdict.rank >= rule.verdict.rank:
            continue
        text = f"{_finding_words(finding)}: probability {finding.probability:.2f}, severity {finding.severity:.2f}"
        reasons[rule.finding] = Reason(rule.finding.value, text, finding.code, rule.verdict)
    return tuple(reasons.values())


def _measurement_reasons(assessment: Assessment, scope: Scope) -> tuple[Reason, ...]:
    reasons = []
    for rule in scope.measurements:
        measured = assessment.measurement(rule.measurement)
        if measured is None:
            continue
        above = rule.comparison is Comparison.ABOVE
        if (measured.value > rule.limit) if above else (measured.value < rule.limit):
            unit = "" if measured.unit == "1" else f" {measured.unit}"
            text = f"{_words(rule.measurement)} {measured.value:.4g}{unit} is {rule.comparison} {rule.limit:g}{unit}"
            reasons.append(Reason(rule.measurement, text, rule.code, rule.verdict))
    return tuple(reasons)


def _plausibility_reasons(assessment: Assessment, scope: Scope) -> tuple[Reason, ...]:
    verdicts = {rule.issue: rule.verdict for rule in scope.plausibility}
    return tuple(
        Reason(issue.name, issue.message, issue.code, verdicts[issue.name])
        for issue in assessment.plausibility
        if issue.name in verdicts
    )


def _anomaly_reasons(assessment: Assessment, scope: Scope) -> tuple[Reason, ...]:
    rule, anomaly = scope.anomaly, assessment.anomaly
    if rule is None or anomaly is None or anomaly.percentile < rule.min_percentile:
        return ()
    return (Reason("anomaly", anomaly.sentence, OTHER_FAILURE, rule.verdict),)


def _matches(allowed: tuple[str, ...], value: str) -> bool:
    return not allowed or value in allowed


def _finding_words(finding: Finding) -> str:
    if finding.name is FindingName.GATE:
        return next(
            (GATE_WORDS[g] for g, code in GATE_CODES.items() if code == finding.code), FINDING_WORDS[finding.name]
        )
    return FINDING_WORDS[finding.name]


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()
