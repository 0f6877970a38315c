"""Hears what other processes announce when they commit, so that threads begin at once and polls can be rare."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
import structlog

from miqa_node.core.observe.steady_thread import SteadyThread
from miqa_node.runtime.store.database import CHANNEL, TOPICS, Database
from miqa_node.runtime.store.wake_up_files import WakeUpFiles

log = structlog.get_logger(__name__)

LOOK_S = 0.25
"""Interval at which a process looks at the wake-up files of SQLite."""
ANSWER_S = 1.0
"""Longest wait for a notification of PostgreSQL before the thread reports that it is alive."""
RECONNECT_S = 5.0


class CommitListener:
    """A thread that passes announcements of other processes on to this one's :meth:`Database.hear`.

    On SQLite it looks at ``WakeUpFiles``; on PostgreSQL it listens on a connection of its own,
    which a pooler in transaction mode does not pass on: then only the polls remain.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = SteadyThread("commit-listener", self._run)
        self.threads = (self._thread,)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop."""
        self._thread.stop()

    def _run(self) -> None:
        if not self._database.is_sqlite:
            self._listen_to_notifications()
        elif self._database.wake_ups is not None:
            self._look_at_files(self._database.wake_ups)

    def _look_at_files(self, files: WakeUpFiles) -> None:
        while self._thread.goes_on(LOOK_S):
            for topic in TOPICS:
                if files.has_news(topic):
                    self._database.hear(topic)

    def _listen_to_notifications(self) -> None:
        pause_s = 0.0
        while self._thread.goes_on(pause_s):
            pause_s = RECONNECT_S
            try:
                with self._database.engine.connect() as connection:
                    self._listen(connection.execution_options(isolation_level="AUTOCOMMIT"))
            except Exception as error:  # noqa: BLE001 - errors of the driver; only the polls remain until it works again
                log.warning("announcements of other processes wait for the database", error=type(error).__name__)

    def _listen(self, connection: sa.Connection) -> None:
        """Listen until the thread stops; an error of the driver if the connection breaks."""
        connection.exec_driver_sql(f"LISTEN {CHANNEL}")
        for topic in TOPICS:  # what was announced before is not delivered
            self._database.hear(topic)
        driver: Any = connection.connection.driver_connection
        while not self._thread.stopping.is_set():
            for notice in driver.notifies(timeout=ANSWER_S):
                source, _, topic = notice.payload.partition(" ")
                if source != self._database.source:
                    self._database.hear(topic)
            self._thread.beat()
        connection.exec_driver_sql(f"UNLISTEN {CHANNEL}")
