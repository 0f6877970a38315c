"""Follows the site's choice of models, so an activation reaches every running process without a restart."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from miqa_node.core.domain.model_choice import ModelChoice
from miqa_node.runtime.site_records import activations
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.regular import RegularWork


class ChosenModels(RegularWork):
    """A thread that polls the site's choice of models, so no image waits for a query."""

    def __init__(self, database: Database, interval_s: float) -> None:
        super().__init__("chosen-models", interval_s, "the choice of models waits for the database")
        self._database = database
        self._choice = ModelChoice()
        self._followers: Sequence[Callable[[], None]] = ()

    def current(self) -> ModelChoice:
        """The choice at the last poll."""
        return self._choice

    def lead(self, followers: Sequence[Callable[[], None]]) -> None:
        """Poll once before returning, then at every interval; call the followers each time."""
        self._followers = followers
        self.look()
        self.start()

    def look(self) -> None:
        """Poll, and call the followers."""
        with self._database.begin() as transaction:
            self._choice = activations.current(transaction)
        for follower in self._followers:
            follower()
