"""What people's decisions amount to as labels: how many, by whom, of what, and how far readers agree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from miqa_node.domain.label import RequestKind
from miqa_node.statistics.agreement import Agreement, agreement
from miqa_node.store import label_requests, labels, readings
from miqa_node.store.census import Period
from miqa_node.store.database import Transaction
from miqa_node.store.labels import LabelCount


@dataclass(frozen=True, slots=True)
class Feedback:
    """Labels of a period; requests count (asked for, answered) since ever."""

    period: Period
    total: int
    good: int
    bad: int
    by_origin: list[LabelCount]
    by_finding: list[LabelCount]
    by_reader: list[LabelCount]
    audits: tuple[int, int]
    second_asked: tuple[int, int]
    second_readings: Agreement


def feedback(transaction: Transaction, period: Period) -> Feedback:
    """Labels by the day when they were given."""
    since, until = _moment(period.since), _moment(period.until)
    by_origin = labels.count(transaction, "origin", since, until)
    return Feedback(
        period=period,
        total=sum(one.labels for one in by_origin),
        good=sum(one.labels - one.bad for one in by_origin),
        bad=sum(one.bad for one in by_origin),
        by_origin=by_origin,
        by_finding=labels.count_findings(transaction, since, until),
        by_reader=labels.count(transaction, "actor", since, until),
        audits=label_requests.count(transaction, RequestKind.AUDIT),
        second_asked=label_requests.count(transaction, RequestKind.SECOND_READING),
        second_readings=agreement(readings.second_readings(transaction, since, until)),
    )


def _moment(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
