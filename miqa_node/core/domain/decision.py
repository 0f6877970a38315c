"""The decision: the verdict of an image and its reasons, by the rules of the site's policy.

``decide`` is pure: the same assessment and policy always give the same disposition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from miqa_node.core.domain.acceptance import obstacle, untried
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.codes import OTHER_FAILURE, UNKNOWN_FAILURE
from miqa_node.core.domain.finding import Finding, FindingName, GateClass, humanised
from miqa_node.core.domain.kept_figure import experiment, looked_for, not_as_a_whole
from miqa_node.core.domain.measurand import is_withdrawn
from miqa_node.core.domain.policy import Policy, most_specific
from miqa_node.core.domain.reason_texts import counted_text, finding_text, measured_text, pending_text, unusual_text
from miqa_node.core.domain.rule import (
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
from miqa_node.core.domain.site_limit import kind_of
from miqa_node.core.domain.verdict import (
    ANOTHER_KIND,
    DERIVED,
    EXPERIMENTAL,
    LOOKED_FOR,
    PHANTOM,
    UNFIT,
    Disposition,
    Reason,
    Verdict,
)
from miqa_node.core.language.phrase import Phrase

MISSING_MEASURED = ("slice_gaps", "slices_unreadable")
MISSING_ISSUES = frozenset({"series_incomplete", "instance_numbers_missing"})
"""What a stack lacks, as measurements and as issues."""
OF_CHESTS = frozenset({"crushed_dark_share"})
"""Measurements whose limits need the anatomy: beside limbs there is air."""
NOT_ASSESSED = "not_assessed"
"""The name of the reason for an image that nothing judged."""


def decide(assessment: Assessment, policy: Policy) -> Disposition:
    """Decide the verdict of an image: the worst one that a rule asks for, with the reasons of all, and the table of rules.

    Of the rules about the same what and then the most specific applies (:meth:`Policy.rules_for`). A rule flags when what
    it is about lies beyond its limit, and its evidence suffices for the image; else it is a hint. An image is ACCEPT when
    no rule flags and one for ACCEPT applies, whose evidence suffices; else it is NOT_ASSESSED, with the reason.

    An image with the gate present is outside the model's scope: of its findings only the gate and, unless its grey levels
    are inverted, those that need no anatomy count, and without any that flags it is NOT_ASSESSED. So is an image of
    another kind, whose assessment has no other findings: the worse an image, the less of a chest it shows. Where the
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
    evaluation = Evaluation(replace(assessment, header=assessment.known_header), policy)
    quality = evaluation.disposition()
    header = assessment.header
    if despite_age and quality.verdict is Verdict.NOT_ASSESSED and header.age_years is not None:
        return decide_quality(replace(assessment, header=replace(header, age_years=None)), policy)
    return quality


def why_experimental(assessment: Assessment, policy: Policy) -> str:
    """Why findings of the image flag nothing, but those with a figure of their own; empty if all count."""
    return Evaluation(replace(assessment, header=assessment.known_header), policy).experimental


class Evaluation:
    """The rules that cover one image, and what those that apply come to; ``assessment`` has its known header."""

    def __init__(self, assessment: Assessment, policy: Policy) -> None:
        header, kind = assessment.header, assessment.kind
        place = policy.place_of(header, kind)
        self._assessment, self._policy, self._place = assessment, policy, place.name if place is not None else ""
        self._covering = policy.covering(header, kind)
        accepting = most_specific([one for one in self._covering if one.then is Then.ACCEPT])
        self._by_model = next((one for one in accepting if one.acceptance is None), None)
        self._tables = policy.tables_for(header, kind)
        self._unproven = experiment((), assessment) if self._by_model is None else self._lack(self._by_model)
        self._rules = most_specific([one for one in self._covering if self._may_apply(one)])

    def _may_apply(self, rule: Rule) -> bool:
        if not rule.flags_alone:
            return rule.then is not Then.ACCEPT
        known = any(one.flags_alone(self._assessment) for one in rule.figures)
        return known and bool(self._unproven) and self._assessment.finding(FindingName(rule.what)) is not None

    def _lack(self, rule: Rule) -> str:
        """Why the evidence of a rule does not suffice for the image; empty if it does."""
        if SITE in rule.evidence or rule.flags_alone:
            return ""
        return experiment(rule.figures, self._assessment)

    @property
    def experimental(self) -> str:
        """Why findings flag nothing, but those with a figure of their own; empty if all count."""
        is_known = self._unproven and any(one.flags_alone for one in self._rules)
        return not_as_a_whole(self._assessment.header) if is_known else self._unproven

    def disposition(self) -> Disposition:
        """The verdict with its reasons, and the table of the rules."""
        assessment = self._assessment
        if not self._covering:
            unjudged = assessment.not_assessed or Phrase("The policy has no scope for this kind of image.")
            name = EXPERIMENTAL if unjudged == assessment.experimental else NOT_ASSESSED
            return _with_missing(_not_assessed(unjudged, self._policy, "", name), assessment)
        evaluated = list(self._evaluated())
        reasons, rows = (*_reasons(evaluated),), tuple(row for row, _ in evaluated)
        worst = max((r.verdict for r in reasons), key=lambda v: v.rank, default=Verdict.ACCEPT)
        unjudged = self._unjudged()
        rows = (*rows, *self._accepting_row(unjudged, worst))
        if worst.flagged or not unjudged:
            return Disposition(worst, reasons, self._policy.version, self._place, rules=rows)
        of_measured = untried(self._tables, assessment.header)
        is_experiment = unjudged in (self.experimental, assessment.experimental, of_measured)
        name = EXPERIMENTAL if is_experiment else NOT_ASSESSED
        name = ANOTHER_KIND if assessment.is_of_another_kind else name
        plain = self._with_looked_for(_not_assessed(unjudged, self._policy, self._place, name))
        return _with_missing(replace(plain, reasons=(*plain.reasons, *reasons), rules=rows), assessment)

    def _unjudged(self) -> str:
        """Why an image without any reason cannot be accepted; empty if it can."""
        assessment = self._assessment
        if assessment.is_of_another_kind:
            return assessment.not_assessed
        outside = Phrase("The image is outside the model's scope.") if self._is_outside else ""
        was_read = bool(assessment.not_assessed and assessment.decoder and assessment.measurements)
        about = {one.subject for one in self._covering if one.then not in (Then.ACCEPT, Then.HINT)}
        if was_read and (self._tables or (Subject.MEASUREMENT in about and Subject.FINDING not in about)):
            return obstacle(self._tables, assessment) or outside
        unjudged = assessment.not_assessed or self.experimental or outside
        return unjudged or ("" if self._by_model is not None else Phrase("No rule of the policy accepts such images."))

    def _accepting_row(self, unjudged: str, worst: Verdict) -> Iterator[AppliedRule]:
        accepts = not unjudged and worst is Verdict.ACCEPT
        outcome = Outcome.ACCEPTS if accepts else Outcome.HINT if unjudged else Outcome.WITHIN
        for rule in most_specific([one for one in self._covering if one.then is Then.ACCEPT]):
            yield AppliedRule(
                rule.subject, rule.what, rule.then, rule.where.name, outcome, evidence=rule.evidence, why=unjudged
            )

    def _with_looked_for(self, plain: Disposition) -> Disposition:
        """The same with what was looked for, where findings may flag an image that is not judged as a whole."""
        names = [FindingName(rule.what) for rule in self._rules if rule.flags_alone]
        if not names or not plain.experimental:
            return plain
        text = looked_for(names, self._policy.titles)
        return replace(plain, reasons=(*plain.reasons, Reason(LOOKED_FOR, text, UNKNOWN_FAILURE, Verdict.NOT_ASSESSED)))

    @property
    def _is_outside(self) -> bool:
        gate = self._assessment.finding(FindingName.GATE)
        return gate is not None and gate.present

    def _evaluated(self) -> Iterator[Evaluated]:
        """Each rule that has something to look at, in the order of reasons."""
        of = {one: [rule for rule in self._rules if rule.subject is one] for one in Subject}
        for rule in of[Subject.FINDING]:
            yield from self._of_finding(rule)
        yield from self._of_packages()
        measured = [rule for rule in of[Subject.MEASUREMENT] if rule.what != ANOMALY]
        for rule in sorted(measured, key=lambda one: one.is_usual):
            yield from self._of_usual(rule) if rule.is_usual else self._of_measurement(rule)
        yield from self._of_contradictions(of[Subject.CONTRADICTION])
        for rule in of[Subject.MEASUREMENT]:
            yield from self._of_anomaly(rule) if rule.what == ANOMALY else ()

    def _of_finding(self, rule: Rule) -> Iterator[Evaluated]:
        assessment, name = self._assessment, FindingName(rule.what)
        finding = assessment.finding(name)
        if finding is None or (rule.over and finding.place is not None and {*rule.over}.isdisjoint(finding.place.over)):
            return
        # What an inverted image shows of exposure is said of exchanged grey levels.
        is_inverted = assessment.gate_class == GateClass.INVERTED
        if self._is_outside and name != FindingName.GATE and (is_inverted or not rule.any_part):
            return
        room = self._policy.site_limits.limit_of(name, kind_of(assessment)) if rule.soft else None
        least = rule.min_probability if rule.flags_alone else max(rule.min_probability, finding.threshold)
        values: tuple[float, ...] = (finding.probability, finding.severity)
        limits: tuple[float, ...] = (least, rule.min_severity)
        side = words = ""
        is_beyond = all(value >= limit for value, limit in zip(values, limits, strict=True))
        if room is not None:
            words = self._policy.site_limits.words(room)
            is_strong = finding.present and finding.strength >= room.least_strength
            is_beyond = is_strong and (rule.then is not Then.REJECT or is_beyond)
            if rule.then is not Then.REJECT:
                values, limits, side = (finding.strength,), (room.least_strength,), "room"
        named = assessment.gate_class if name == FindingName.GATE and assessment.gate_class else name
        title = self._policy.titles.get(named, humanised(named))
        text = _finding_text(finding, title, words)
        yield self._row(rule, is_beyond, Reason(name, text, finding.code, Verdict.REVIEW), values, limits, side, words)

    def _of_packages(self) -> Iterator[Evaluated]:
        """REVIEW for a finding that no rule names, if the package or distribution that defines it requests that."""
        named = {rule.what for rule in self._covering if rule.subject is Subject.FINDING}
        evidence = (CARD,) if self._by_model is None else self._by_model.evidence
        figures = () if self._by_model is None else self._by_model.figures
        for finding in () if self._unproven or self._is_outside else self._assessment.findings:
            is_asked = finding.description is not None and finding.description.flags
            if finding.name not in named and is_asked:
                rule = Rule(Subject.FINDING, finding.name, Then.REVIEW, Where(self._place), evidence, figures=figures)
                reason = Reason(finding.name, _finding_text(finding, ""), finding.code, Verdict.REVIEW)
                values = finding.probability, finding.severity
                yield self._row(rule, finding.present, reason, values, (finding.threshold, 0.0))

    def _of_measurement(self, rule: Rule) -> Iterator[Evaluated]:
        measured = self._assessment.measurement(rule.what)
        if measured is None or rule.limit is None or (self._assessment.is_of_another_kind and rule.what in OF_CHESTS):
            return
        if is_withdrawn(rule.what):  # an old judgement has it, and the limit was for what it meant then
            return
        is_above = rule.side is LimitSide.ABOVE
        is_beyond = (measured.value > rule.limit) if is_above else (measured.value < rule.limit)
        text = measured_text(measured, rule.side, rule.limit)
        reason = Reason(rule.what, text, rule.code, Verdict.REVIEW, rule.supports)
        yield self._row(rule, is_beyond, reason, (measured.value,), (rule.limit,), rule.side.value)

    def _of_usual(self, rule: Rule) -> Iterator[Evaluated]:
        """What lies beyond the confirmed range of the machine."""
        measured = self._assessment.measurement(rule.what)
        usual = self._assessment.usual_range(measured.name, measured.unit) if measured is not None else None
        if measured is None or usual is None or self._assessment.is_of_another_kind:
            return
        is_above = rule.side is LimitSide.ABOVE
        is_beyond = (measured.value > usual.high) if is_above else (measured.value < usual.low)
        reason = Reason(rule.what, unusual_text(measured, usual, rule.side), rule.code, Verdict.REVIEW, rule.supports)
        side = f"usual {rule.side.value}"
        yield self._row(rule, is_beyond, reason, (measured.value,), (usual.low, usual.high), side)

    def _of_contradictions(self, rules: Sequence[Rule]) -> Iterator[Evaluated]:
        found = {issue.name: place for place, issue in enumerate(self._assessment.plausibility)}
        for rule in sorted(rules, key=lambda one: found.get(one.what, len(found))):
            for issue in self._assessment.plausibility:
                if issue.name == rule.what:
                    yield self._row(rule, True, Reason(issue.name, issue.message, issue.code, Verdict.REVIEW))
            if rule.what not in found:
                yield self._row(rule, False, None)

    def _of_anomaly(self, rule: Rule) -> Iterator[Evaluated]:
        anomaly = self._assessment.anomaly
        if anomaly is not None and rule.limit is not None:
            reason = Reason(ANOMALY, anomaly.sentence, OTHER_FAILURE, Verdict.REVIEW)
            is_beyond = anomaly.percentile >= rule.limit
            yield self._row(rule, is_beyond, reason, (anomaly.percentile,), (rule.limit,), "percentile")

    def _row(
        self,
        rule: Rule,
        is_beyond: bool,
        reason: Reason | None,
        values: tuple[float, ...] = (),
        limits: tuple[float, ...] = (),
        side: str = "",
        why: str = "",
    ) -> Evaluated:
        """The row of a rule, and its reason if it gives one: it is beyond its limit, and its evidence suffices."""
        lack = self._lack(rule)
        is_hint = rule.then is Then.HINT or bool(lack)
        outcome = Outcome.WITHIN if not is_beyond else Outcome.HINT if is_hint else Outcome.FLAGS
        row = AppliedRule(
            rule.subject, rule.what, rule.then, rule.where.name, outcome, values, limits, side, rule.evidence,
            lack if is_beyond and lack else why,
        )  # fmt: skip
        flags = outcome is Outcome.FLAGS and reason is not None
        return row, replace(reason, verdict=Verdict(rule.then.value)) if flags and reason is not None else None


Evaluated = tuple[AppliedRule, Reason | None]


def _reasons(evaluated: Sequence[Evaluated]) -> Iterator[Reason]:
    """The reasons in their order; of a finding only the worst."""
    given = [(row.subject, reason) for row, reason in evaluated if reason is not None]
    worst: dict[str, Reason] = {}
    for subject, reason in given:
        if subject is Subject.FINDING and (
            reason.name not in worst or worst[reason.name].verdict.rank < reason.verdict.rank
        ):
            worst[reason.name] = reason
    yield from worst.values()
    yield from (reason for subject, reason in given if subject is not Subject.FINDING)


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
    called = words.title if words is not None else title or humanised(finding.name)
    return finding_text(called, finding.probability, finding.severity, limit)
