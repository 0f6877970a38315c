"""The policy in force: the site's file with confirmed limits, and whether verdicts are silent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.site_limit import SiteLimits
from miqa_node.core.language.phrase import Phrase
from miqa_node.runtime.store import site_limits
from miqa_node.runtime.store.database import Database

log = structlog.get_logger(__name__)


class SiteRules:
    """Combines the policy file with the limits of the database, which :meth:`follow` reads at every poll."""

    def __init__(self, database: Database, file_policy: Callable[[], Policy], silent_days: int) -> None:
        """For ``silent_days`` after the node's first verdict nothing is flagged, unless limits are confirmed."""
        self._database = database
        self._file_policy = file_policy
        self._silent_days = silent_days
        self._limits = SiteLimits()
        self._joined: tuple[Policy, SiteLimits, Policy] | None = None
        self._silent_until: datetime | None = None

    def current(self) -> Policy:
        """The policy in force; cheap enough to call often."""
        policy, limits = self._file_policy(), self._limits
        if not limits.number:
            return policy
        joined = self._joined
        if joined is None or joined[0] is not policy or joined[1] is not limits:
            joined = self._joined = policy, limits, policy.with_limits(limits)
        return joined[2]

    def silence(self) -> str:
        """Why verdicts are only recorded at present; empty if they flag."""
        until = self._silent_until
        if until is None or datetime.now(UTC) >= until:
            return ""
        return Phrase(
            "Only recorded, nobody was asked: the node is silent until {until} UTC, or until somebody "
            "confirms limits (miqa-node tune).",
            until=f"{until:%Y-%m-%d %H:%M}",
        )

    def follow(self) -> None:
        """Read the limits in force, and the end of the silent period."""
        with self._database.begin() as transaction:
            limits = site_limits.current(transaction)
            self._silent_until = site_limits.silent_until(transaction, self._silent_days, limits)
        if limits != self._limits:
            log.info("limits of rooms changed", number=limits.number, limits=len(limits.limits))
            self._limits = limits
