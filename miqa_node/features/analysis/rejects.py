"""Reject analysis of a period (AAPM TG-151, TG-305): rates with denominators, limits and action lines.

docs/explanation/reject-analysis.md defines the counts; the store counts (features/analysis/rows/census.py), this module
computes the rates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

from miqa_node.core.domain.codes import REASON_CODES
from miqa_node.core.domain.reject_log import LogSource
from miqa_node.core.settings import AnalysisSettings
from miqa_node.features.analysis.rows import census, log_counts, positionings, rollup
from miqa_node.features.analysis.rows.census import AcquisitionCounts, Escape, NoteCount, Period
from miqa_node.features.analysis.rows.positionings import RoomMonth
from miqa_node.libraries.plain_statistics.charts import Chart, p_chart
from miqa_node.libraries.plain_statistics.rates import Rate, rate
from miqa_node.runtime.store.database import Transaction

DIMENSIONS = ("room", "station", "operator", "body_part", "view", "shift")
LEAST_IMAGES = 20
LEAST_DECIDED_PERCENT = 50.0
"""With fewer of the flagged images decided, a low reject rate says nothing."""
"""With fewer images a group is listed but has no level."""
LISTED_ESCAPES = 25
DAILY_UP_TO_DAYS, WEEKLY_UP_TO_DAYS = 62, 400
NO_REASON = "No reason given"
SOURCES = ("decisions of people in this node", "rejection notes of other systems (IHE IOCM)")
"""Sources that always count as rejections. Images deleted at the modality never arrive; imported logs add them."""

REASON_WORDS = {code.value: code.meaning for code in REASON_CODES.values()}


class Level(StrEnum):
    """Position of a rate relative to the site's target and action line."""

    FINE = "fine"
    ABOVE_TARGET = "above target"
    INVESTIGATE = "investigate"
    FEW = "too few images"
    UNREAD = "not measurable yet"


@dataclass(frozen=True, slots=True)
class Group:
    """One value of a dimension."""

    value: str
    images: int
    rejected: Rate
    flagged: Rate
    repeated: Rate
    coverage: Rate
    level: Level
    logged: int = 0
    """Number of rejected exposures that are only in an imported reject log."""


@dataclass(frozen=True, slots=True)
class ReasonShare:
    """One reason of rejections: its share of all images, and of all rejections."""

    code: str
    words: str
    of_images: Rate
    of_rejections: Rate
    logged: int = 0
    """Number of those that are only in an imported reject log."""

    @property
    def here(self) -> int:
        """Number of those that are images of this node."""
        return self.of_images.count - self.logged


@dataclass(frozen=True, slots=True)
class ExposureFigures:
    """Exposure of a station (or a month).

    ``deviation`` and ``spread`` are mean and standard deviation of the deviation index (IEC 62494-1), ``low`` and
    ``high`` the shares beyond half and double the intended exposure; ``exposure_index`` is the geometric mean.
    """

    value: str
    deviations: int
    deviation: float | None
    spread: float | None
    low: Rate
    high: Rate
    exposure_indices: int
    exposure_index: float | None


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One day, week or month, by its first day."""

    start: date
    counts: AcquisitionCounts
    exposure: ExposureFigures


@dataclass(frozen=True, slots=True)
class RejectAnalysis:
    """The data of a period for the page, the report and the command.

    ``coverage``: number of flagged images that a person decided. The upper limit of ``rejected`` counts the undecided
    ones as rejected, the worst case. ``sources`` describes what the rates count, ``logs`` gives the numbers of
    imported reject logs, and ``logged`` the number of rejects that only these logs contain.
    """

    period: Period
    target_percent: float
    action_percent: float
    total: AcquisitionCounts
    rejected: Rate
    flagged: Rate
    repeated: Rate
    escaped: Rate
    suspected: Rate
    coverage: Rate
    sources: tuple[str, ...]
    logs: tuple[LogSource, ...]
    logged: int
    level: Level
    groups: dict[str, list[Group]]
    reasons: list[ReasonShare]
    step: str
    trend: list[TrendPoint]
    chart: Chart
    exposures: list[ExposureFigures]
    escapes: list[Escape]
    notes: list[NoteCount]
    positioning: list[RoomMonth]


def analyse(transaction: Transaction, period: Period, lines: AnalysisSettings) -> RejectAnalysis:
    """The analysis of a period; the roll-up must be up to date."""
    logs = log_counts.of_period(transaction, period)
    logged = log_counts.rejected(logs.additions)
    counted = census.by_dimensions(transaction, period, [rollup.ALL, rollup.REASON, *DIMENSIONS])
    counted = log_counts.add_to(counted, logs.additions)
    total = counted[rollup.ALL][0] if counted[rollup.ALL] else AcquisitionCounts("")
    days = log_counts.add_to_days(census.by_day(transaction, period), logs.additions)
    step, trend = _trend(days, period)
    return RejectAnalysis(
        period=period,
        target_percent=lines.target_percent,
        action_percent=lines.action_percent,
        total=total,
        rejected=reject_rate(total),
        flagged=rate(total.flagged, total.judged),
        repeated=rate(total.repeated, total.images),
        coverage=rate(total.decided, total.flagged),
        sources=(*SOURCES, *(source.words for source in logs.sources)),
        logs=logs.sources,
        logged=logged[rollup.ALL, ""],
        escaped=rate(total.escaped, total.images),
        suspected=rate(total.suspected, total.images),
        level=_level(total, lines),
        groups={
            name: [_group(counts, lines, logged[name, counts.value]) for counts in counted[name]] for name in DIMENSIONS
        },
        reasons=_reasons(counted[rollup.REASON], total, logged),
        step=step,
        trend=trend,
        chart=p_chart([(point.counts.rejected, point.counts.images) for point in trend]),
        exposures=[_exposure(counts) for counts in counted["station"] if counts.di_count or counts.ei_count],
        escapes=[
            one
            for one in census.escapes(transaction, period, limit=LISTED_ESCAPES + len(logs.images))
            if one.digest not in logs.images
        ][:LISTED_ESCAPES],
        notes=census.notes(transaction, *period.moments),
        positioning=positionings.by_room_and_month(transaction, period),
    )


def _group(counts: AcquisitionCounts, lines: AnalysisSettings, logged: int) -> Group:
    return Group(
        value=counts.value,
        images=counts.images,
        rejected=reject_rate(counts),
        flagged=rate(counts.flagged, counts.judged),
        repeated=rate(counts.repeated, counts.images),
        coverage=rate(counts.decided, counts.flagged),
        level=_level(counts, lines),
        logged=logged,
    )


def reject_rate(counts: AcquisitionCounts) -> Rate:
    """The reject rate; its upper limit holds even if all unread flagged images are rejects."""
    confirmed_rate = rate(counts.rejected, counts.images)
    at_worst = min(counts.images, counts.rejected + counts.flagged - counts.decided)
    return replace(confirmed_rate, high=rate(at_worst, counts.images).high)


def _level(counts: AcquisitionCounts, lines: AnalysisSettings) -> Level:
    """The level of a rate; it is above the action line only if its whole interval is.

    A low rate means nothing if too few of the flagged images were read.
    """
    rejected = reject_rate(counts)
    if counts.images < LEAST_IMAGES or rejected.share is None or rejected.low is None:
        return Level.FEW
    if 100.0 * rejected.low > lines.action_percent:
        return Level.INVESTIGATE
    if 100.0 * rejected.share > lines.target_percent:
        return Level.ABOVE_TARGET
    is_read = 100.0 * counts.decided >= LEAST_DECIDED_PERCENT * counts.flagged
    return Level.FINE if is_read else Level.UNREAD


def _reasons(
    counted: Sequence[AcquisitionCounts], total: AcquisitionCounts, logged: Mapping[tuple[str, str], int]
) -> list[ReasonShare]:
    reasons = [
        ReasonShare(
            counts.value,
            REASON_WORDS.get(counts.value, counts.value) or NO_REASON,
            rate(counts.rejected, total.images),
            rate(counts.rejected, total.rejected),
            logged[rollup.REASON, counts.value],
        )
        for counts in counted
        if counts.rejected
    ]
    return sorted(reasons, key=lambda one: (-one.of_images.count, one.words))


def _exposure(counts: AcquisitionCounts) -> ExposureFigures:
    n = counts.di_count
    mean = counts.di_sum / n if n else None
    spread = None
    if mean is not None and n > 1:
        spread = math.sqrt(max(counts.di_squares - n * mean * mean, 0.0) / (n - 1))
    return ExposureFigures(
        value=counts.value,
        deviations=n,
        deviation=mean,
        spread=spread,
        low=rate(counts.di_low, n),
        high=rate(counts.di_high, n),
        exposure_indices=counts.ei_count,
        exposure_index=math.exp(counts.ei_log_sum / counts.ei_count) if counts.ei_count else None,
    )


def _trend(days: Sequence[tuple[date, AcquisitionCounts]], period: Period) -> tuple[str, list[TrendPoint]]:
    """One point for each day, week or month, with gaps where there were no images."""
    if not days:
        return "day", []
    length = (min(period.until, days[-1][0] + timedelta(days=1)) - max(period.since, days[0][0])).days
    step = "day" if length <= DAILY_UP_TO_DAYS else "week" if length <= WEEKLY_UP_TO_DAYS else "month"
    grouped: dict[date, list[AcquisitionCounts]] = {}
    for day, counts in days:
        grouped.setdefault(_start(day, step), []).append(counts)
    trend, at, last = [], _start(days[0][0], step), _start(days[-1][0], step)
    while at <= last:
        counts = total_of(grouped.get(at, []))
        trend.append(TrendPoint(at, counts, _exposure(counts)))
        at = _start(at + timedelta(days={"day": 1, "week": 7, "month": 31}[step]), step)
    return step, trend


def total_of(parts: Sequence[AcquisitionCounts]) -> AcquisitionCounts:
    """The sum of several counts."""
    names = [name for name in AcquisitionCounts.__dataclass_fields__ if name != "value"]
    return AcquisitionCounts("", **{name: sum(getattr(part, name) for part in parts) for name in names})


def _start(day: date, step: str) -> date:
    if step == "day":
        return day
    return day - timedelta(days=day.weekday()) if step == "week" else day.replace(day=1)
