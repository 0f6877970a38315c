"""The verdict of an image by the policy in force, and what vouches for it; in silent days it is only recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.fault_search import search_of
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.language.phrase import Phrase
from miqa_node.stages.units.base import JudgingTools, Unit, unit_of

UNCERTIFIED = Phrase("no certificate: the verdict is experimental")


def disposition_of(assessment: Assessment, header: Header, judging: JudgingTools, units: Sequence[Unit]) -> Disposition:
    """Decide; only images have silent days, not reports or notes."""
    policy, unit = judging.policy(), unit_of(header, units)
    disposition = decide(assessment, policy)
    if unit.is_image(header) and (why := judging.silence(assessment.known_header)):
        disposition = disposition.silenced(why)
    search = search_of(assessment, policy) if unit.needs_others else None
    if search is not None and disposition.verdict is Verdict.ACCEPT and not assessment.findings:
        return replace(disposition, search=search, certificate=search.certificate)
    certificate = UNCERTIFIED if disposition.experimental else judging.certify(assessment, policy)
    return replace(disposition, search=search, certificate=certificate)
