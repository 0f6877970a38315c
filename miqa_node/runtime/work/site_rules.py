"""The policy in force: the site's file with confirmed limits, and which body parts are silent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.silence import Silence
from miqa_node.core.domain.site_limit import SiteLimits
from miqa_node.errors import ResourcesError
from miqa_node.runtime.site_records import site_limits
from miqa_node.runtime.store.database import Database

log = structlog.get_logger(__name__)


class SiteRules:
    """Combines the policy file with the limits of the database, which :meth:`follow` reads at every poll."""

    def __init__(
        self, database: Database, file_policy: Callable[[], Policy], silent_days: int, learns_from: int = 0
    ) -> None:
        """For ``silent_days`` after the first image of a body part it flags nothing, and accepts nothing.

        While a room learns from its first ``learns_from`` images, soft findings are only held.
        """
        self._database = database
        self._file_policy = file_policy
        self._learns_from = learns_from
        self._limits = SiteLimits()
        self._silence = Silence(silent_days, {})
        self._joined: tuple[Policy, SiteLimits, Policy] | None = None

    def current(self) -> Policy:
        """The policy in force; cheap enough to call often."""
        policy, limits = self._file_policy(), self._limits
        if limits.are_none:
            return policy
        joined = self._joined
        if joined is None or joined[0] is not policy or joined[1] is not limits:
            joined = self._joined = policy, limits, policy.with_limits(limits)
        return joined[2]

    def check(self) -> None:
        """ResourcesError with the reason while nothing can be judged by the policy."""
        if obstacle := self.current().obstacle:
            raise ResourcesError(obstacle)

    def silence(self, header: Header) -> str:
        """Why the verdict on an image is only recorded; empty if it counts. A part's first image begins its days."""
        part, now = site_limits.term_of_part(header.body_part_examined), datetime.now(UTC)
        if part not in self._silence.starts:
            with self._database.begin() as transaction:
                site_limits.begin_part(transaction, part, now)
            self.follow()
        return self._silence.why(part, now)

    def follow(self) -> None:
        """Read the limits in force, and the rooms and body parts that are known."""
        with self._database.begin() as transaction:
            limits = site_limits.current(transaction, self._learns_from)
            starts = site_limits.part_starts(transaction)
        if limits != self._limits:  # else the same object stays, of which the joined policy is made
            if limits.number != self._limits.number:
                log.info("limits of rooms changed", number=limits.number, limits=len(limits.limits))
            self._limits = limits
        self._silence = Silence(self._silence.days, starts)
