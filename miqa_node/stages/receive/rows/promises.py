"""Promises to keep originals (storage commitment), given after a look at their bytes.

A modality may delete its copy of what was promised, so a row is not enough: the file is there, has its size, and its
digest was compared lately without a change of the file since, or is compared now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.object_store import ObjectStore, Soundness
from miqa_node.errors import NotFoundError, ResourcesError
from miqa_node.runtime.store import damages
from miqa_node.runtime.store.batches import batches
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import KEPT, UtcDateTime, instances
from miqa_node.runtime.store.verification import check_original

BATCH = 200
"""Objects that are promised in one transaction."""
GROUP_BYTES = 1 << 28
"""About as many bytes are read before anybody hears of it: seconds, even from a slow disk."""
READERS = 4
LATELY = timedelta(days=1)
"""How long a comparison of digests counts, if the file does not change."""
SETTLED = timedelta(seconds=2)
"""The time of an object in a bucket is that of the second in which it was written."""

_of = instances.c
_COLUMNS = (
    _of.digest, _of.sop_instance_uid, _of.sop_class_uid, _of.object_key, _of.size_bytes, _of.file_bytes,
    _of.copy_digest, _of.verified_at, _of.promised_at,
)  # fmt: skip

Standing = Mapping[tuple[str, str], Soundness]
"""The state of objects by SOP class and instance UID; others the node does not have."""


@dataclass(frozen=True, slots=True)
class _OriginalState:
    """The state of an original, None if it cannot be read; ``deep`` if its digest was compared."""

    row: Any
    state: Soundness | None
    deep: bool


class Promises:
    """Makes promises; no transaction is open while files are read."""

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._database = database
        self._objects = objects

    def make(self, uids: Sequence[str], *, patient: bool) -> Iterator[Standing]:
        """Promise the objects of SOP instance UIDs; yields what is known so far again and again, at last everything.

        Raises
        ------
        ResourcesError
            Some cannot be read now. If not ``patient``, these count as damaged instead.
        """
        standing: dict[tuple[str, str], Soundness] = {}
        with ThreadPoolExecutor(READERS, "promises") as readers:
            for some in batches(uids, BATCH):
                now = datetime.now(UTC)
                for group in _groups(self._promise(some, now)):
                    began = datetime.now(UTC)
                    looks = list(readers.map(lambda row: self._look(row, patient=patient), group))
                    self._record(looks, now, began)
                    for look in looks:
                        pair = (look.row.sop_class_uid, look.row.sop_instance_uid)
                        # Of images with the same UID, nobody knows which is meant: all must be sound.
                        if look.state is not Soundness.SOUND or pair not in standing:
                            standing[pair] = look.state or Soundness.DAMAGED
                    yield standing

    def _promise(self, uids: Sequence[str], now: datetime) -> Sequence[Any]:
        """Keep retention from removing them from now on, also while they are read; returns their rows."""
        are_kept = sa.and_(_of.sop_instance_uid.in_(uids), KEPT)
        promised_at = sa.func.coalesce(_of.promised_at, sa.bindparam(None, now, UtcDateTime()))
        with self._database.begin() as transaction:
            # First, because it locks the rows: retention cannot remove any of them after they were read.
            transaction.execute(sa.update(instances).where(are_kept).values(promised_at=promised_at))
            return transaction.execute(sa.select(*_COLUMNS).where(are_kept).order_by(_of.digest)).all()

    def _look(self, row: Any, *, patient: bool) -> _OriginalState:
        deep = not self._is_fresh(row)
        try:
            return _OriginalState(row, check_original(self._objects, row, deep=deep), deep)
        except ResourcesError:
            if patient:
                raise
            return _OriginalState(row, None, deep)

    def _is_fresh(self, row: Any) -> bool:
        """Whether its digest was compared lately, and the file has not changed since."""
        if row.verified_at is None or abs(datetime.now(UTC) - row.verified_at) > LATELY:
            return False
        try:
            modified_at = self._objects.stat(row.object_key).modified_at
        except (NotFoundError, ResourcesError, OSError):
            return False
        return bool(modified_at < row.verified_at - SETTLED)

    def _record(self, looks: Sequence[_OriginalState], now: datetime, began: datetime) -> None:
        """Record what was found, and take back the promises of ``now`` that would not be true."""
        sound = [look for look in looks if look.state is Soundness.SOUND]
        unsound = {look.row.digest: look for look in looks if look.state is not Soundness.SOUND}
        with self._database.begin() as transaction:
            verified = _of.digest.in_([look.row.digest for look in sound if look.deep])
            transaction.execute(sa.update(instances).where(verified).values(verified_at=began))
            damages.clear(transaction, [look.row.object_key for look in sound])
            ours = _of.digest.in_(unsound), _of.promised_at == now
            transaction.execute(sa.update(instances).where(*ours).values(promised_at=None))
            # Not what an erasure removed while it was read.
            are_kept = sa.select(_of.digest).where(_of.digest.in_(unsound), KEPT)
            for digest in transaction.execute(are_kept).scalars():
                look = unsound[digest]
                if look.state is not None:
                    damages.note(transaction, look.row.object_key, InstanceDigest(digest), look.state, began)


def _groups(rows: Sequence[Any]) -> Iterator[list[Any]]:
    """The rows in groups whose files have about GROUP_BYTES."""
    group: list[Any] = []
    size = 0
    for row in rows:
        group.append(row)
        size += row.size_bytes
        if size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group
