"""Announces the verdict to subscribers (docs/how-to/webhooks.md)."""

from __future__ import annotations

from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.stages.conclusion.base import Conclusion, Effect, LaterEffect
from miqa_node.stages.conclusion.effects import EffectKind
from miqa_node.stages.deliver.rows.announcements import Announcer


class EventEffect(Effect):
    """Events of the image and, when its outcome changes, of the study."""

    def __init__(self, announcer: Announcer) -> None:
        self._announcer = announcer

    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """Write the events into the outbox."""
        c = conclusion
        if c.disposition.silent:
            return
        is_image, is_series = c.unit.is_image(c.instance.header), c.unit.needs_others
        self._announcer.decided(transaction, c.announcement, c.decided_at, is_image=is_image)
        if is_image:
            self._announcer.results.state(transaction, c.announcement, c.decided_at, is_series=is_series)


class LateEventEffect(LaterEffect):
    """The same in a separate transaction, for work given up, possibly because the announcement itself failed."""

    def __init__(self, database: Database, announcer: Announcer) -> None:
        self._database = database
        self._announce = EventEffect(announcer)

    def follow(self, conclusion: Conclusion) -> None:
        """Write the events."""
        with self._database.begin() as transaction:
            self._announce.apply(transaction, conclusion)


KIND = EffectKind("event", lambda context: EventEffect(context.announcer), order=45)
LATE_KIND = EffectKind(
    "late_event",
    lambda context: LateEventEffect(context.unit.database, context.announcer),
    on_verdict=False,
    on_giving_up=True,
    order=65,
)
