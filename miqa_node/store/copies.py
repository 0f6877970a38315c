"""Whether received objects can still be judged from their stored copies: from their own bytes, or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import sqlalchemy as sa

from miqa_node.domain.instance import InstanceDigest
from miqa_node.domain.ports import ObjectStore
from miqa_node.store import damages
from miqa_node.store.database import Database
from miqa_node.store.tables import instances
from miqa_node.store.verification import Soundness, check_original

COPY_FAULTS = {
    Soundness.LOST: "The stored copy is lost: have it sent again.",
    Soundness.DAMAGED: "The stored copy is damaged: have it sent again.",
}
"""Why an object cannot be judged, by the state of its copy."""


class StoredCopies:
    """Reads stored copies of objects, and records those that are wanted again."""

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._database, self._objects = database, objects

    def fault(self, digests: Iterable[InstanceDigest]) -> str:
        """Why objects that are judged together cannot be; empty if each copy is sound, or was removed on purpose.

        Raises
        ------
        ResourcesError
            The object store cannot be read now, so nothing is known.
        """
        of = instances.c
        query = sa.select(instances).where(of.digest.in_(list(digests)), of.removed_at.is_(None)).order_by(of.digest)
        with self._database.begin() as transaction:
            rows = transaction.execute(query).all()
        for row in rows:
            state = check_original(self._objects, row)
            if state is not Soundness.SOUND:
                with self._database.begin() as transaction:
                    damages.note(transaction, row.object_key, row.digest, state, datetime.now(UTC))
                return COPY_FAULTS[state]
        return ""
