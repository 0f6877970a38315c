"""Says which key of pseudonyms this process uses, and warns if others that share the database use another one."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from miqa_node.core.settings import Settings
from miqa_node.parts import PartKind, StartMoment
from miqa_node.runtime.people import pseudonym_keys
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.regular import RegularWork
from miqa_node.stages.units.rows.acquisition_rules import acquisition_rules

LOOK_S = 3600.0

log = structlog.get_logger(__name__)


class PseudonymWatch(RegularWork):
    """Looks at the start and every hour."""

    def __init__(self, database: Database, settings: Settings) -> None:
        super().__init__("pseudonym-watch", LOOK_S, "the watch of the key of pseudonyms waits for the database")
        self._database, self._place = database, pseudonym_keys.place_of(settings)
        self._mark = pseudonym_keys.fingerprint(acquisition_rules(settings).key)

    def start(self) -> None:
        """Start the thread; it looks at once."""
        super().start()
        self.wake()

    def look(self) -> None:
        """Record the fingerprint, and compare it with those of others."""
        now = datetime.now(UTC)
        with self._database.begin() as transaction:
            pseudonym_keys.note(transaction, self._place, self._mark, now)
            keys = pseudonym_keys.conflict(pseudonym_keys.in_use(transaction, now))
        if keys:
            log.warning("several keys of pseudonyms are in use", keys=keys, mend=pseudonym_keys.MEND)


PART = PartKind(
    "pseudonym_watch",
    lambda context: PseudonymWatch(context.database, context.settings),
    StartMoment.SERVING,
    role=None,
)
