"""Puts the study of a flagged image on the worklist."""

from __future__ import annotations

from miqa_node.core.domain.policy import Disposition
from miqa_node.core.domain.reassessment import keeps_flag
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.conclusion.base import Conclusion, Effect
from miqa_node.stages.conclusion.effects import EffectKind
from miqa_node.stages.units.rows import judgements


class WorklistEffect(Effect):
    """One worklist item for each study, with the worst verdict of its images."""

    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """Open or reopen the item; after a repeated judgement, the item follows the newest verdicts."""
        if not conclusion.is_again:
            worklist.complete_retakes(transaction, conclusion.instance.digest, conclusion.decided_at)
        if conclusion.is_again:
            _, was_flagged, rank = judgements.earlier(transaction, conclusion.instance)
            disposition = conclusion.disposition
            grew_worse = not was_flagged or (disposition.verdict.rank > rank and not keeps_flag(disposition))
            worklist.follow(
                transaction,
                conclusion.study_instance_uid,
                conclusion.decided_at,
                reopen=grew_worse,
                why=_why(disposition),
            )
        elif conclusion.disposition.flagged:
            verdict, severity = conclusion.disposition.verdict, worklist.severity_of(conclusion.assessment.score)
            worklist.flag(transaction, conclusion.study_instance_uid, verdict, conclusion.decided_at, severity)


def _why(disposition: Disposition) -> str:
    """Why a repeated judgement takes back no flag, for the history of the study; empty if it does, or flags anew."""
    return " ".join(reason.text for reason in disposition.reasons) if keeps_flag(disposition) else ""


KIND = EffectKind("worklist", lambda _context: WorklistEffect(), on_giving_up=True, order=40)
