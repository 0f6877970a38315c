"""Reads in the background whose images are that an earlier version received."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.core.settings import Settings
from miqa_node.parts import PartKind
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.site_store import objects_of
from miqa_node.runtime.work.regular import RegularWork
from miqa_node.stages.receive.rows import rereading
from miqa_node.stages.receive.rows.identification import Identification
from miqa_node.stages.receive.rows.rereading import Rereading
from miqa_node.stages.units.rows.acquisition_rules import acquisition_rules

INTERVAL_S = 30.0
"""Processes of an earlier version may go on receiving beside this one."""

log = structlog.get_logger(__name__)


def identification_of(settings: Settings, database: Database, objects: ObjectStore | None = None) -> Identification:
    """The reading by the site's rules."""
    held = objects_of(settings) if objects is None else objects
    return Identification(database, held, settings.patients.authorities, acquisition_rules(settings))


def rereading_of(settings: Settings, database: Database) -> Rereading:
    """The reading of all images by changed rules."""
    exposures = acquisition_rules(settings)
    return Rereading(database, identification_of(settings, database), exposures, settings.patients.fingerprint)


class IdentificationWork(RegularWork):
    """Reads all images without patient, batch by batch."""

    def __init__(self, database: Database, objects: ObjectStore, settings: Settings) -> None:
        super().__init__("identification", INTERVAL_S, "the reading of whose old images are waits for the database")
        self._identification = identification_of(settings, database, objects)
        self._database = database
        self._rules: str | None = settings.patients.fingerprint

    def look(self) -> None:
        """Read until nothing is left or the node stops."""
        if self._rules is not None:
            with self._database.begin() as transaction:
                if not rereading.begin(transaction, self._rules, datetime.now(UTC)):
                    log.warning("images were given their patients by other settings [patients]", mend=rereading.MEND)
            self._rules = None
        count = 0
        while not self._stopping.is_set():
            self._thread.beat()
            read = self._identification.read_some(datetime.now(UTC))
            count += read
            if not read:
                break
        if count:
            log.info("read whose images of an earlier version are", images=count)


PART = PartKind(
    "identification", lambda context: IdentificationWork(context.database, context.objects, context.settings)
)
