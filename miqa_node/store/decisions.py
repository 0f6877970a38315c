"""A person's decision about an image on the worklist, as the label that it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from miqa_node.domain.finding import FindingName
from miqa_node.domain.instance import InstanceDigest
from miqa_node.domain.label import LabelId, LabelOrigin, ReaderOpinion, RegionOutline, RequestKind
from miqa_node.domain.worklist import Resolution
from miqa_node.store import documents, label_requests, labels
from miqa_node.store.database import Transaction
from miqa_node.store.tables import dispositions
from miqa_node.taxonomy.lookup import current_name, defect_names, reason_code


def label(
    transaction: Transaction,
    digest: InstanceDigest,
    resolution: Resolution,
    actor: str,
    now: datetime,
    *,
    reason: str = "",
    findings: Sequence[str] | None = None,
    regions: Sequence[RegionOutline] = (),
) -> LabelId | None:
    """Keep what somebody decided about one image.

    ``reason`` is a code value of CID 7011 and ``findings`` are names of the taxonomy, where the person gave them. Where
    not, the reason of the flag stands for both, when there is just one: the decision is about it.
    """
    bad = resolution.rejects
    flagged_for = _flagged_for(transaction, digest)
    meant: tuple[str, ...] | None = None if findings is None else tuple(findings)
    if resolution is Resolution.DISMISSED:
        meant = ()  # a good verdict leaves open whether the defect is present
    if bad and meant is None and len(flagged_for) == 1:
        meant = flagged_for
    if bad and not reason and meant is not None and len(meant) == 1:
        reason = reason_code(FindingName(meant[0])).value
    request = label_requests.find(transaction, digest, RequestKind.AUDIT)
    opinion = ReaderOpinion(
        actor=actor,
        origin=LabelOrigin.AUDIT if request else LabelOrigin.DECISION,
        bad=bad,
        rejects=bad,
        findings=meant,
        reason=reason if bad else "",
        regions=tuple(regions),
        sampled=request.share if request else 1.0,
    )
    return labels.add(transaction, digest, opinion, now)


def _flagged_for(transaction: Transaction, digest: InstanceDigest) -> tuple[str, ...]:
    """Names of the reasons of an image's verdict, empty unless all of them are findings of the taxonomy."""
    reasons = transaction.execute(
        sa.select(dispositions.c.reasons).where(dispositions.c.digest == digest)
    ).scalar_one_or_none()
    names = tuple(current_name(one.name) for one in documents.load_reasons(reasons or []))
    return names if set(names) <= set(defect_names()) else ()
