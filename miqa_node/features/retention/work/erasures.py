"""Ends erasures with files, watched folder and proof, and does those again that the restoration of a database undid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.core.observe.steady_thread import SteadyThread
from miqa_node.core.settings import Settings
from miqa_node.errors import ConflictError
from miqa_node.features.retention.rows import erasure
from miqa_node.features.retention.rows.erasure import ErasureRecord
from miqa_node.features.retention.rows.unknown_tables import unknown_tables
from miqa_node.features.retention.work import proofs
from miqa_node.features.retention.work.watched import WatchedFiles, erase_watched
from miqa_node.parts import PartContext, PartKind, StartMoment
from miqa_node.runtime.store.database import Database

log = structlog.get_logger(__name__)

RENDERS = "renders"
FETCHED = "pilot"
"""What waits there for its verdict is fetched again, whosever it is."""
NOT_REACHED = (
    "archives and other systems that received results or images",
    "files that were delivered to folders, and exports that were taken away",
    "backups until their next run, and the archived log of PostgreSQL",
    "copies of a bucket's objects in the data directories of other machines",
)
"""What no erasure reaches: every proof names it, and docs/how-to/retention.md."""


@dataclass(frozen=True, slots=True)
class FinishedErasure:
    """The signed proof, None if ``unknown`` names tables or columns that were not reached; and the watched folder."""

    proof: dict[str, Any] | None
    unknown: tuple[str, ...]
    watched: WatchedFiles


def finish(
    settings: Settings, database: Database, objects: ObjectStore, record: ErasureRecord, patient_id: str = ""
) -> FinishedErasure:
    """Delete what an erasure marked, verify that nothing of it is left, and prove it.

    Raises
    ------
    ConflictError
        A file of the patient is there again.
    """
    proofs.keep(settings, record, {}, proofs.BEGUN)
    erasure.delete_files(database, objects, record, datetime.now(UTC))
    for digest in record.images:
        for render in (settings.node.data_dir / RENDERS).glob(f"{digest}-*"):
            render.unlink(missing_ok=True)
    for fetched in (settings.incoming_dir / FETCHED).rglob("*"):
        if not fetched.is_dir():
            fetched.unlink(missing_ok=True)
    watched = erase_watched(settings, record, patient_id)
    if unknown := unknown_tables(database, settings.retention.foreign_tables):
        return FinishedErasure(None, tuple(unknown), watched)
    counts = {"removed": watched.removed, "waiting": len(watched.waiting), "unread": len(watched.unread)}
    more = {"watched_folder": counts, "not_reached": list(NOT_REACHED)}
    return FinishedErasure(proofs.keep(settings, record, more), (), watched)


class ErasuresAgain:
    """Before the node serves: erasures that the data folder knows and the database does not are done again.

    Those that only the database knows are of an earlier version, which left texts of headers: they are completed once.
    """

    threads: Iterable[SteadyThread] = ()

    def __init__(self, settings: Settings, database: Database, objects: ObjectStore) -> None:
        self._settings, self._database, self._objects = settings, database, objects

    def start(self) -> None:
        """Look at all; an erasure of the data folder that fails keeps the node from serving."""
        with self._database.begin() as transaction:
            recorded = {one.salt: one for one in erasure.select(transaction)}
        of_folder = {one.salt: one for one in proofs.kept(self._settings)}
        for salt in of_folder.keys() - recorded.keys():
            self._again(of_folder[salt])
        for salt in recorded.keys() - of_folder.keys():
            self._complete(recorded[salt])

    def stop(self) -> None:
        """Nothing runs."""

    def _again(self, record: ErasureRecord) -> None:
        with self._database.begin() as transaction:
            erasure.lock(transaction)
            if any(one.salt == record.salt for one in erasure.select(transaction)):
                return  # another process was first
            restored = erasure.restore(transaction, record, datetime.now(UTC))
        finished = finish(self._settings, self._database, self._objects, restored)
        log.warning("an erasure that the restored database did not have was done again", erasure=restored.erasure_id)
        if finished.unknown:
            log.warning("the erasure has no proof: there are tables that this version does not know",
                        erasure=restored.erasure_id, tables=list(finished.unknown))  # fmt: skip

    def _complete(self, record: ErasureRecord) -> None:
        try:
            with self._database.begin() as transaction:
                erasure.repeat(transaction, record, "", datetime.now(UTC))
            finish(self._settings, self._database, self._objects, record)
        except ConflictError as error:  # on hold, or sent again since
            proofs.keep(self._settings, record, {}, proofs.BEGUN)
            log.warning("an erasure of an earlier version is not completed", erasure=record.erasure_id, reason=error)


def _open(context: PartContext) -> ErasuresAgain:
    return ErasuresAgain(context.settings, context.database, context.objects)


PART = PartKind("erasures", _open, StartMoment.RECORDING, role=None)
