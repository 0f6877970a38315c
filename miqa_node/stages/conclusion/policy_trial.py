"""What another policy would say of images that were judged: which rules flag more of them, and which flag less."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.rule import Outcome
from miqa_node.core.domain.verdict import Disposition, Verdict

EXAMPLES = 3
"""Images that are named for each change of a rule, the first ones that come."""


class FlaggingRule(NamedTuple):
    """A rule as pages and commands name it."""

    place: str
    what: str
    then: str


class TriedImage(NamedTuple):
    """An image, or a series by the row that represents it."""

    digest: InstanceDigest
    study_instance_uid: str


@dataclass(slots=True)
class Changes:
    """How many images a change is about, and some of them."""

    count: int = 0
    examples: list[TriedImage] = field(default_factory=list)

    def add(self, image: TriedImage) -> None:
        """Count an image."""
        self.count += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(image)


@dataclass(slots=True)
class RuleTrial:
    """What one rule would newly flag, and what it would flag no longer."""

    newly: Changes = field(default_factory=Changes)
    no_longer: Changes = field(default_factory=Changes)


@dataclass(slots=True)
class PolicyTrial:
    """Of ``images`` judged ones, series counted as one: what changes, as a whole and by rule."""

    images: int = 0
    flagged_now: int = 0
    flagged_then: int = 0
    flags: RuleTrial = field(default_factory=RuleTrial)
    accepts: RuleTrial = field(default_factory=RuleTrial)
    rules: dict[FlaggingRule, RuleTrial] = field(default_factory=dict)

    @property
    def by_rule(self) -> Sequence[tuple[FlaggingRule, RuleTrial]]:
        """The rules that change, those with most images first."""
        return sorted(self.rules.items(), key=lambda one: (-one[1].newly.count - one[1].no_longer.count, one[0]))


def compare(assessments: Iterable[Assessment], in_force: Policy, tried: Policy) -> PolicyTrial:
    """Decide each image by both policies; none is kept, however many there are."""
    trial = PolicyTrial()
    for assessment in assessments:
        now, then = decide(assessment, in_force), decide(assessment, tried)
        image = TriedImage(assessment.digest, assessment.header.study_instance_uid)
        trial.images += 1
        trial.flagged_now += now.verdict.flagged
        trial.flagged_then += then.verdict.flagged
        _note(trial.flags, image, now=now.verdict.flagged, then=then.verdict.flagged)
        _note(trial.accepts, image, now=now.verdict is Verdict.ACCEPT, then=then.verdict is Verdict.ACCEPT)
        flagging_now, flagging_then = _flagging(now), _flagging(then)
        for rule in flagging_now ^ flagging_then:
            of_rule = trial.rules.setdefault(rule, RuleTrial())
            _note(of_rule, image, now=rule in flagging_now, then=rule in flagging_then)
    return trial


def _note(trial: RuleTrial, image: TriedImage, *, now: bool, then: bool) -> None:
    if now is not then:
        (trial.newly if then else trial.no_longer).add(image)


def _flagging(disposition: Disposition) -> set[FlaggingRule]:
    rows = (row for row in disposition.rules if row.outcome is Outcome.FLAGS)
    return {FlaggingRule(row.place, row.what, row.then.value) for row in rows}
