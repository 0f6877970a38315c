"""Says at a start if images were given their patients by other settings, and reads them again by those of today."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import structlog

from miqa_node.core.observe.steady_thread import SteadyThread
from miqa_node.core.settings import Settings
from miqa_node.parts import PartKind
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.site_store import objects_of
from miqa_node.stages.receive.rows import rereading
from miqa_node.stages.receive.rows.rereading import Rereading
from miqa_node.stages.units.rows.acquisition_rules import acquisition_rules

log = structlog.get_logger(__name__)


def rereading_of(settings: Settings, database: Database) -> Rereading:
    """The reading of all images by changed rules."""
    rules, exposures = settings.patients, acquisition_rules(settings)
    return Rereading(database, objects_of(settings), rules.authorities, exposures, rules.fingerprint)


class PatientSettings:
    """Compares the settings ``patients`` with those by which images were read."""

    threads: Iterable[SteadyThread] = ()

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._rules = database, settings.patients.fingerprint

    def start(self) -> None:
        """Record the settings of the first start; of later ones say whether they changed."""
        with self._database.begin() as transaction:
            are_those = rereading.begin(transaction, self._rules, datetime.now(UTC))
        if not are_those:
            log.warning("images were given their patients by other settings [patients]", mend=rereading.MEND)

    def stop(self) -> None:
        """Nothing runs."""


PART = PartKind("patient_settings", lambda context: PatientSettings(context.database, context.settings))
