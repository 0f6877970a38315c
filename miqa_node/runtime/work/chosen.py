"""Follows the site's choice of models, so an activation reaches every running process without a restart."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from miqa_node.core.domain.model_choice import ModelChoice
from miqa_node.core.observe.steady_thread import SteadyThread
from miqa_node.errors import ResourcesError
from miqa_node.runtime.site_records import activations
from miqa_node.runtime.store.database import Database

log = structlog.get_logger(__name__)


class ChosenModels:
    """A thread that polls the site's choice of models, so no image waits for a query."""

    def __init__(self, database: Database, interval_s: float) -> None:
        self._database = database
        self._interval_s = interval_s
        self._choice = ModelChoice()
        self._followers: Sequence[Callable[[], None]] = ()
        self._thread = SteadyThread("chosen-models", self._run)
        self.threads = (self._thread,)

    def current(self) -> ModelChoice:
        """The choice at the last poll."""
        return self._choice

    def start(self, followers: Sequence[Callable[[], None]]) -> None:
        """Poll once before returning, then at every interval; call the followers each time."""
        self._followers = followers
        self._look()
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._thread.stop()

    def _run(self) -> None:
        while self._thread.goes_on(self._interval_s):
            try:
                self._look()
            except ResourcesError as error:
                log.warning("the choice of models waits for the database", error=str(error))
            except Exception:  # later choices must be seen, too
                log.exception("the choice of models could not be followed")

    def _look(self) -> None:
        with self._database.begin() as transaction:
            self._choice = activations.current(transaction)
        for follower in self._followers:
            follower()
