"""The site's rules: which findings and measurements make an image ACCEPT, REVIEW or REJECT.

``decide`` is pure: the same assessment and policy always give the same disposition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from miqa_node.core.domain.acceptance import Acceptance, obstacle
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.codes import OTHER_FAILURE, UNKNOWN_FAILURE, Code
from miqa_node.core.domain.finding import Finding, FindingName, humanised
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.object_place import ChestRegion
from miqa_node.core.domain.prediction import PackageRule
from miqa_node.core.domain.reason_texts import finding_text, measured_text, pending_text
from miqa_node.core.domain.site_limit import SiteLimits
from miqa_node.core.language.phrase import Phrase


class Verdict(StrEnum):
    """The node's verdict on an image. NOT_ASSESSED is never ACCEPT."""

    ACCEPT = "ACCEPT"
    REVIEW = "REVIEW"
    REJECT = "REJECT"
    NOT_ASSESSED = "NOT_ASSESSED"

    @property
    def flagged(self) -> bool:
        """Whether the verdict alone puts the study on the worklist."""
        return self in (Verdict.REVIEW, Verdict.REJECT)

    @property
    def words(self) -> str:
        """The name on pages and in reports; settings, REST and the command line use the value."""
        return VERDICT_WORDS[self]

    @property
    def rank(self) -> int:
        """Rank by severity; the verdict of a study is that of its worst image."""
        return (Verdict.ACCEPT, Verdict.NOT_ASSESSED, Verdict.REVIEW, Verdict.REJECT).index(self)


VERDICT_WORDS = {
    Verdict.ACCEPT: "Accepted",
    Verdict.REVIEW: "Review",
    Verdict.REJECT: "Rejected",
    Verdict.NOT_ASSESSED: "Not assessed",
}


class LimitSide(StrEnum):
    """How a rule compares a measurement with its limit."""

    ABOVE = "above"
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class FindingRule:
    """REVIEW or REJECT when the finding is present and reaches both limits.

    ``soft``: slight degrees are ordinary, so a site's confirmed limit for a room replaces these limits. ``over``: an
    object must lie there, if that is known; empty: anywhere.
    """

    finding: FindingName
    verdict: Verdict
    min_probability: float = 0.0
    min_severity: float = 0.0
    soft: bool = False
    over: tuple[ChestRegion, ...] = ()

    def concerns(self, finding: Finding) -> bool:
        """Whether the finding lies where the rule looks."""
        return not self.over or finding.place is None or bool(set(self.over) & set(finding.place.over))

    def reached(self, finding: Finding) -> bool:
        """Whether a finding reaches both limits."""
        return finding.probability >= self.min_probability and finding.severity >= self.min_severity


@dataclass(frozen=True, slots=True)
class MeasurementRule:
    """REVIEW or REJECT when the measurement is above or below its limit.

    ``finding`` is the finding that it supports; empty if its reason is only a code.
    """

    measurement: str
    comparison: LimitSide
    limit: float
    verdict: Verdict
    code: Code
    finding: str = ""


@dataclass(frozen=True, slots=True)
class PlausibilityRule:
    """REVIEW or REJECT if header and pixels have the named contradiction."""

    issue: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class AnomalyRule:
    """REVIEW when the image is more unusual than ``min_percentile`` percent of the baseline's images.

    REVIEW is the only possible verdict, because disease also makes images unusual.
    """

    min_percentile: float
    verdict: Verdict = Verdict.REVIEW


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
    ignored_findings: tuple[FindingName, ...] = ()
    """Findings that never flag in this scope, even if their package or the default rules would flag them."""
    accept_measured: tuple[str, ...] = ()
    """Measurements that suffice for ACCEPT without a model if no rule flags, of any body part. Empty: never ACCEPT."""
    acceptances: tuple[Acceptance, ...] = ()
    """The same by body part; the first that covers an image applies."""
    own_figures: bool = False
    """The site has figures of its own for these images: here experimental findings count like any others."""

    @property
    def judges_by_measurements(self) -> bool:
        """Whether no rule needs a model, so that only limits that were tried can accept anything."""
        return bool(self.acceptances) or (bool(self.measurements) and not self.findings)

    def covers(self, header: Header) -> bool:
        """Whether the image belongs to this scope."""
        part, view = header.body_part_examined, header.view_position
        named = ((self.modality, header.modality), (self.body_part, part), (self.view, view))
        return all(not allowed or name in allowed for allowed, name in named)


@dataclass(frozen=True, slots=True)
class Policy:
    """All scopes of a site; the first that covers an image applies to it."""

    version: str
    scopes: tuple[Scope, ...]
    titles: Mapping[str, str] = field(default_factory=dict)
    """The English titles of findings and gate classes that reasons use."""
    site_limits: SiteLimits = field(default_factory=SiteLimits)
    """The site's confirmed limits for rooms, which replace the limits of soft rules."""

    def with_limits(self, limits: SiteLimits) -> Policy:
        """The policy with the limits of the site; its version includes them, because reports contain the version."""
        return replace(self, version=f"{self.version}+limits.{limits.number}", site_limits=limits)

    def scope_of(self, header: Header) -> Scope | None:
        """The scope that applies to an image."""
        return next((scope for scope in self.scopes if scope.covers(header)), None)


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for a verdict: a sentence for people and a code for machines.

    ``finding`` is the finding that a measurement supports; empty if ``name`` is sufficient.
    """

    name: str
    text: str
    code: Code
    verdict: Verdict
    finding: str = ""


DERIVED = "derived_image"
"""The name of the reason for an image derived from another one of the same exposure."""
UNFIT = "unfit"
"""The name of the reason for what no limit can apply to, such as a single slice or a capture."""
ANOTHER_KIND = "another_kind"
"""The name of the reason for an image whose pixels are not what the model judges."""
PHANTOM = "phantom"
"""The name of the reason for a series of a test object, which is on a separate list."""

SPOT_CHECK = Reason(
    "audit", Phrase("Accepted, and drawn at random: say whether it is a good image."), UNKNOWN_FAILURE, Verdict.ACCEPT
)
"""The reason for an accepted image on the worklist, if there is no other."""
SILENT = "silent"
"""Name of the reason for a verdict that is only recorded."""


@dataclass(frozen=True, slots=True)
class Disposition:
    """The verdict with its reasons and the policy that gave it.

    ``attention`` puts a study on the worklist regardless of the verdict, because something went wrong.
    ``certificate`` states how far the verdict can be trusted: "certified …" or "no certificate", with the reason.
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
        return self.attention or (self.verdict.flagged and not self.silent)

    @property
    def silent(self) -> bool:
        """Whether the verdict is only recorded, without worklist entry and without results."""
        return any(reason.name == SILENT for reason in self.reasons)

    def silenced(self, text: str) -> Disposition:
        """The same disposition, only recorded; ``text`` is the reason."""
        return replace(self, reasons=(*self.reasons, Reason(SILENT, text, UNKNOWN_FAILURE, Verdict.ACCEPT)))

    def flags(self, finding: FindingName) -> bool:
        """Whether a finding is a reason for flagging the image."""
        return any(reason.verdict.flagged and finding in (reason.name, reason.finding) for reason in self.reasons)


def decide(assessment: Assessment, policy: Policy) -> Disposition:
    """Decide the verdict of an image: the worst one of all rules that apply, with all their reasons.

    An image that no model judged, or that no scope covers, is NOT_ASSESSED unless a rule on a measurement or on
    plausibility flags it. It is ACCEPT only if the scope names measurements that suffice. An image with the gate
    present is outside the model's scope: of its findings only rules on the gate apply, and without such a rule it is
    NOT_ASSESSED. An image of another kind is NOT_ASSESSED with that reason alone. Experimental findings flag nothing,
    unless the site says that the scope has figures of its own.

    A phantom series, an image derived from the plain one of its exposure, and what is unfit for limits is NOT_ASSESSED
    and never on the worklist, whatever its measurements.

    A prediction that waits for a person never changes the verdict, which is about quality alone; it puts the study on
    the worklist with its own reasons.
    """
    if (apart := assessment.phantom or assessment.derived or assessment.unfit) and not assessment.quarantined:
        name = PHANTOM if assessment.phantom else DERIVED if assessment.derived else UNFIT
        reason = Reason(name, apart, OTHER_FAILURE, Verdict.NOT_ASSESSED)
        scope = policy.scope_of(assessment.header)
        return Disposition(Verdict.NOT_ASSESSED, (reason,), policy.version, scope.name if scope else "")
    quality = decide_quality(assessment, policy)
    waiting = tuple(
        Reason(one.reason.value, pending_text(prediction.package, one.text), OTHER_FAILURE, Verdict.ACCEPT)
        for prediction in assessment.predictions
        for one in prediction.pending
    )
    if not waiting:
        return quality
    return replace(quality, reasons=(*quality.reasons, *waiting), attention=True)


def decide_quality(assessment: Assessment, policy: Policy) -> Disposition:
    """The disposition by image quality alone; see :func:`decide`."""
    if assessment.quarantined:
        return replace(_not_assessed(assessment.not_assessed, policy, ""), attention=True)
    scope = policy.scope_of(assessment.header)
    if scope is None:
        no_scope = Phrase("The policy has no scope for this kind of image.")
        return _not_assessed(assessment.not_assessed or no_scope, policy, "")
    if assessment.is_of_another_kind:
        return _of_another_kind(assessment, scope, policy)
    reasons = (
        *_finding_reasons(assessment, scope, policy),
        *_unnamed_reasons(assessment, scope),
        *_measurement_reasons(assessment, scope),
        *_plausibility_reasons(assessment, scope),
        *_anomaly_reasons(assessment, scope),
    )
    if reasons:
        worst = max((r.verdict for r in reasons), key=lambda v: v.rank)
        return Disposition(worst, reasons, policy.version, scope.name)
    if unjudged := _unjudged(assessment, scope):
        return _not_assessed(unjudged, policy, scope.name)
    return Disposition(Verdict.ACCEPT, (), policy.version, scope.name)


def _unjudged(assessment: Assessment, scope: Scope) -> str:
    """Why an image without any reason cannot be accepted; empty if it can."""
    measured = bool(scope.accept_measured) and all(assessment.measurement(name) for name in scope.accept_measured)
    gate = assessment.finding(FindingName.GATE)
    outside = Phrase("The image is outside the model's scope.") if gate is not None and gate.present else ""
    was_read = bool(assessment.not_assessed and assessment.decoder and assessment.measurements)
    if not measured and scope.judges_by_measurements and was_read:
        return obstacle(scope.acceptances, assessment) or outside
    return outside if measured else assessment.not_assessed or _experimental(assessment, scope) or outside


def _experimental(assessment: Assessment, scope: Scope) -> str:
    """Why findings of the image flag nothing; empty if they count."""
    return "" if scope.own_figures else assessment.experimental


def _not_assessed(text: str, policy: Policy, scope: str, name: str = "not_assessed") -> Disposition:
    reason = Reason(name, text, UNKNOWN_FAILURE, Verdict.NOT_ASSESSED)
    return Disposition(Verdict.NOT_ASSESSED, (reason,), policy.version, scope)


def _of_another_kind(assessment: Assessment, scope: Scope, policy: Policy) -> Disposition:
    """NOT_ASSESSED; on the worklist if a rule on the gate asks for a look and the header names another body part."""
    probability = max(assessment.gate.values(), default=0.0)
    limits = [rule.min_probability for rule in scope.findings if rule.finding == FindingName.GATE]
    contradicts = bool(assessment.header.body_part_examined and limits) and probability >= min(limits)
    return replace(_not_assessed(assessment.not_assessed, policy, scope.name, ANOTHER_KIND), attention=contradicts)


def _finding_reasons(assessment: Assessment, scope: Scope, policy: Policy) -> tuple[Reason, ...]:
    gate = assessment.finding(FindingName.GATE)
    outside = gate is not None and gate.present
    reasons: dict[FindingName, Reason] = {}
    for rule in () if _experimental(assessment, scope) else scope.findings:
        finding = assessment.finding(rule.finding)
        if finding is None or not finding.present or not rule.concerns(finding):
            continue
        if outside and finding is not gate:
            continue
        limit = policy.site_limits.limit_of(rule.finding, assessment.header) if rule.soft else None
        if limit is not None and finding.strength < limit.least_strength:
            continue
        if (limit is None or rule.verdict is Verdict.REJECT) and not rule.reached(finding):
            continue
        before = reasons.get(rule.finding)
        if before is not None and before.verdict.rank >= rule.verdict.rank:
            continue
        named = assessment.gate_class if finding == gate and assessment.gate_class else finding.name
        title = policy.titles.get(named, humanised(named))
        beyond = policy.site_limits.words(limit) if limit is not None else ""
        reasons[rule.finding] = _finding_reason(finding, title, rule.verdict, beyond)
    return tuple(reasons.values())


def _unnamed_reasons(assessment: Assessment, scope: Scope) -> tuple[Reason, ...]:
    """REVIEW for a finding that no rule names, if the package or distribution that defines it requests that."""
    gate = assessment.finding(FindingName.GATE)
    if _experimental(assessment, scope) or (gate is not None and gate.present):
        return ()
    named = {*scope.ignored_findings, *(rule.finding for rule in scope.findings)}
    return tuple(
        _finding_reason(finding, "", Verdict.REVIEW)
        for finding in assessment.findings
        if finding.present
        and finding.name not in named
        and finding.description is not None
        and finding.description.flags
    )


def _finding_reason(finding: Finding, title: str, verdict: Verdict, limit: str = "") -> Reason:
    words = finding.description.words.get("en") if finding.description is not None else None
    called = words.title if words is not None else title or humanised(finding.name)
    text = finding_text(called, finding.probability, finding.severity, limit)
    return Reason(finding.name, text, finding.code, verdict)


def _measurement_reasons(assessment: Assessment, scope: Scope) -> tuple[Reason, ...]:
    reasons = []
    for rule in scope.measurements:
        measured = assessment.measurement(rule.measurement)
        if measured is None:
            continue
        above = rule.comparison is LimitSide.ABOVE
        if (measured.value > rule.limit) if above else (measured.value < rule.limit):
            text = measured_text(measured, rule.comparison, rule.limit)
            reasons.append(Reason(rule.measurement, text, rule.code, rule.verdict, rule.finding))
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
