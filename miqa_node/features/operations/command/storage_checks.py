"""What ``miqa-node doctor`` says of where the node writes: data directory, database and object store."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from miqa_node.core.domain.object_store import MiB
from miqa_node.core.settings import Settings
from miqa_node.errors import MiqaError, OutdatedError, ResourcesError
from miqa_node.features.operations.command.health_checks import FailedCheck
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.store.disk import check_writing
from miqa_node.runtime.store.integrity import RESTORE, damaged_pages, words_of_damage
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.stages.receive.rows.reserve import NOTHING_WAITS, WaitingCount

T = TypeVar("T")
DATABASE_CHECK_S = 30.0
"""The longest check of the database's pages."""


def data_directory(settings: Settings) -> str:
    """Room and rights of the folder itself, and of those for what is being received."""
    folder = settings.node.data_dir.absolute()
    standing = next(f for f in (folder, *folder.parents) if f.exists())
    if not standing.is_dir() or not os.access(standing, os.W_OK | os.X_OK):
        mend = f"Let this user write to {standing}, or choose another node.data_dir (--data-dir)."
        raise FailedCheck(f"{standing} cannot be written by this user", mend)
    free, now = shutil.disk_usage(standing).free, datetime.now(UTC)
    waiting = from_database(settings, lambda transaction: WaitingCount().count(transaction, now)) or NOTHING_WAITS
    least = waiting.reserve_bytes(settings)
    reserve = f"{least // MiB} must stay free for store.min_free_bytes and images that wait ({waiting.units})"
    if free < least:
        mend = "Free some space, move node.data_dir to a larger disk, or lower store.min_free_bytes."
        raise FailedCheck(f"{free // MiB} MiB free, {reserve}: nothing is received", mend)
    for staging in (settings.incoming_dir, settings.uploads_dir):
        try:
            if os.path.lexists(staging):
                check_writing(staging)
        except ResourcesError as error:
            raise FailedCheck(f"{staging}: {error}", "Look at its disk, and at what this user may do there.") from error
    new = "" if standing == folder else ", will be created by the first run"
    shared = "" if new else _shared_with(folder)
    return f"{folder}{shared}, {free // MiB} MiB free, {reserve}{new}"


def _shared_with(folder: Path) -> str:
    """Who else may enter or read the folder, in words.

    It is no failure: files and folders that the node makes in it are closed to others whatever its mode. The node takes
    rights away only from a folder that is its own; one with other things in it stays as it is.
    """
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & stat.S_IRWXO:
        return f" (everybody on this machine may enter or read it, mode {mode:04o}: chmod o-rwx {folder} ends that)"
    return " (its group may read it)" if mode & stat.S_IRWXG else ""


def _own_file(settings: Settings) -> Path:
    return settings.node.data_dir / "miqa.sqlite"


def _has_database(settings: Settings) -> bool:
    return bool(settings.store.database_url) or _own_file(settings).exists()


def database(settings: Settings) -> str:
    """Whether it answers, with its tables up to date and no damaged page."""
    if not _has_database(settings):
        return f"{_own_file(settings).absolute()} will be created by the first run"
    of_node = Database(settings.database_url, pool_size=1)
    try:
        of_node.check()
    except MiqaError as error:
        if isinstance(error, OutdatedError):  # no fault, and before an upgrade it is what should be
            return f"{error} The next start of the node does it, too."
        is_damaged = words_of_damage(getattr(error.__cause__, "orig", None))
        raise FailedCheck(
            str(error), RESTORE if is_damaged else "Check that it runs and store.database_url."
        ) from error
    else:
        if lines := list(damaged_pages(of_node.engine, DATABASE_CHECK_S)):
            raise FailedCheck(f"its pages are damaged: {'; '.join(lines)}", RESTORE)
    finally:
        of_node.close()
    return f"{of_node.url.render_as_string(hide_password=True)} answers, its tables are up to date"


def object_store(settings: Settings) -> str:
    """Whether every kind of object can be written and read."""
    url, folder = settings.store.objects_url, settings.objects_dir.absolute()
    if not url and not folder.is_dir():
        return f"{folder} will be created by the first run"
    try:
        open_objects(url, folder, 0, settings.store.cache_bytes).probe()  # free space is said above
    except MiqaError as error:
        mend = "Check store.objects_url and the AWS_… variables with key, region and endpoint, and what they may do."
        raise FailedCheck(
            str(error), mend if url else f"Look at the disk of {folder}, and what this user may do there."
        ) from error
    return f"{url or folder}: what was written for a test can be read"


def from_database(settings: Settings, read: Callable[[Transaction], T]) -> T | None:
    """What is in the database; None without one, or if it does not answer, as the check of the database says."""
    if not _has_database(settings):
        return None
    of_node = Database(settings.database_url, pool_size=1)
    try:
        of_node.check()
        with of_node.begin() as transaction:
            return read(transaction)
    except MiqaError:
        return None
    finally:
        of_node.close()
