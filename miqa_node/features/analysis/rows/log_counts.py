"""Counts of imported reject logs for a period; an exposure that is also an image here counts once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.reject_log import LogSource
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.taxonomy.anatomy import STANDARD
from miqa_node.features.analysis.rows import rollup
from miqa_node.features.analysis.rows.census import AcquisitionCounts, Period
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import acquisition_days, acquisitions, logged_rejects

VIEWS = frozenset({"AP", "PA", "LL", "RL", "RLD", "LLD", "RLO", "LLO"})
"""Values of View Position (0018,5101): two different ones mean two exposures. Other words prove nothing."""
_FLAGGED = {Verdict.REVIEW.value, Verdict.REJECT.value}


@dataclass(frozen=True, slots=True)
class LogAddition:
    """The contribution of one logged reject to the counts of its day and its ``values`` (dimension → value)."""

    day: date
    values: Mapping[str, str]
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class LogCounts:
    """The logs' counts for a period: additions, sources, and images of this node that a log lists as rejected."""

    additions: Sequence[LogAddition] = ()
    sources: tuple[LogSource, ...] = ()
    images: frozenset[str] = field(default_factory=frozenset)


def of_period(transaction: Transaction, period: Period) -> LogCounts:
    """The counts of the imported logs for a period.

    A logged reject is matched to the image of the same room nearest in time, if the clock errors allow it and the views
    do not differ; each image is one exposure. A reject without an image counts as a separate exposure on days with
    images of its room; on other days there is no denominator.
    """
    of = logged_rejects.c
    conditions = [of.day >= period.since, of.day < period.until]
    conditions += [of.room == period.room] if period.room else []
    rows = transaction.execute(sa.select(logged_rejects).where(*conditions).order_by(of.at, of.key)).all()
    if not rows:
        return LogCounts()
    matches = _matches(transaction, conditions)
    days = _days_with_images(transaction, period)
    additions: list[LogAddition] = []
    outcomes: list[tuple[Any, str]] = []
    for row in rows:
        image = matches.get(row.key)
        place = image or row
        if (period.modality and place.modality != period.modality) or (
            period.body_part and place.body_part not in STANDARD.body_parts.spellings(period.body_part)
        ):
            continue
        if image is None and (row.day, row.room) not in days:
            outcomes.append((row, "outside"))
            continue
        outcomes.append((row, "images" if image else "counted"))
        additions.append(_addition(row, image))
    images = frozenset(image.digest for image in matches.values())
    return LogCounts(additions, tuple(_sources(outcomes)), images)


def add_to(
    counted: dict[str, list[AcquisitionCounts]], additions: Sequence[LogAddition]
) -> dict[str, list[AcquisitionCounts]]:
    """Counts by dimension and value with those of the logs, the most images first.

    A station, view or person that occurs only in a log gets no rate, because without images there is no denominator.
    """
    if not additions:
        return counted
    return {
        name: _merged(groups, [(one.values.get(name), one) for one in additions], grows=name == rollup.REASON)
        for name, groups in counted.items()
    }


def add_to_days(
    days: Sequence[tuple[date, AcquisitionCounts]], additions: Sequence[LogAddition]
) -> list[tuple[date, AcquisitionCounts]]:
    """The same by day, oldest first."""
    by_day = dict(days)
    for one in additions:
        counts = _fields(by_day.get(one.day, AcquisitionCounts("")))
        by_day[one.day] = AcquisitionCounts(**{**counts, **{name: counts[name] + n for name, n in one.counts.items()}})
    return sorted(by_day.items(), key=lambda item: item[0])


def rejected(additions: Sequence[LogAddition]) -> Counter[tuple[str, str]]:
    """Number of rejects found only in logs, by dimension and value."""
    counts: Counter[tuple[str, str]] = Counter()
    for one in additions:
        counts.update(dict.fromkeys(one.values.items(), one.counts.get("rejected", 0)))
    return counts


def _matches(transaction: Transaction, conditions: Sequence[sa.ColumnElement[bool]]) -> dict[str, Any]:
    """Reject key → image: pairs in order of their time difference, each reject and image once."""
    of, images = logged_rejects.c, acquisitions.c
    same = (images.room == of.room) & (images.day == of.day) & images.acquired_at.between(of.match_from, of.match_until)
    query = (
        sa.select(acquisitions, of.key.label("key"), of.at.label("logged_at"), of.view.label("logged_view"))
        .join(logged_rejects, same)
        .where(*conditions)
    )
    pairs = [
        row
        for row in transaction.execute(query)
        if row.view == row.logged_view or not {row.view, row.logged_view} <= VIEWS
    ]
    pairs.sort(key=lambda row: (abs(row.acquired_at - row.logged_at), not row.rejected, row.key, row.digest))
    matches: dict[str, Any] = {}
    images_in_use: set[str] = set()
    for row in pairs:
        if row.key not in matches and row.digest not in images_in_use:
            matches[row.key] = row
            images_in_use.add(row.digest)
    return matches


def _days_with_images(transaction: Transaction, period: Period) -> set[tuple[date, str]]:
    of = acquisition_days.c
    conditions = [of.within == "", of.within_value == "", of.dimension == "room"]
    query = sa.select(of.day, of.value).where(*conditions, of.day >= period.since, of.day < period.until)
    return {(row.day, row.value) for row in transaction.execute(query.distinct())}


def _addition(row: Any, image: Any) -> LogAddition:
    if image is None:
        values = {name: getattr(row, name, "") for name in rollup.DIMENSIONS} | {"station": row.unit}
        return LogAddition(row.day, values | {rollup.ALL: "", rollup.REASON: row.code}, {"images": 1, "rejected": 1})
    values = {name: getattr(image, name) for name in rollup.DIMENSIONS} | {rollup.ALL: ""}
    if image.rejected:
        return LogAddition(image.day, values, {})
    counts = {"rejected": 1, "repeated": -int(image.repeated)}
    if image.verdict in _FLAGGED and image.judged_bad is None:
        counts["decided"] = 1
    if image.archived:
        counts["escaped"] = -int(bool(image.judged_bad))
        counts["suspected"] = -int(image.judged_bad is None and image.verdict == Verdict.REJECT.value)
    return LogAddition(image.day, values | {rollup.REASON: row.code}, counts)


def _merged(
    groups: Sequence[AcquisitionCounts], additions: Iterable[tuple[str | None, LogAddition]], *, grows: bool
) -> list[AcquisitionCounts]:
    numbers = {group.value: _fields(group) for group in groups}
    for value, addition in additions:
        if value is None or not (grows or value in numbers):
            continue
        counts = numbers.setdefault(value, _fields(AcquisitionCounts(value)))
        for name, number in addition.counts.items():
            counts[name] += number
    return sorted((AcquisitionCounts(**one) for one in numbers.values()), key=lambda one: (-one.images, one.value))


def _fields(counts: AcquisitionCounts) -> dict[str, Any]:
    return {name: getattr(counts, name) for name in AcquisitionCounts.__dataclass_fields__}


def _sources(outcomes: Sequence[tuple[Any, str]]) -> list[LogSource]:
    sources = []
    for room in sorted({row.room for row, _ in outcomes}):
        of_room = [(row.day, outcome) for row, outcome in outcomes if row.room == room]
        days, kinds = [day for day, _ in of_room], [outcome for _, outcome in of_room]
        images, outside = kinds.count("images"), kinds.count("outside")
        sources.append(LogSource(room, min(days), max(days), len(kinds) - outside, images, outside))
    return sources
