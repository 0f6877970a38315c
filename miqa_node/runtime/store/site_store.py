"""The store of a site as its settings name it: database and objects, in a data directory for the node alone."""

from __future__ import annotations

import stat
from functools import partial
from pathlib import Path, PurePosixPath

import sqlalchemy as sa
import structlog

from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.core.domain.retention import Removal, RemovalCause
from miqa_node.core.settings import Settings
from miqa_node.errors import NotFoundError, RemovedError, SettingsError
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import Absent, DiskObjects, never_stored

PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
_DATABASE = {"miqa.sqlite", "miqa.sqlite-wal", "miqa.sqlite-shm"}
_OWN = {"incoming", "objects", *_DATABASE}

log = structlog.get_logger(__name__)


def open_store(settings: Settings) -> tuple[Database, ObjectStore]:
    """Database and object store of the settings; creates the data directory."""
    try:
        make_private(settings.node.data_dir)
        settings.incoming_dir.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"node.data_dir {settings.node.data_dir} cannot be made: {error.strerror}.") from error
    database = Database(settings.database_url, settings.store.pool_size)
    return database, objects_of(settings, partial(absence, database))


def objects_of(settings: Settings, absent: Absent = never_stored) -> ObjectStore:
    """The store of a node's settings."""
    store = settings.store
    return open_objects(store.objects_url, settings.objects_dir, store.min_free_bytes, store.cache_bytes, absent)


def open_objects(
    url: str, folder: Path, min_free_bytes: int, cache_bytes: int, absent: Absent = never_stored
) -> ObjectStore:
    """The store of the settings; ``folder`` has the objects, or a limited number of copies of a bucket's objects."""
    if not url:
        return DiskObjects(folder, min_free_bytes, absent)
    if url.startswith("s3://"):
        from miqa_node.runtime.store.bucket import BucketObjects  # noqa: PLC0415 - its library slows the start of other nodes

        return BucketObjects(url, folder, min_free_bytes, cache_bytes, absent)
    raise SettingsError(f"store.objects_url: {url!r} is neither empty nor s3://bucket/prefix.")


def make_private(folder: Path) -> None:
    """Create the data directory, or remove access of others if it is the node's own, also to a database in it.

    A folder with other content stays unchanged: it may be shared on purpose.
    """
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    there = {path.name for path in folder.iterdir()}
    for path, mode in ((folder, PRIVATE_FOLDER), *((folder / name, PRIVATE_FILE) for name in _DATABASE & there)):
        if not stat.S_IMODE(path.stat().st_mode) & ~mode:
            continue
        try:
            if path == folder and there and not there & _OWN:
                raise PermissionError("it holds other things, too")
            path.chmod(mode)
        except OSError as error:
            log.warning("others on this host may read it", path=str(path), reason=error.strerror or str(error))


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
