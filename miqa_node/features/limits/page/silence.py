"""The silent first days of body parts, as pages speak of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from miqa_node.interfaces.web.card import WORKLIST, CardContext, PageCard
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.site_records import site_limits

REMINDED_FOR = timedelta(days=14)
"""How long after their end pages ask for limits; later the policy as it is counts as what the site wants."""


@dataclass(frozen=True, slots=True)
class SilentPeriod:
    """The silent first days, or the two weeks after them in which nobody has confirmed limits.

    ``parts`` has the end of each body part's, the earliest first; empty once all are over. ``until`` is the last end.
    """

    until: datetime
    parts: Mapping[str, datetime]

    @property
    def is_over(self) -> bool:
        """Whether no body part is silent."""
        return not self.parts


def silence(services: WebServices) -> SilentPeriod | None:
    """None if nothing was ever silent, or the silence has long been over or ended with limits."""
    days, now = services.settings.policy.silent_days, datetime.now(UTC)
    if not days:
        return None
    with services.database.begin() as transaction:
        whole = site_limits.silence(transaction, days)
        in_force = site_limits.current(transaction)
    parts = whole.parts(now)
    if parts:
        return SilentPeriod(max(parts.values()), parts)
    ends = [one.until(days) for one in whole.starts.values()]
    if not ends:  # the days of the first image have not begun
        return SilentPeriod(now + timedelta(days=days), {"": now + timedelta(days=days)})
    over = max(ends)
    return SilentPeriod(over, {}) if not in_force.number and now < over + REMINDED_FOR else None


def _above_worklist(context: CardContext, _: Sequence[None]) -> Iterator[dict[str, object] | None]:
    period = silence(context.services)
    yield None if period is None else {"silence": period, "link": True}


CARD = PageCard(WORKLIST, "silence.html", __file__, _above_worklist)
