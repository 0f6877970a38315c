"""Keeps a unit flagged if its later judgement failed or saw less: only one that saw as much takes a flag back."""

from __future__ import annotations

from miqa_node.core.domain.reassessment import lifts_flag, with_flag
from miqa_node.core.domain.verdict import SPOT_CHECK
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.stages.conclusion.base import Conclusion, Effect
from miqa_node.stages.conclusion.effects import EffectKind
from miqa_node.stages.units.rows import unit_verdicts


class StandingFlagEffect(Effect):
    """The study stays on the worklist, with the reasons of both judgements."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def prepare(self, conclusion: Conclusion) -> Conclusion:
        """Keep the flag, unless the new judgement flags the image itself or takes the flag back."""
        disposition, digests = conclusion.disposition, conclusion.unit_digests
        has_earlier = conclusion.is_again or len(digests) > 1
        if not has_earlier or (disposition.verdict.flagged and not disposition.silent):
            return conclusion
        with self._database.begin() as transaction:
            flags = unit_verdicts.standing_flags(transaction, digests)
        flags = [
            one for one in flags if not lifts_flag(conclusion.assessment, disposition, one.assessment, one.reasons)
        ]
        if not flags:
            return conclusion
        standing = [reason for flag in flags for reason in flag.reasons]
        disposition = with_flag(disposition, [reason.text for reason in standing])
        # Only the worklist says that an accepted image was drawn for a spot check.
        reasons, announced = [reason.text for reason in standing if reason != SPOT_CHECK], conclusion.announced
        return conclusion.decided(disposition, with_flag(announced, reasons) if reasons else announced)

    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """The worklist follows the verdict."""


KIND = EffectKind(
    "standing_flag", lambda context: StandingFlagEffect(context.unit.database), on_giving_up=True, order=15
)
