"""Judging images again: a person's choice of images, and the plan that follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from miqa_node.domain.instance import InstanceDigest
from miqa_node.domain.policy import Verdict

MAX_REASSESSMENTS = 10_000
"""Maximum number of images in one choice."""


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
