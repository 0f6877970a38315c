"""The decision: the verdict of an image and its reasons, by the site's policy.

``decide`` is pure: the same assessment and policy always give the same disposition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from miqa_node.core.domain.acceptance import obstacle, untried
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.codes import OTHER_FAILURE, UNKNOWN_FAILURE
from miqa_node.core.domain.finding import Finding, FindingName, GateClass, humanised
from miqa_node.core.domain.finding_figure import FindingFigure, flagging_alone, looked_for, not_as_a_whole
from miqa_node.core.domain.kept_figure import experiment
from miqa_node.core.domain.measurand import is_withdrawn
from miqa_node.core.domain.policy import (
    ANOTHER_KIND,
    DERIVED,
    EXPERIMENTAL,
    LOOKED_FOR,
    PHANTOM,
    UNFIT,
    Disposition,
    FindingRule,
    LimitSide,
    Policy,
    Reason,
    Scope,
    Verdict,
)
from miqa_node.core.domain.reason_texts import counted_text, finding_text, measured_text, pending_text, unusual_text
from miqa_node.core.domain.site_limit import kind_of
from miqa_node.core.language.phrase import Phrase

MISSING_MEASURED = ("slice_gaps", "slices_unreadable")
MISSING_ISSUES = frozenset({"series_incomplete", "instance_numbers_missing"})
"""What a stack lacks, as measurements and as issues."""
OF_CHESTS = frozenset({"crushed_dark_share"})
"""Measurements whose limits need the anatomy: beside limbs there is air."""
NOT_ASSESSED = "not_assessed"
"""The name of the reason for an image that nothing judged."""


def decide(assessment: Assessment, policy: Policy) -> Disposition:
    """Decide the verdict of an image: the worst one of all rules that apply, with all their reasons.

    An image that no model judged, or that no scope covers, is NOT_ASSESSED unless a rule on a measurement or on
    plausibility flags it. It is ACCEPT only if the scope names measurements that suffice. An image with the gate
    present is outside the model's scope: of its findings only the gate and, unless its grey levels are inverted, those
    that need no anatomy count, and without any that flags it is NOT_ASSESSED. So is an image of another kind, whose
    assessment has no other findings: the worse an image, the less of a chest it shows. Findings of a body part, a view
    or an age of which no kept figure suffices are experimental: they flag nothing, but those with a sufficient figure
    of their own ask for REVIEW, and the image is never ACCEPT, unless the site says that the scope has figures of its
    own. Where the header names no body part, rules go by the one that the pixels show beyond doubt, if there is one.

    A phantom series, an image derived from the plain one of its exposure, and what is unfit for limits is NOT_ASSESSED
    and never on the worklist, whatever its measurements.

    A prediction that waits for a person never changes the verdict, which is about quality alone; it puts the study on
    the worklist with its own reasons.
    """
    if (apart := assessment.phantom or assessment.derived or assessment.unfit) and not assessment.quarantined:
        name = PHANTOM if assessment.phantom else DERIVED if assessment.derived else UNFIT
        reason = Reason(name, apart, OTHER_FAILURE, Verdict.NOT_ASSESSED)
        scope = policy.scope_of(assessment.known_header, assessment.kind)
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
    assessment = replace(assessment, header=assessment.known_header)
    scope = policy.scope_of(assessment.header, assessment.kind)
    if scope is None:
        unjudged = assessment.not_assessed or Phrase("The policy has no scope for this kind of image.")
        name = _name_of(unjudged, (assessment.experimental,))
        return _with_missing(_not_assessed(unjudged, policy, "", name), assessment)
    reasons = (
        *_finding_reasons(assessment, scope, policy),
        *_unnamed_reasons(assessment, scope),
        *_measurement_reasons(assessment, scope),
        *_unusual_reasons(assessment, scope),
        *_plausibility_reasons(assessment, scope),
        *_anomaly_reasons(assessment, scope),
    )
    worst = max((r.verdict for r in reasons), key=lambda v: v.rank, default=Verdict.ACCEPT)
    if worst.flagged:
        return Disposition(worst, reasons, policy.version, scope.name)
    if unjudged := _unjudged(assessment, scope):
        of_measured = untried(scope.acceptances, assessment.header)
        experiments = (experimental(assessment, scope), assessment.experimental, of_measured)
        name = ANOTHER_KIND if assessment.is_of_another_kind else _name_of(unjudged, experiments)
        plain = _with_looked_for(_not_assessed(unjudged, policy, scope.name, name), assessment, scope, policy)
        return _with_missing(replace(plain, reasons=(*plain.reasons, *reasons)), assessment)
    return Disposition(worst, reasons, policy.version, scope.name)


def decide_despite_age(assessment: Assessment, policy: Policy) -> Disposition:
    """The disposition by image quality alone, as if nobody knew the age where that alone kept it from a verdict."""
    quality = decide_quality(assessment, policy)
    if quality.verdict is not Verdict.NOT_ASSESSED or assessment.header.age_years is None:
        return quality
    return decide_quality(replace(assessment, header=replace(assessment.header, age_years=None)), policy)


def _unjudged(assessment: Assessment, scope: Scope) -> str:
    """Why an image without any reason cannot be accepted; empty if it can."""
    if assessment.is_of_another_kind:
        return assessment.not_assessed
    gate = assessment.finding(FindingName.GATE)
    outside = Phrase("The image is outside the model's scope.") if gate is not None and gate.present else ""
    was_read = bool(assessment.not_assessed and assessment.decoder and assessment.measurements)
    if scope.judges_by_measurements and was_read:
        return obstacle(scope.acceptances, assessment) or outside
    return assessment.not_assessed or experimental(assessment, scope) or outside


def experimental(assessment: Assessment, scope: Scope) -> str:
    """Why findings of the image flag nothing, but those with a figure of their own; empty if all count."""
    why = "" if scope.own_figures else experiment(scope.figures, assessment)
    return not_as_a_whole(assessment.header) if why and flagging_alone(scope.finding_figures, assessment) else why


def _with_looked_for(plain: Disposition, assessment: Assessment, scope: Scope, policy: Policy) -> Disposition:
    """The same with what was looked for, where findings may flag an image that is not judged as a whole."""
    if not plain.experimental or not experimental(assessment, scope):
        return plain
    rules = {rule.finding for rule in scope.findings}
    names = [name for name in flagging_alone(scope.finding_figures, assessment) if name in rules]
    if not names:
        return plain
    text = looked_for(names, policy.titles)
    reason = Reason(LOOKED_FOR, text, UNKNOWN_FAILURE, Verdict.NOT_ASSESSED)
    return replace(plain, reasons=(*plain.reasons, reason))


def _name_of(unjudged: str, experiments: tuple[str, ...]) -> str:
    """EXPERIMENTAL if the image was judged or measured, and that is why it does not count; else NOT_ASSESSED."""
    return EXPERIMENTAL if unjudged in experiments else NOT_ASSESSED


def _not_assessed(text: str, policy: Policy, scope: str, name: str = NOT_ASSESSED) -> Disposition:
    reason = Reason(name, text, UNKNOWN_FAILURE, Verdict.NOT_ASSESSED)
    return Disposition(Verdict.NOT_ASSESSED, (reason,), policy.version, scope)


def _with_missing(disposition: Disposition, assessment: Assessment) -> Disposition:
    """The same with what is missing from a stack: nobody need try a limit to say so, and it flags nothing."""
    measured = (one for name in MISSING_MEASURED if (one := assessment.measurement(name)) is not None and one.value > 0)
    named = {one.name for one in disposition.reasons}
    issues = (one for one in assessment.plausibility if one.name in MISSING_ISSUES - named)
    reasons = (
        *(Reason(one.name, counted_text(one), OTHER_FAILURE, Verdict.NOT_ASSESSED) for one in measured),
        *(Reason(one.name, one.message, one.code, Verdict.NOT_ASSESSED) for one in issues),
    )
    return replace(disposition, reasons=(*disposition.reasons, *reasons))


def _finding_reasons(assessment: Assessment, scope: Scope, policy: Policy) -> tuple[Reason, ...]:
    gate = assessment.finding(FindingName.GATE)
    outside = gate is not None and gate.present
    is_inverted = (
        assessment.gate_class == GateClass.INVERTED
    )  # what it shows of exposure is said of exchanged grey levels
    alone = flagging_alone(scope.finding_figures, assessment) if experimental(assessment, scope) else None
    reasons: dict[FindingName, Reason] = {}
    for rule in scope.findings:
        finding = assessment.finding(rule.finding)
        if finding is None or not rule.concerns(finding):
            continue
        if outside and finding is not gate and (is_inverted or not rule.any_part):
            continue
        reached = _reached(rule, finding, assessment, policy) if alone is None else _reached_alone(finding, alone)
        if reached is None:
            continue
        verdict = rule.verdict if alone is None else Verdict.REVIEW
        before = reasons.get(rule.finding)
        if before is not None and before.verdict.rank >= verdict.rank:
            continue
        named = assessment.gate_class if finding == gate and assessment.gate_class else finding.name
        title = policy.titles.get(named, humanised(named))
        reasons[rule.finding] = _finding_reason(finding, title, verdict, reached)
    return tuple(reasons.values())


def _reached(rule: FindingRule, finding: Finding, assessment: Assessment, policy: Policy) -> str | None:
    """The limit of the room that the finding is beyond, "" if it is beyond those of the rule; None if of none."""
    if not finding.present:
        return None
    limit = policy.site_limits.limit_of(rule.finding, kind_of(assessment)) if rule.soft else None
    if limit is not None and finding.strength < limit.least_strength:
        return None
    if (limit is None or rule.verdict is Verdict.REJECT) and not rule.reached(finding):
        return None
    return policy.site_limits.words(limit) if limit is not None else ""


def _reached_alone(finding: Finding, alone: Mapping[FindingName, FindingFigure]) -> str | None:
    """The same of a finding that may flag an image which is not judged as a whole, by its own point."""
    figure = alone.get(finding.name)
    return "" if figure is not None and figure.reached(finding) else None


def _unnamed_reasons(assessment: Assessment, scope: Scope) -> tuple[Reason, ...]:
    """REVIEW for a finding that no rule names, if the package or distribution that defines it requests that."""
    gate = assessment.finding(FindingName.GATE)
    if experimental(assessment, scope) or (gate is not None and gate.present):
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
        if measured is None or (assessment.is_of_another_kind and rule.measurement in OF_CHESTS):
            continue
        if is_withdrawn(rule.measurement):  # an old judgement has it, and the limit was for what it meant then
            continue
        above = rule.comparison is LimitSide.ABOVE
        if (measured.value > rule.limit) if above else (measured.value < rule.limit):
            text = measured_text(measured, rule.comparison, rule.limit)
            reasons.append(Reason(rule.measurement, text, rule.code, rule.verdict, rule.finding))
    return tuple(reasons)


def _unusual_reasons(assessment: Assessment, scope: Scope) -> tuple[Reason, ...]:
    """REVIEW for what lies beyond the confirmed range of the machine."""
    if not assessment.usual_ranges or assessment.is_of_another_kind or experimental(assessment, scope):
        return ()
    reasons = []
    for rule in scope.usual:
        measured = assessment.measurement(rule.measurement)
        usual = assessment.usual_range(measured.name, measured.unit) if measured is not None else None
        if measured is None or usual is None:
            continue
        above = rule.comparison is LimitSide.ABOVE
        if (measured.value > usual.high) if above else (measured.value < usual.low):
            text = unusual_text(measured, usual, rule.comparison)
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
    if rule is None or anomaly is None or anomaly.percentile < rule.min_percentile or experimental(assessment, scope):
        return ()
    return (Reason("anomaly", anomaly.sentence, OTHER_FAILURE, rule.verdict),)
