"""Gives late slices the standing verdict of their series: others were removed, or measuring failed for good."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest, StoredInstance
from miqa_node.runtime.site_records import study_notes
from miqa_node.runtime.store.database import Transaction, insert_or_ignore
from miqa_node.runtime.store.tables import dispositions, worklist
from miqa_node.stages.units.rows import unit_verdicts
from miqa_node.stages.units.rows.standing import NOT_MEASURED


def join_standing(
    transaction: Transaction, instance: StoredInstance, members: Sequence[InstanceDigest], now: datetime
) -> bool:
    """Give members without a verdict that of their unit, which cannot be judged as a whole any more.

    False if the unit has none.
    """
    standing = unit_verdicts.represents(transaction, [one for one in members if one != instance.digest])
    row = None
    if standing:
        query = sa.select(dispositions).where(dispositions.c.digest == standing[-1])
        row = transaction.execute(query).mappings().one_or_none()
    if row is None:
        return False
    others = {"flagged": False, "rules": [], "search": None, "decided_at": now}
    for one in (instance.digest, *members):
        insert_or_ignore(transaction, dispositions, {**row, **others, "digest": one})
    study = instance.header.study_instance_uid
    if transaction.execute(sa.select(sa.exists().where(worklist.c.study_instance_uid == study))).scalar_one():
        study_notes.note(transaction, study, "not judged again", "", NOT_MEASURED, now)
    return True
