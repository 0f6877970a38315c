"""Draws a share of the accepted images for a spot check by readers."""

from __future__ import annotations

from dataclasses import replace

from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.domain.label import LabelOrigin
from miqa_node.core.domain.verdict import SPOT_CHECK, Verdict
from miqa_node.runtime.site_records import label_requests
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.conclusion.base import Conclusion, Effect
from miqa_node.stages.conclusion.effects import EffectKind


class LabelRequestEffect(Effect):
    """The request for a label; reports and events do not mention it."""

    def __init__(self, rules: AcquisitionRules) -> None:
        self._rules = rules

    def prepare(self, conclusion: Conclusion) -> Conclusion:
        """Put the image on the worklist if it is drawn."""
        disposition = conclusion.disposition
        if disposition.verdict is not Verdict.ACCEPT or not self._rules.audits(conclusion.instance.digest):
            return conclusion
        audited = replace(disposition, reasons=(*disposition.reasons, SPOT_CHECK), attention=True)
        return conclusion.decided(audited, conclusion.announced)

    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """Request the label."""
        if SPOT_CHECK in conclusion.disposition.reasons:
            digest, share = conclusion.instance.digest, self._rules.audit_share
            label_requests.ask(transaction, digest, LabelOrigin.SPOT_CHECK, share, conclusion.decided_at)


KIND = EffectKind("label_request", lambda context: LabelRequestEffect(context.rules), order=10)
