"""The silent first days of each body part of a site, as lists show them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from miqa_node.core.domain.silence import PartStart
from miqa_node.runtime.site_records import site_limits
from miqa_node.runtime.store.database import Transaction


@dataclass(frozen=True, slots=True)
class PartSilence:
    """A body part, empty for unknown ones; ``silent_until`` is None if verdicts on it count."""

    start: PartStart
    silent_until: datetime | None


def part_silences(transaction: Transaction, days: float, now: datetime) -> list[PartSilence]:
    """Every body part that came, by name."""
    whole = site_limits.silence(transaction, days)
    return [PartSilence(whole.starts[part], whole.until(part, now)) for part in sorted(whole.starts)]
