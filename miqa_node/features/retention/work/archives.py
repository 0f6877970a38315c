"""Archives that keep originals: queries them for promised objects, and fetches originals that were removed here."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from miqa_node.core.domain.instance import Header, InstanceDigest, ReceivedObject
from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.core.domain.retention import Retrieval
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import Settings
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import ConflictError, DeliveryError, MiqaError, NotFoundError
from miqa_node.features.retention.rows import archived
from miqa_node.features.retention.rows.archived import ArchivedObject
from miqa_node.parts import PartContext, PartKind, StartMoment
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.verification import data_set_digest
from miqa_node.runtime.work.regular import RegularWork
from miqa_node.stages.deliver.kinds.base import DeliveryContext, Destination, DestinationConfig, connect
from miqa_node.stages.receive.rows.arrivals import Arrivals

log = structlog.get_logger(__name__)

BATCH = 100
ASK_AGAIN = timedelta(hours=1)
"""Time after which an archive is asked again for an original that it did not have."""
STUCK_AFTER_S = 1800.0
MAX_FETCHED = 500
"""Maximum number of originals per request."""
CHANGED = "The archive's copy is another image than the one that came to the node. It was not taken."
ERASED = "The patient was erased meanwhile. It was not taken."

Configured = Callable[[], Mapping[str, DestinationConfig]]


class Archives:
    """The destinations that ``retention.archives`` names, in this order."""

    def __init__(self, destinations: Configured, settings: Settings) -> None:
        self._destinations = destinations
        self._names = settings.retention.archives
        self._context = DeliveryContext(settings.deliver, settings.dicom.ae_title)

    @property
    def names(self) -> Sequence[str]:
        """Names of the archives; empty if the site has named none."""
        return self._names

    @contextmanager
    def connected(self, name: str) -> Iterator[Destination]:
        """A separate connection; NotFoundError if no such destination is configured."""
        config = self._destinations().get(name)
        if config is None:
            raise NotFoundError("retention.archives names {destination}, which is not a destination.", destination=name)
        destination = connect(config, self._context)
        try:
            yield destination
        finally:
            destination.close()

    def holding(self, headers: Sequence[Header]) -> tuple[frozenset[str], bool]:
        """SOP instance UIDs of the objects that an archive has, and whether every archive answered."""
        held: frozenset[str] = frozenset()
        all_answered = True
        for name in self._names:
            missing = [header for header in headers if header.sop_instance_uid not in held]
            try:
                with self.connected(name) as archive:
                    held |= archive.holds(missing) if missing else frozenset()
            except MiqaError as error:
                log.warning("an archive could not be asked for originals", archive=name, reason=str(error))
                all_answered = False
        return held, all_answered


class ArchiveWatch(RegularWork):
    """Asks archives for promised originals; retention may remove those that an archive has."""

    def __init__(self, database: Database, archives: Archives, settings: Settings) -> None:
        interval_s = settings.retention.interval_s
        super().__init__("archive-watch", interval_s, "questions to archives wait for the database", STUCK_AFTER_S)
        self._database, self._archives = database, archives

    def look(self) -> None:
        """Ask for the originals that are due."""
        all_answered = bool(self._archives.names)
        while all_answered and not self._stopping.is_set():
            self._thread.beat()
            now = datetime.now(UTC)
            with self._database.begin() as transaction:
                objects = archived.unconfirmed(transaction, now - ASK_AGAIN, BATCH)
            if not objects:
                return
            held, all_answered = self._archives.holding([one.header for one in objects])
            if not all_answered:  # unanswered queries are repeated at the next poll
                objects = [one for one in objects if one.header.sop_instance_uid in held]
            with self._database.begin() as transaction:
                count = archived.note(transaction, objects, held, now)
            log.info("archives were asked for originals", asked=len(objects), confirmed=count)


class ArchiveRetrieval:
    """Fetches originals that retention removed, if an archive still has them.

    Archives rewrite objects: the encoding of a copy may differ from that of the received object, its image may not.
    """

    def __init__(self, database: Database, objects: ObjectStore, archives: Archives, settings: Settings) -> None:
        self._database, self._archives = database, archives
        self._arrivals = Arrivals(database, Artifacts(objects))
        self._incoming = settings.incoming_dir
        self._ae_title = settings.dicom.ae_title

    def fetch(self, uid: str) -> Retrieval:
        """Fetch the originals of an image, series or study, by UID or digest.

        Raises
        ------
        ConflictError
            No archive is configured.
        NotFoundError
            None of its originals was removed.
        """
        if not self._archives.names:
            raise ConflictError(
                "Name the archives that keep originals in retention.archives, or send the images again."
            )
        with self._database.begin() as transaction:
            removed = archived.removed(transaction, uid, MAX_FETCHED)
        if not removed:
            raise NotFoundError("No original of it was removed by retention.")
        reasons: dict[str, str] = {}
        count = len(removed)
        for name in self._archives.names:
            removed = self._fetch_from(name, removed, reasons)
        missing = tuple(
            Phrase("{image}: {reason}", image=one.header.sop_instance_uid, reason=reasons[one.digest])
            for one in removed
        )
        log.info("originals were fetched from archives", fetched=count - len(removed), missing=len(removed))
        return Retrieval(count - len(removed), missing)

    def _fetch_from(self, name: str, removed: list[ArchivedObject], reasons: dict[str, str]) -> list[ArchivedObject]:
        """The originals that are still missing; ``reasons`` gets the reason for each."""
        missing = []
        try:
            with self._archives.connected(name) as archive:
                for one in removed:
                    try:
                        self._keep(one, archive.fetch(one.header), name)
                    except DeliveryError as error:
                        reasons[one.digest] = Phrase("{archive}: {reason}", archive=name, reason=str(error))
                        missing.append(one)
        except NotFoundError as error:
            reasons |= {one.digest: str(error) for one in removed}
            return removed
        return missing

    def _keep(self, one: ArchivedObject, file: bytes, archive: str) -> None:
        path = self._incoming / f"{uuid.uuid4().hex}.part"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write(path, file)
            header, study = read_header(path)
            copied = data_set_digest(path)
            if copied != one.digest and not archived.is_same(header, one.header):
                raise DeliveryError(CHANGED)
            with self._database.begin() as transaction:
                if not archived.may_return(transaction, one.digest):
                    raise DeliveryError(ERASED)
            came = ReceivedObject(
                str(path), one.digest, len(file), archive[:16], self._ae_title, "", datetime.now(UTC),
                file_bytes=len(file), copy_digest=None if copied == one.digest else InstanceDigest(copied),
            )  # fmt: skip
            self._arrivals.keep(header, study, came, "", lambda _transaction: None)
        finally:
            path.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _open(context: PartContext) -> ArchiveWatch:
    archives = Archives(context.destinations.current, context.settings)
    return ArchiveWatch(context.database, archives, context.settings)


PART = PartKind("archives", _open, StartMoment.DELIVERING)
