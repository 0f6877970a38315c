"""Why an object is not in the store, in words."""

from __future__ import annotations

from pathlib import PurePosixPath

import sqlalchemy as sa

from miqa_node.core.domain.retention import Removal, RemovalCause
from miqa_node.errors import NotFoundError, RemovedError
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database

_of = t.instances.c


def absence(database: Database, key: str) -> NotFoundError:
    """Why a key has no object: removed, with the time, or never stored."""
    kind, stem = key.partition("/")[0], PurePosixPath(key).stem
    if kind != "results":
        stem = stem.partition(".")[0]  # followed by the number of the judgement
    query = sa.select(_of.removed_at, _of.removal_cause, _of.artifacts_removed_at)
    if kind == "results":
        query = query.join(t.results, t.results.c.digest == _of.digest).where(t.results.c.sop_instance_uid == stem)
    else:
        query = query.where(_of.digest == stem)
    with database.begin() as transaction:
        row = transaction.execute(query).first()
    if row is not None and kind == "instances" and row.removed_at is not None:
        return RemovedError(Removal(row.removed_at, RemovalCause(row.removal_cause)).sentence)
    if row is not None and row.artifacts_removed_at is not None:
        if row.removal_cause == RemovalCause.ERASURE.value:
            return RemovedError("What was made from this image was erased at a person's request.")
        return RemovedError(
            "What was made from this image was removed by retention on {artifacts_removed_at}.",
            artifacts_removed_at=f"{row.artifacts_removed_at:%Y-%m-%d}",
        )
    return NotFoundError("There is no object {key}.", key=key)
