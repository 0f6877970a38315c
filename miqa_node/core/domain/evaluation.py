"""The rules of the policy that cover one image, and what each comes to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

from miqa_node.core.domain.acceptance import acceptance_of, labels, obstacle, untried, why_hint
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.finding import Finding, FindingName, GateClass
from miqa_node.core.domain.kept_figure import experiment, not_as_a_whole
from miqa_node.core.domain.measurand import is_withdrawn
from miqa_node.core.domain.policy import Policy, most_specific
from miqa_node.core.domain.room import kind_of
from miqa_node.core.domain.rule import (
    ALL,
    ANOMALY,
    CARD,
    SITE,
    SLICE_COUNT,
    AppliedRule,
    LimitSide,
    Outcome,
    Rule,
    Subject,
    Then,
    Where,
    compared_number,
)
from miqa_node.core.domain.site_limit import RoomLimit
from miqa_node.core.language.phrase import Phrase

OF_CHESTS = frozenset({"crushed_dark_share"})
"""Measurements whose limits need the anatomy: beside limbs there is air."""
SHOWS_ANOTHER = frozenset({"pixels_contradict_body_part", "another_kind"})
"""Reasons that come before all others, which suppose that the image shows what its header says."""
USUAL, ROOM, PERCENTILE = "usual ", "room", "percentile"
"""Sides of rows: before "above" or "below" the usual range; a room's own limit; the percentile of an unusual image."""

Evaluated = tuple[Rule, AppliedRule]


class Evaluation:
    """``assessment`` has its known header: where it names no body part, the one that the pixels show."""

    def __init__(self, assessment: Assessment, policy: Policy) -> None:
        header, kind = assessment.header, assessment.kind
        place = policy.place_of(header, kind)
        self._assessment, self._policy = assessment, policy
        self.place = place.name if place is not None else ""
        self.covering = policy.covering(header, kind)
        self._accepting = most_specific([one for one in self.covering if one.then is Then.ACCEPT])
        self._by_model = next((one for one in self._accepting if one.acceptance is None), None)
        self._tables = policy.tables_for(header, kind)
        self._unproven = experiment((), assessment) if self._by_model is None else self.lack(self._by_model)
        self._rules = most_specific([one for one in self.covering if self._may_apply(one)])
        self._limits, self._kind = policy.site_limits, kind_of(assessment)
        self.look = self._limits.look_of(self._kind)

    def _may_apply(self, rule: Rule) -> bool:
        if not rule.flags_alone:
            return rule.then is not Then.ACCEPT
        tells = any(one.flags_alone(self._assessment) for one in rule.figures)
        return tells and bool(self._unproven) and self._assessment.finding(FindingName(rule.what)) is not None

    @property
    def flagging(self) -> list[Rule]:
        """The rules that ask for REVIEW or REJECT of such images, whatever they come to."""
        return [rule for rule in self._rules if rule.then in (Then.REVIEW, Then.REJECT)]

    def share(self, fault: str) -> float:
        """In which share of series such as this one a fault was found in which it was tried; 1 if nobody counted."""
        records = (one for rule in self.covering for one in rule.tried if one.covers(self._assessment))
        return max((share for one in records if (share := one.share(fault)) is not None), default=1.0)

    def lack(self, rule: Rule) -> str:
        """Why the evidence of a rule does not suffice for the image; empty if it does."""
        if self._is_doubted(rule):
            return Phrase("The pixels contradict the body part in the header.")
        if SITE in rule.evidence or rule.flags_alone:
            return ""
        if rule.tried:
            return why_hint(rule.tried, rule.what, self._assessment)
        return experiment(rule.figures, self._assessment)

    def _is_doubted(self, rule: Rule) -> bool:
        """Whether a rule is about a finding of the part, or about noise, in an image of another part than it names."""
        is_of_part = rule.subject is Subject.FINDING and (not rule.any_part or rule.what == FindingName.NOISE)
        return is_of_part and rule.what not in (ALL, FindingName.GATE) and self._is_in_doubt

    @cached_property
    def _is_in_doubt(self) -> bool:
        return any(one.name in SHOWS_ANOTHER for one in self._assessment.plausibility)

    @property
    def alone(self) -> list[FindingName]:
        """The findings that may flag the image although it is not judged as a whole."""
        return [FindingName(rule.what) for rule in self._rules if rule.flags_alone]

    @property
    def experimental(self) -> str:
        """Why findings flag nothing, but those with a figure of their own; empty if all count."""
        return not_as_a_whole(self._assessment.header) if self._unproven and self.alone else self._unproven

    @property
    def experiments(self) -> tuple[str, str, str]:
        """Why the image was judged or measured, and that does not count; empty ones are no reason."""
        return self.experimental, self._assessment.experimental, untried(self._tables, self._assessment.header)

    @cached_property
    def obstacle(self) -> str:
        """Why the image cannot be accepted even if no rule flags it; empty if it can."""
        assessment = self._assessment
        if assessment.is_of_another_kind:
            return assessment.not_assessed
        outside = Phrase("The image is outside the model's scope.") if self._is_outside else ""
        was_read = bool(assessment.not_assessed and assessment.decoder and assessment.measurements)
        limits = [one for one in self._rules if one.then is not Then.HINT and one.what != ANOMALY and not one.is_usual]
        about = {one.subject for one in limits}
        if was_read and (self._tables or (Subject.MEASUREMENT in about and Subject.FINDING not in about)):
            return obstacle(self._tables, assessment) or self._held_back or outside
        unjudged = assessment.not_assessed or self.experimental or outside or self._too_blind
        return unjudged or ("" if self._by_model is not None else Phrase("No rule of the policy accepts such images."))

    @property
    def _held_back(self) -> str:
        """Which limit of those that ACCEPT stands on is a hint for this series, and why; empty if all would flag."""
        table = acceptance_of(self._tables, self._assessment.header)
        measured = () if table is None else table.measured
        for rule in self._rules:
            if rule.then is not Then.HINT and rule.what in measured and (why := self.lack(rule)):
                return Phrase("Not accepted by {measurement}: {why}.", measurement=labels((rule.what,)), why=why)
        return ""

    @property
    def _too_blind(self) -> str:
        if self.look is None or self.look.found is None or not self.look.is_blind:
            return ""
        return Phrase(
            "With the limits of this room too few simulated defects are found for ACCEPT: {found}.",
            found=f"{self.look.found:.2f}",
        )

    @property
    def _is_outside(self) -> bool:
        gate = self._assessment.finding(FindingName.GATE)
        return gate is not None and gate.present

    def rows(self) -> Iterator[Evaluated]:
        """Yield each rule that has something to look at, in the order of reasons."""
        of = {one: [rule for rule in self._rules if rule.subject is one] for one in Subject}
        for rule in of[Subject.FINDING]:
            yield from self._of_finding(rule)
        yield from self._of_packages()
        for rule in sorted(of[Subject.MEASUREMENT], key=lambda one: one.is_usual):
            yield from self._of_measurement(rule)
        places = {issue.name: place for place, issue in enumerate(self._assessment.plausibility)}
        for rule in sorted(of[Subject.CONTRADICTION], key=lambda one: places.get(one.what, len(places))):
            yield self._row(rule, rule.what in places)
        for rule in of[Subject.MEASUREMENT]:
            yield from self._of_anomaly(rule)

    def shown(self) -> tuple[Finding, ...]:
        """The findings, where one that the limit of its room flags is present although its package sees too little.

        Its operating point is then the probability at which it reaches that limit, so that maps and reports show it.
        """
        flagging = {
            FindingName(row.what): row.limits[0]
            for rule in self._rules if rule.subject is Subject.FINDING
            for _, row in self._of_finding(rule) if row.outcome is Outcome.FLAGS and row.side == ROOM
        }  # fmt: skip
        return tuple(
            replace(one, threshold=min(one.probability, flagging[one.name] / one.severity))
            if one.name in flagging and not one.present else one
            for one in self._assessment.findings
        )  # fmt: skip

    def accepting_rows(self, *, accepts: bool) -> Iterator[AppliedRule]:
        """Yield the rules for ACCEPT; ``accepts``: nothing flags the image, and nothing keeps it from ACCEPT."""
        why = self.obstacle
        outcome = Outcome.ACCEPTS if accepts else Outcome.HINT if why else Outcome.WITHIN
        for rule in self._accepting:
            enough = Phrase("Measured: {measurements}.", measurements=rule.acceptance.labels) if rule.acceptance else ""
            yield replace(self._row(rule, False, why=why or enough)[1], outcome=outcome)

    def _of_finding(self, rule: Rule) -> Iterator[Evaluated]:
        assessment, name = self._assessment, FindingName(rule.what)
        finding = assessment.finding(name)
        if finding is None or (rule.over and finding.place is not None and {*rule.over}.isdisjoint(finding.place.over)):
            return
        # What an inverted image shows of exposure is said of exchanged grey levels.
        is_inverted = assessment.gate_class == GateClass.INVERTED
        if self._is_outside and name != FindingName.GATE and (is_inverted or not rule.any_part):
            return
        least = rule.min_probability if rule.flags_alone else max(rule.min_probability, finding.threshold)
        is_beyond = finding.probability >= least and finding.severity >= rule.min_severity
        values, limits = (finding.probability, finding.severity), (least, rule.min_severity)
        room = self._limit(rule)
        if room is None:
            yield self._row(rule, is_beyond, values, limits, degree=finding.strength)
            return
        is_strong, words = finding.strength >= room.least_strength, self._limits.words(room)
        if rule.then is Then.REJECT or not (rule.bounds.is_soft or room.replaces):  # beyond both
            yield self._row(rule, is_strong and is_beyond, values, limits, why=words)
        else:
            is_unusual = is_strong and (finding.present or not room.replaces)
            yield self._row(rule, is_unusual, (finding.strength,), (room.least_strength,), ROOM, words)

    def _limit(self, rule: Rule) -> RoomLimit | None:
        """The room's limit of what a rule is about; while the room learns only one that a person confirmed."""
        learns = rule.may_learn(self._assessment)
        limit = self._limits.limit_in_force(rule.what, self._kind) if rule.soft or learns else None
        return limit if limit is None or learns or limit.replaces else None

    def _holds(self, rule: Rule, degree: float | None) -> bool:
        """Whether the room still learns what is usual there, and the degree is not so severe that it counts anyway.

        What the model was not made for is no look of a room, such as an inverted image.
        """
        is_held = degree is not None and rule.is_learned and not rule.learned_with
        learns = is_held and self.look is not None and self.look.learns
        return learns and not self._is_outside and not rule.is_severe(degree or 0.0)

    def _of_packages(self) -> Iterator[Evaluated]:
        """Yield REVIEW for findings that no rule names, if the distribution that defines them asks for it."""
        named = {rule.what for rule in self.covering if rule.subject is Subject.FINDING}
        like = self._by_model or Rule(Subject.FINDING, ALL, Then.ACCEPT, Where(), (CARD,))
        for finding in () if self._unproven or self._is_outside else self._assessment.findings:
            if finding.name not in named and finding.description is not None and finding.description.flags:
                rule = replace(like, what=finding.name, then=Then.REVIEW)
                yield self._row(
                    rule, finding.present, (finding.probability, finding.severity), (finding.threshold, 0.0)
                )

    def _of_measurement(self, rule: Rule) -> Iterator[Evaluated]:
        """Yield what is compared with a number, with a share of the slices, or with the range of the machine."""
        assessment, measured = self._assessment, self._assessment.measurement(rule.what)
        if measured is None or (assessment.is_of_another_kind and (rule.is_usual or rule.what in OF_CHESTS)):
            return
        values: tuple[float, ...] = (measured.value,)
        limits: tuple[float, ...] = (rule.limit or 0.0,)
        side, room, words = rule.side.value, self._limit(rule), ""
        if rule.is_usual and room is None:
            usual = assessment.usual_range(measured.name, measured.unit)
            if usual is None:
                return
            limits, side = (usual.low, usual.high), f"{USUAL}{side}"
        elif is_withdrawn(rule.what):  # an old judgement has it, and the limit was for what it meant then
            return
        elif rule.side is LimitSide.SHARE:
            slices = assessment.measurement(SLICE_COUNT)
            if slices is None or not slices.value > 0.0:
                return
            values = measured.value, slices.value
        if room is not None and (rule.bounds.is_soft or rule.side.is_beyond(room.least_strength, limits[0])):
            limits, words = (room.least_strength,), self._limits.words(room)
        compared, degree = compared_number(values), None if room or rule.is_usual else measured.value
        is_beyond = rule.side.is_beyond(compared, limits[0 if rule.side is LimitSide.BELOW else -1])
        yield self._row(rule, is_beyond, values, limits, side, words, degree=degree)

    def _of_anomaly(self, rule: Rule) -> Iterator[Evaluated]:
        anomaly = self._assessment.anomaly
        if rule.what != ANOMALY or anomaly is None or rule.limit is None:
            return
        room = self._limit(rule)
        is_unusual = anomaly.percentile >= rule.limit and (room is None or anomaly.score >= room.least_strength)
        words, degree = (self._limits.words(room), None) if room is not None else ("", anomaly.score)
        yield self._row(rule, is_unusual, (anomaly.percentile,), (rule.limit,), PERCENTILE, words, degree=degree)

    def _row(
        self,
        rule: Rule,
        is_beyond: bool,
        values: tuple[float, ...] = (),
        limits: tuple[float, ...] = (),
        side: str = "",
        why: str = "",
        *,
        degree: float | None = None,
    ) -> Evaluated:
        """The row of a rule: it flags where it is beyond its limit, its evidence suffices, and the room learned enough.

        ``degree`` is how strong it is, by the policy's limit; None where a limit of the room decides.
        """
        header, kind = self._assessment.header, self._assessment.kind
        outcome = Outcome.FLAGS if is_beyond else Outcome.WITHIN
        lack = self.lack(rule) if is_beyond else ""
        if is_beyond and (rule.then is Then.HINT or lack):
            outcome, why = Outcome.HINT, lack or why
        elif is_beyond and self.look is not None and self._holds(rule, degree):
            outcome, why = Outcome.HELD, self.look.held
        return rule, AppliedRule(
            rule.subject, rule.what, rule.then, rule.where.name or self.place, outcome, values, limits, side,
            rule.evidence, why, rule.where.matched(header, kind), rule.number,
        )  # fmt: skip
