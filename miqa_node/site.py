"""Objects made from a site's settings: database and object store, data directory, and settings of reports."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import structlog

from miqa_node.analysis.archive import keep_last_month
from miqa_node.domain.object_store import ObjectStore
from miqa_node.errors import SettingsError
from miqa_node.report import ReportSettings
from miqa_node.report.catalogue import voice
from miqa_node.settings import Settings
from miqa_node.store import users
from miqa_node.store.database import Database
from miqa_node.store.objects import objects_of
from miqa_node.store.retention import absence
from miqa_node.work.queue import Schedule, migrate_queue

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


def report_settings(settings: Settings) -> ReportSettings:
    """The site's settings for reports."""
    language = voice(settings.node.language).language
    return ReportSettings(
        settings.node.name, settings.assess.saliency_threshold, language=language, zone=settings.node.zone
    )


def migrate(database: Database) -> None:
    """Bring all tables to their newest version: the node's own and the queue's."""
    if database.is_sqlite and database.url.database:
        Path(database.url.database).touch(PRIVATE_FILE)  # before SQLite creates it readable for everyone
    database.migrate()
    migrate_queue(database)


def monthly_report(database: Database, objects: ObjectStore, settings: Settings) -> Schedule:
    """The schedule of the report on the last month."""

    def report(due_at: datetime) -> None:
        log.info("monthly report", month=keep_last_month(database, objects, settings, due_at))

    return Schedule("monthly-report", settings.analysis.report_schedule, report)


def first_invitation(database: Database, settings: Settings, url: str) -> str:
    """One-time address for creating the first account; empty if there are accounts."""
    with database.begin() as transaction:
        if users.any_exists(transaction):
            return ""
        until = datetime.now(UTC) + timedelta(seconds=settings.access.invitation_lifetime_s)
        return f"{url}/welcome/{users.invite(transaction, '', until)}"


def longest_pause_s(settings: Settings) -> float:
    """The longest normal wait: between two attempts, for a lease, or until a study has passed."""
    deliver = settings.deliver
    sending_s = deliver.connection_timeout_s + 2 * deliver.dimse_timeout_s
    return max(deliver.backoff_max_s, deliver.commitment_timeout_s, sending_s, settings.work.study_quiet_s)
