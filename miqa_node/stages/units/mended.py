"""Judges an image again whose stored original was lost or damaged, once it has come again."""

from __future__ import annotations

from datetime import UTC, datetime

from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.object_store import Soundness
from miqa_node.core.domain.ports import JobQueue
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.language.phrase import Phrase
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.units.base import Unit
from miqa_node.stages.units.rows import instances, reassessments

ACTOR = "miqa-node"
ORIGINAL = {
    Soundness.LOST: Phrase("A stored original is lost. Send the image again."),
    Soundness.DAMAGED: Phrase("A stored original is damaged. Send the image again."),
}
"""Why an image cannot be judged, by the state of what is stored."""
OF_DAMAGE = (
    *ORIGINAL.values(),
    "The original is missing",
    "The pixels could not be decoded",
    "The work on this image failed",
)
"""How the reasons begin that a damaged original can be behind."""
COMMENT = "Its stored original was lost or damaged, and came again."


def judge_mended(transaction: Transaction, digest: InstanceDigest, header: Header, unit: Unit, queue: JobQueue) -> None:
    """Request a new judgement of what could not be assessed; a slice stands for its series."""
    disposition = instances.load_disposition(transaction, digest)
    if disposition is None:
        return  # it is not judged yet
    begins = OF_DAMAGE if disposition.verdict is Verdict.NOT_ASSESSED else tuple(ORIGINAL.values())
    if not any(reason.text.startswith(begins) for reason in disposition.reasons):
        return  # it was judged and reported while its bytes were there, or the kind of image is the reason
    if unit.needs_others:
        digest = InstanceDigest(reassessments.representative(transaction, header).digest)
    reassessments.request(transaction, queue, digest, ACTOR, COMMENT, datetime.now(UTC))
