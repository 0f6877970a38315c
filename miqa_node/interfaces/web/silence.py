"""The silent first days of a new node, as pages speak of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.store import site_limits

REMINDED_FOR = timedelta(days=14)
"""How long after their end pages ask for limits; later the policy as it is counts as what the site wants."""


@dataclass(frozen=True, slots=True)
class SilentPeriod:
    """The silent first days, or the two weeks after them in which nobody has confirmed limits."""

    until: datetime
    is_over: bool


def silence(services: WebServices) -> SilentPeriod | None:
    """None if the node was never silent, limits are in force, or the silence has long been over."""
    days, now = services.settings.policy.silent_days, datetime.now(UTC)
    if not days:
        return None
    with services.database.begin() as transaction:
        until = site_limits.silent_until(transaction, days, site_limits.current(transaction))
    return SilentPeriod(until, until <= now) if until and now < until + REMINDED_FOR else None
