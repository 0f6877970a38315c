"""Counts the slices of series by the moment of their verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.policy import Verdict
from miqa_node.runtime.store.batches import batches
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import assessments, dispositions, instances
from miqa_node.stages.units.kinds import is_slice_class


@dataclass(frozen=True, slots=True)
class VerdictPart:
    """Slices of a series whose verdicts are of one moment; ``own`` is one with an assessment of its own."""

    decided_at: datetime | None
    verdict: Verdict | None
    own: str | None
    count: int


def parts_of(transaction: Transaction, uids: Sequence[str]) -> dict[tuple[str, str], list[VerdictPart]]:
    """Those of some series, by study and Series Instance UID."""
    of, parts = instances.c, dict[tuple[str, str], list[VerdictPart]]()
    columns = (of.study_instance_uid, of.series_instance_uid, of.modality, of.sop_class_uid)
    verdict = dispositions.c.decided_at, dispositions.c.verdict
    joined = instances.outerjoin(dispositions, dispositions.c.digest == of.digest)
    joined = joined.outerjoin(assessments, assessments.c.digest == of.digest)
    counted: sa.Select[Any] = sa.select(*columns, *verdict, sa.func.max(assessments.c.digest), sa.func.count())
    for some in batches(uids):
        query = counted.select_from(joined).where(of.series_instance_uid.in_(some)).group_by(*columns, *verdict)
        for study, uid, modality, sop_class_uid, at, word, own, count in transaction.execute(query):
            if is_slice_class(modality, sop_class_uid):  # captures may have the UID of the series
                part = VerdictPart(at, None if word is None else Verdict(word), own, count)
                parts.setdefault((study, uid), []).append(part)
    return parts
