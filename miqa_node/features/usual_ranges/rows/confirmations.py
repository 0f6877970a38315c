"""Confirms that the usual ranges of a history may flag, and takes that back."""

from __future__ import annotations

from datetime import datetime

from miqa_node.errors import ConflictError
from miqa_node.features.usual_ranges.baseline import flagging
from miqa_node.features.usual_ranges.rows import baselines
from miqa_node.features.usual_ranges.rows.baselines import ScannerBaseline
from miqa_node.runtime.site_records import confirmed_ranges
from miqa_node.runtime.store.database import Transaction


def confirm(transaction: Transaction, baseline: str, actor: str, now: datetime) -> ScannerBaseline:
    """From now on what lies beyond them asks for REVIEW where the policy says so.

    Raises
    ------
    NotFoundError
        There is no such history.
    ConflictError
        It has no range that may flag yet, or they were confirmed already.
    """
    one = baselines.load(transaction, baseline, now)
    ranges = flagging(one.ranges)
    if not ranges:
        raise ConflictError(
            "History {history} has no range yet that may flag, or more of its series are outside than may be flagged. "
            "What flags radiographs is learned by each room.",
            history=baseline,
        )
    confirmed_ranges.confirm(transaction, baseline, one.scanner.station, ranges, actor, now)
    return baselines.load(transaction, baseline, now)


def withdraw(transaction: Transaction, baseline: str, actor: str, now: datetime) -> ScannerBaseline:
    """They are hints again; NotFoundError without the history, ConflictError if nobody confirmed them."""
    baselines.load(transaction, baseline, now)
    confirmed_ranges.withdraw(transaction, baseline, actor, now)
    return baselines.load(transaction, baseline, now)
