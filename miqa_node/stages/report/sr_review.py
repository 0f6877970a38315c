"""Codes a person's decision about an image, and its agreement with the node's findings."""

from __future__ import annotations

from miqa_node.core.domain.finding import Finding
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.domain.worklist import Resolution, Review
from miqa_node.core.taxonomy.lookup import faults, reason_code
from miqa_node.core.words import codes
from miqa_node.stages.report.content_items import ContentItem, code_item

DECISION_MEANS = {
    Resolution.CONFIRMED: Verdict.REJECT,
    Resolution.RETAKEN: Verdict.REJECT,
    Resolution.ACCEPTED: Verdict.REVIEW,
    Resolution.DISMISSED: Verdict.ACCEPT,
}


def review_evaluations(review: Review, disposition: Disposition) -> list[ContentItem]:
    """The decision; quality assessment (CID 6044) and findings are the person's, or the node's after a withdrawal.

    If the person left the findings open, those flagged by the node remain.
    """
    verdict = disposition.verdict if review.resolution is None else DECISION_MEANS[review.resolution]
    reasons = dict.fromkeys(reason.code for reason in disposition.reasons)
    if review.resolution is not None and review.findings is not None:
        reasons = dict.fromkeys(reason_code(name) for name in faults(review.findings))
    assessed = codes.QUALITY_ASSESSMENTS.get(verdict)
    judged = [] if assessed is None else [
        code_item(codes.QUALITY_CONTROL_STANDARD, codes.INSTITUTIONAL_STANDARD),
        code_item(codes.QUALITY_ASSESSMENT, assessed),
        *(code_item(codes.QUALITY_FINDING, code) for code in reasons),
    ]  # fmt: skip
    return [code_item(codes.READER_DECISION.code, codes.READER_DECISIONS[review.resolution].code), *judged]


def decision_title(review: Review) -> str:
    """The decision as a Series Description (LO, in ASCII), which viewers and archives list; it has no text of people.

    The decision stands first, since lists show some twenty characters. Each decision's report has a series of its own.

    >>> from datetime import UTC, datetime
    >>> decision_title(Review(1, "mara", datetime(2026, 1, 31, tzinfo=UTC), Resolution.DISMISSED))
    'Decision: dismissed (image quality)'
    """
    decision = codes.READER_DECISIONS[review.resolution].meaning.lower()
    title = decision.capitalize() if review.resolution is None else f"Decision: {decision}"
    return f"{title} (image quality)"


def opinions(review: Review | None, finding: Finding) -> list[ContentItem]:
    """Agreement or disagreement on one finding, if the person stated it."""
    agrees = None if review is None else review.agrees_on(finding.name)
    if agrees is None:
        return []
    return [code_item(codes.READER_OPINION.code, (codes.AGREES if agrees else codes.DISAGREES).code)]
