"""Puts the study of a flagged image on the worklist."""

from __future__ import annotations

from miqa_node.core.domain.reassessment import keeps_flag
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.language.phrase import Phrase, joined
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.conclusion.base import Conclusion, Effect
from miqa_node.stages.conclusion.effects import EffectKind
from miqa_node.stages.units.rows import unit_verdicts

COMPLETE = Phrase("More of its series came, and all was judged: accepted.")


class WorklistEffect(Effect):
    """One worklist item for each study, with the worst verdict of its images."""

    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """Open or reopen the item; after a later judgement of the unit, the item follows the newest verdicts."""
        c = conclusion
        if not c.is_again:
            worklist.complete_retakes(transaction, c.instance.digest, c.decided_at)
        has_earlier = c.is_again or len(c.unit_digests) > 1
        replaced = unit_verdicts.replaced(transaction, c.unit_digests, c.decided_at) if has_earlier else []
        if replaced:
            disposition, worst = c.disposition, max(one.rank for one in replaced)
            was_flagged = any(one.flagged for one in replaced)
            grew_worse = not was_flagged or (disposition.verdict.rank > worst and not keeps_flag(disposition))
            worklist.follow(
                transaction, c.study_instance_uid, c.decided_at,
                reopen=disposition.flagged and grew_worse, why=_why(disposition, is_late=not c.is_again),
            )  # fmt: skip
        elif c.disposition.flagged:
            verdict, severity = c.disposition.verdict, worklist.severity_of(c.assessment.score)
            worklist.flag(transaction, c.study_instance_uid, verdict, c.decided_at, severity)


def _why(disposition: Disposition, *, is_late: bool) -> str:
    """What a later judgement says, for the history of the study; empty if it flags anew."""
    reasons = [reason.text for reason in disposition.reasons]
    if keeps_flag(disposition):
        return joined(" ", reasons)
    if disposition.verdict is Verdict.NOT_ASSESSED:
        return Phrase("Measured again, not judged: {reasons}", reasons=joined(" ", reasons))
    return COMPLETE if is_late and disposition.verdict is Verdict.ACCEPT else ""


KIND = EffectKind("worklist", lambda _context: WorklistEffect(), on_giving_up=True, order=40)
