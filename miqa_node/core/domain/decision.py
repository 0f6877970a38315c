"""The decision: the verdict of an image and its reasons, by the rules of the site's policy.

``decide`` is pure: the same assessment and policy always give the same disposition.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from miqa_node.core.domain.acceptance import labels
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.codes import OTHER_FAILURE, UNKNOWN_FAILURE
from miqa_node.core.domain.deciding import in_order
from miqa_node.core.domain.evaluation import USUAL, Evaluated, Evaluation
from miqa_node.core.domain.explanation import explained
from miqa_node.core.domain.finding import Finding, FindingName, humanised
from miqa_node.core.domain.kept_figure import looked_for
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.reason_texts import (
    counted_text,
    finding_text,
    measured_text,
    nearly_text,
    pending_text,
    unusual_text,
)
from miqa_node.core.domain.rule import ANOMALY, AppliedRule, Outcome, Rule, Subject
from miqa_node.core.domain.verdict import (
    ANOTHER_KIND,
    DERIVED,
    EXPERIMENTAL,
    HELD,
    LOOKED_FOR,
    PHANTOM,
    UNFIT,
    Disposition,
    Reason,
    Verdict,
)
from miqa_node.core.language.phrase import Phrase, joined

MISSING_MEASURED = ("slice_gaps", "slices_unreadable")
MISSING_ISSUES = frozenset({"series_incomplete", "instance_numbers_missing"})
"""What a stack lacks, as measurements and as issues."""
NOT_ASSESSED = "not_assessed"
"""The name of the reason for an image that nothing judged."""


def decide(assessment: Assessment, policy: Policy) -> Disposition:
    """Decide the verdict of an image, the worst one that a rule asks for, with the reasons of all and their table.

    Of the rules about the same what and then the most specific applies
    (:func:`~miqa_node.core.domain.policy.most_specific`). A rule flags when what it is about lies beyond its limit, and
    its evidence suffices for the image; else it is a hint. An image is ACCEPT when no rule flags and one for ACCEPT
    applies, whose evidence suffices; else it is NOT_ASSESSED, with the reason.

    An image with the gate present is outside the model's scope: of its findings only the gate and, unless its grey
    levels are inverted, those that need no anatomy count, and without any that flags it is NOT_ASSESSED. So is an image
    of another kind, whose assessment has no other findings: the worse an image, the less of a chest it shows. Where the
    header names no body part, rules go by the one that the pixels show beyond doubt, if there is one.

    A phantom series, an image derived from the plain one of its exposure, and what is unfit for limits is NOT_ASSESSED
    and never on the worklist, whatever its measurements.

    A prediction that waits for a person never changes the verdict, which is about quality alone; it puts the study on
    the worklist with its own reasons.
    """
    if (apart := assessment.phantom or assessment.derived or assessment.unfit) and not assessment.quarantined:
        name = PHANTOM if assessment.phantom else DERIVED if assessment.derived else UNFIT
        reason = Reason(name, apart, OTHER_FAILURE, Verdict.NOT_ASSESSED)
        place = policy.place_of(assessment.known_header, assessment.kind)
        return Disposition(Verdict.NOT_ASSESSED, (reason,), policy.version, place.name if place else "")
    quality = decide_quality(assessment, policy)
    waiting = tuple(
        Reason(one.reason.value, pending_text(prediction.package, one.text), OTHER_FAILURE, Verdict.ACCEPT)
        for prediction in assessment.predictions
        for one in prediction.pending
    )
    if not waiting:
        return quality
    return replace(quality, reasons=(*quality.reasons, *waiting), attention=True)


def decide_quality(assessment: Assessment, policy: Policy, *, despite_age: bool = False) -> Disposition:
    """The disposition by image quality alone; see :func:`decide`.

    ``despite_age``: as if nobody knew the age, where that alone kept the image from a verdict.
    """
    if assessment.quarantined:
        return replace(_not_assessed(assessment.not_assessed, policy, ""), attention=True)
    quality = _disposition(replace(assessment, header=assessment.known_header), policy)
    header = assessment.header
    if despite_age and quality.verdict is Verdict.NOT_ASSESSED and header.age_years is not None:
        return decide_quality(replace(assessment, header=replace(header, age_years=None)), policy)
    return quality


def shown_findings(assessment: Assessment, policy: Policy) -> tuple[Finding, ...]:
    """The findings of an image as maps and reports show them: what the limit of its room flags is present."""
    if not policy.site_limits.limits:
        return assessment.findings
    return Evaluation(replace(assessment, header=assessment.known_header), policy).shown()


def why_experimental(assessment: Assessment, policy: Policy) -> str:
    """Why findings of the image flag nothing, but those with a figure of their own; empty if all count."""
    return Evaluation(replace(assessment, header=assessment.known_header), policy).experimental


def _disposition(assessment: Assessment, policy: Policy) -> Disposition:
    evaluation = Evaluation(assessment, policy)
    if not evaluation.covering:
        unjudged = assessment.not_assessed or Phrase("The policy has no scope for this kind of image.")
        name = EXPERIMENTAL if unjudged == assessment.experimental else NOT_ASSESSED
        return _with_missing(_not_assessed(unjudged, policy, "", name), assessment)
    evaluated = list(evaluation.rows())
    reasons = tuple(in_order(_reasons(evaluated, assessment, policy), [row for _, row in evaluated]))
    worst = max((r.verdict for r in reasons), key=lambda v: v.rank, default=Verdict.ACCEPT)
    held = _held(evaluated, evaluation, policy)
    unjudged = "" if worst.flagged else evaluation.obstacle or held
    accepting = evaluation.accepting_rows(accepts=worst is Verdict.ACCEPT and not unjudged)
    rows = (*(row for _, row in evaluated), *accepting)
    if not unjudged:
        return Disposition(worst, reasons, policy.version, evaluation.place, rules=rows)
    name = EXPERIMENTAL if unjudged in evaluation.experiments else NOT_ASSESSED
    name = ANOTHER_KIND if assessment.is_of_another_kind else HELD if unjudged is held else name
    plain = _not_assessed(unjudged, policy, evaluation.place, name)
    if plain.experimental and evaluation.alone:
        text = looked_for(evaluation.alone, policy.titles)
        searched = Reason(LOOKED_FOR, text, UNKNOWN_FAILURE, Verdict.NOT_ASSESSED)
        plain = replace(plain, reasons=(*plain.reasons, searched))
    return _with_missing(replace(plain, reasons=(*plain.reasons, *reasons), rules=rows), assessment)


def _held(evaluated: Iterable[Evaluated], evaluation: Evaluation, policy: Policy) -> str:
    """What is held while the room learns; empty if nothing is."""
    names = dict.fromkeys(row.what for _, row in evaluated if row.outcome is Outcome.HELD)
    if not names or evaluation.look is None:
        return ""
    titles = joined(", ", [_known(name, policy) for name in names])
    return Phrase("{findings}: {held}.", findings=titles, held=evaluation.look.held)


def _reasons(evaluated: Sequence[Evaluated], assessment: Assessment, policy: Policy) -> Iterator[Reason]:
    """Yield what the rules that flag say, of each finding the worst alone; what another fault explains comes last."""
    worst: dict[str, Reason] = {}
    others: list[Reason] = []
    for rule, row in evaluated:
        for reason in _reasons_of(rule, row, assessment, policy) if row.outcome is Outcome.FLAGS else ():
            if row.subject is not Subject.FINDING:
                others.append(reason)
            elif row.what not in worst or worst[row.what].verdict.rank < reason.verdict.rank:
                worst[row.what] = reason
    yield from worst.values()
    yield from _told_by_cause(others, evaluated, assessment)


def _told_by_cause(
    reasons: Sequence[Reason], evaluated: Sequence[Evaluated], assessment: Assessment
) -> Iterator[Reason]:
    """Yield what explains itself, causes that nearly flag included; then what these raise, as also seen."""
    cause_of = explained(row for _, row in evaluated)
    names = {one.name for one in reasons}
    for cause in dict.fromkeys(cause_of.values()):
        if cause not in names and (measured := assessment.measurement(cause)) is not None:
            rule, row = next(one for one in evaluated if one[1].what == cause)
            verdicts = [one.verdict for one in reasons if cause_of.get(one.name) == cause]
            worst = max(verdicts, key=lambda verdict: verdict.rank)
            yield Reason(cause, nearly_text(measured, row.limits[0]), rule.code, worst, rule.supports)
    yield from (one for one in reasons if one.name not in cause_of)
    for one in reasons:
        if one.name in cause_of:
            cause = labels((cause_of[one.name],))
            text = Phrase("Also seen (explained by {cause}): {text}", cause=cause, text=one.text)
            yield replace(one, text=text)


def _reasons_of(rule: Rule, row: AppliedRule, assessment: Assessment, policy: Policy) -> Iterator[Reason]:
    """Yield the reason that a row gives, with its numbers; of a contradiction that the image has twice, two."""
    verdict = Verdict(row.then.value)
    if row.subject is Subject.CONTRADICTION:
        issues = (one for one in assessment.plausibility if one.name == row.what)
        yield from (Reason(one.name, one.message, one.code, verdict) for one in issues)
    elif row.subject is Subject.FINDING:
        if (finding := assessment.finding(FindingName(row.what))) is not None:
            text = _finding_text(finding, _title(finding, assessment, policy), row.why)
            yield Reason(finding.name, text, finding.code, verdict)
    elif row.what == ANOMALY:
        if assessment.anomaly is not None:
            yield Reason(ANOMALY, assessment.anomaly.sentence, OTHER_FAILURE, verdict)
    elif (measured := assessment.measurement(row.what)) is not None:
        usual = assessment.usual_range(measured.name, measured.unit) if row.side.startswith(USUAL) else None
        of_number = measured_text(measured, rule.side.direction, row.limits[0], row.values)
        text = of_number if usual is None else unusual_text(measured, usual, rule.side)
        yield Reason(row.what, text, rule.code, verdict, rule.supports)


def _known(name: str, policy: Policy) -> str:
    """A finding or measurement in words."""
    if name == ANOMALY:
        return Phrase("Unusual image")
    return policy.titles.get(name) or labels((name,))


def _title(finding: Finding, assessment: Assessment, policy: Policy) -> str:
    is_gate = finding.name == FindingName.GATE
    named = assessment.gate_class if is_gate and assessment.gate_class else finding.name
    return policy.titles.get(named, humanised(named))


def _not_assessed(text: str, policy: Policy, place: str, name: str = NOT_ASSESSED) -> Disposition:
    reason = Reason(name, text, UNKNOWN_FAILURE, Verdict.NOT_ASSESSED)
    return Disposition(Verdict.NOT_ASSESSED, (reason,), policy.version, place)


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


def _finding_text(finding: Finding, title: str, limit: str = "") -> Phrase:
    words = finding.description.words.get("en") if finding.description is not None else None
    return finding_text(words.title if words is not None else title, finding.probability, finding.severity, limit)
