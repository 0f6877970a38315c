"""Judging images again: a person's choice of images, and the plan that follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from miqa_node.core.domain.assessment import NO_MODEL, Assessment
from miqa_node.core.domain.codes import UNKNOWN_FAILURE
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.measurand import MEASUREMENTS
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.core.language.phrase import Phrase, joined

MAX_REASSESSMENTS = 10_000
"""Maximum number of images in one choice."""
KEPT_FLAG = "kept_flag"
"""Name of the reason for a flag that stays, because a repeated judgement could not take it back."""
FLAG_STAYS = "The flag of an earlier judgement stays: {reasons}"


@dataclass(frozen=True, slots=True)
class ReassessmentFilter:
    """A filter of images to judge again; an empty field matches everything, but at least one must be given.

    ``uids`` are digests or SOP instance, series or study UIDs. ``since`` and ``until`` limit the time of the verdict.
    ``packages`` are names or ``<name>-<version>`` of the quality package that judged. ``because`` is a part of a
    reason.
    """

    uids: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    verdicts: tuple[Verdict, ...] = ()
    packages: tuple[str, ...] = ()
    because: str = ""
    limit: int = MAX_REASSESSMENTS

    @property
    def is_empty(self) -> bool:
        """Whether it would match every image."""
        return not (self.uids or self.since or self.until or self.verdicts or self.packages or self.because)


@dataclass(frozen=True, slots=True)
class ReassessmentCandidate:
    """One image, or the representative of its series, and its current verdict.

    ``obstacle`` says why it cannot be judged again; empty if it can.
    """

    digest: InstanceDigest
    sop_instance_uid: str
    study_instance_uid: str
    modality: str
    verdict: Verdict
    reasons: tuple[str, ...]
    package: str
    decided_at: datetime
    generation: int
    obstacle: str = ""


@dataclass(frozen=True, slots=True)
class ReassessmentPlan:
    """The plan for a choice of images. ``truncated``: more images match than the limit allows."""

    candidates: tuple[ReassessmentCandidate, ...]
    truncated: bool = False

    @property
    def possible(self) -> tuple[ReassessmentCandidate, ...]:
        """Those that can be judged again."""
        return tuple(one for one in self.candidates if not one.obstacle)


def keeps_flag(disposition: Disposition) -> bool:
    """Whether the image stays flagged for what an earlier judgement found."""
    return any(reason.name == KEPT_FLAG for reason in disposition.reasons)


def with_flag(disposition: Disposition, reasons: Sequence[str]) -> Disposition:
    """The same disposition, still on the worklist; ``reasons`` say why the image was flagged before."""
    text = Phrase(FLAG_STAYS, reasons=joined("; ", reasons))
    stays = Reason(KEPT_FLAG, text, UNKNOWN_FAILURE, Verdict.NOT_ASSESSED)
    return replace(disposition, reasons=(*disposition.reasons, stays), attention=True)


def lifts_flag(
    assessment: Assessment, disposition: Disposition, flagged: Assessment | None, reasons: Sequence[Reason] = ()
) -> bool:
    """Whether a later judgement takes back the flag that ``flagged`` led to for ``reasons``: only if it saw as much.

    What a model flagged needs an ACCEPT by a model. What measurements flagged closes once these were measured again and
    nothing flags any more. A judgement that failed, that lacks the model of then, or that is only recorded takes back
    nothing.
    """
    if assessment.phantom or assessment.derived:
        return True
    had_model = flagged is not None and flagged.model is not None
    if had_model and assessment.model is None:
        return False
    if disposition.verdict is Verdict.ACCEPT:
        return True
    if disposition.verdict.flagged or assessment.quarantined or not assessment.decoder:
        return False
    flagging = {reason.name for reason in reasons if reason.verdict.flagged}
    before = set[str]() if flagged is None else {one.name for one in flagged.measurements}
    issues = set[str]() if flagged is None else {one.name for one in flagged.plausibility}
    if had_model and not (flagging and flagging <= before | issues):
        return False  # not only measurements and contradictions flagged
    names = {name for name in before if is_taken(name, assessment)}
    faultless = {name for of in assessment.left_out for name in of.measurements if _is_faultless(name, of.reason)}
    measured = (names & flagging or names) <= faultless | {one.name for one in assessment.measurements}
    lacked_model = flagged is not None and flagged.not_assessed == NO_MODEL
    return measured and (assessment.not_assessed != NO_MODEL or lacked_model)


def is_taken(name: str, assessment: Assessment) -> bool:
    """Whether this version takes the measurement of such an image at all; what it does not is not unseen."""
    measurand = MEASUREMENTS.all().get(name)
    return measurand is not None and not measurand.why_not(assessment.header, assessment.kind)


def _is_faultless(name: str, reason: str) -> bool:
    """Whether the reason why there is no number is that the measurement was taken and found no fault."""
    return (one := MEASUREMENTS.all().get(name)) is not None and one.is_of_fault and reason == one.left_out
