"""Keeps an image flagged if its repeated judgement failed: only a judgement that saw as much takes a flag back."""

from __future__ import annotations

from miqa_node.core.domain.policy import SPOT_CHECK
from miqa_node.core.domain.reassessment import lifts_flag, with_flag
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.stages.conclusion.base import Conclusion, Effect
from miqa_node.stages.conclusion.effects import EffectKind
from miqa_node.stages.units.rows import judgements


class StandingFlagEffect(Effect):
    """The study stays on the worklist, with the reasons of both judgements."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def prepare(self, conclusion: Conclusion) -> Conclusion:
        """Keep the flag, unless the new judgement flags the image itself or takes the flag back."""
        disposition = conclusion.disposition
        if not conclusion.is_again or (disposition.verdict.flagged and not disposition.silent):
            return conclusion
        with self._database.begin() as transaction:
            flag = judgements.standing_flag(transaction, conclusion.instance.digest)
        if flag is None or lifts_flag(conclusion.assessment, disposition, flag.assessment):
            return conclusion
        disposition = with_flag(disposition, [reason.text for reason in flag.reasons])
        # Only the worklist says that an accepted image was drawn for a spot check.
        reasons, announced = [reason.text for reason in flag.reasons if reason != SPOT_CHECK], conclusion.announced
        return conclusion.decided(disposition, with_flag(announced, reasons) if reasons else announced)

    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """The worklist follows the verdict."""


KIND = EffectKind("standing_flag", lambda context: StandingFlagEffect(context.unit.database), order=15)
