"""The verdict of an image by the policy in force, and what vouches for it; in silent days it is only recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from miqa_node.core.domain.acceptance import search_of
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.moderate_fault import FaultSearch
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.language.phrase import Phrase
from miqa_node.stages.units.base import JudgingTools, Unit, unit_of

UNCERTIFIED = Phrase("no certificate: the verdict is experimental")


def disposition_of(assessment: Assessment, header: Header, judging: JudgingTools, units: Sequence[Unit]) -> Disposition:
    """Decide; only images have rooms and silent days, not reports or notes."""
    policy = judging.policy()
    disposition = decide(assessment, policy)
    if unit_of(header, units).is_image(header):
        image = replace(assessment, header=assessment.known_header)
        judging.begin_room(image)
        if why := judging.silence(image.header):
            disposition = disposition.silenced(why)
    if (search := search_before_accept(assessment, disposition, policy)) is not None:
        return replace(disposition, certificate=search.words)
    certificate = UNCERTIFIED if disposition.experimental else judging.certify(assessment, policy)
    return replace(disposition, certificate=certificate)


def search_before_accept(assessment: Assessment, disposition: Disposition, policy: Policy) -> FaultSearch | None:
    """What a series was searched for that is ACCEPT by measurements under this policy; None of all else."""
    is_measured = disposition.verdict is Verdict.ACCEPT and bool(assessment.kind) and not assessment.findings
    if not is_measured:
        return None
    return search_of(assessment, {rule.what for rule in policy.covering(assessment.known_header, assessment.kind)})
