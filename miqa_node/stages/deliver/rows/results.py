"""Results that the node made, each with what it was made from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.delivery import ResultObject
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.object_keys import uid_of_result
from miqa_node.runtime.store.tables import results
from miqa_node.stages.deliver.rows.deliveries import result_of


@dataclass(frozen=True, slots=True)
class ResultOrigin:
    """A result, the judgement of an image that it states, and the decision of a person, if it follows from one."""

    result: ResultObject
    digest: InstanceDigest
    generation: int
    decision: int | None
    made_at: datetime


def find(transaction: Transaction, object_key: str) -> ResultOrigin | None:
    """The result of an object key; None if there is none."""
    uid = uid_of_result(object_key)
    query = sa.select(results).where(results.c.sop_instance_uid == uid, results.c.object_key == object_key)
    row = transaction.execute(query).one_or_none()
    if row is None:
        return None
    result = replace(result_of(row), made_with=row.made_with)
    return ResultOrigin(result, InstanceDigest(row.digest), row.generation, row.decision_id, row.made_at)


def note_file(transaction: Transaction, result: ResultObject) -> None:
    """Record the size and digest of a result's file."""
    this = results.c.sop_instance_uid == result.sop_instance_uid
    values = {"size_bytes": result.size_bytes, "sha256": result.sha256}
    transaction.execute(sa.update(results).where(this).values(values))
