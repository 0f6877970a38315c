"""What is usual among the series of a scanner with its software, a protocol and a body part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from miqa_node.core.domain.measurand import MEASUREMENTS, Measurand
from miqa_node.core.domain.reason_texts import NOISES, NOISIER
from miqa_node.core.domain.usual_range import UsualRange
from miqa_node.libraries.plain_statistics.robust import robust_range

LEAST_SERIES, LEAST_SPAN = 20, timedelta(days=14)
"""Below either, nothing is usual or unusual."""
SOON_SPAN = timedelta(days=5)
"""The same of what radiographs tell of noise, sharpness, contrast and exposure: a room takes many a day."""


@dataclass(frozen=True, slots=True)
class RangeShift:
    """From ``at`` on the median of a measurement was another one."""

    at: datetime
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class MeasurementRange:
    """The usual range of one measurement, from ``series`` series since ``since``, with its changes of level.

    ``outside`` of these series lie outside it. If that is more than one and more than the share that may be flagged of
    a room, the range is not ``within_budget``: it tells, and flags nothing.
    """

    measurement: str
    unit: str
    median: float
    spread: float
    low: float
    high: float
    series: int
    since: datetime
    shifts: tuple[RangeShift, ...] = ()
    outside: int = 0
    within_budget: bool = True


@dataclass(frozen=True, slots=True)
class UnusualNumber:
    """A number outside the usual range of the series before it."""

    measurement: str
    unit: str
    value: float
    median: float
    low: float
    high: float
    series: int
    since: datetime

    @property
    def is_above(self) -> bool:
        """Whether it is above the range, not below."""
        return self.value > self.high

    @property
    def words(self) -> str:
        """What is unusual, as people say it; empty where the name of the measurement says enough."""
        return NOISIER if self.is_above and self.measurement in NOISES else ""


@dataclass(frozen=True, slots=True)
class SeriesNumbers:
    """What was measured of one series: numbers by (measurement, unit)."""

    at: datetime
    numbers: Mapping[tuple[str, str], float]


def is_enough(count: int, first_at: datetime, last_at: datetime, *, soon: bool = False) -> bool:
    """Whether so many series over that time tell what is usual; ``soon``: of what is learned in five days."""
    return count >= LEAST_SERIES and last_at - first_at >= (SOON_SPAN if soon else LEAST_SPAN)


def ranges_of(history: Sequence[SeriesNumbers], budget: float) -> list[MeasurementRange]:
    """The usual range of each measurement that enough series have.

    ``history`` is in order of time, ``budget`` the share of images that may be flagged of a room, in 0 … 1.
    """
    columns: dict[tuple[str, str], list[tuple[datetime, float]]] = {}
    for series in history:
        for key, number in series.numbers.items():
            columns.setdefault(key, []).append((series.at, number))
    return [
        _range_of(measurand, unit, column, budget)
        for (name, unit), column in sorted(columns.items())
        if (measurand := ranged(name))
        and is_enough(len(column), column[0][0], column[-1][0], soon=measurand.is_learned_soon)
    ]


def flagging(ranges: Iterable[MeasurementRange], *, of_radiographs: bool = False) -> tuple[UsualRange, ...]:
    """Those that may flag once a person confirmed them: of series, and within the budget of a place.

    What is learned soon, ``of_radiographs``, is learned by each room; people confirmed it earlier.
    """
    return tuple(
        UsualRange(one.measurement, one.unit, one.low, one.high, one.series, one.since)
        for one in ranges
        if one.within_budget and (of_radiographs or not is_learned_soon(one))
    )


def is_learned_soon(one: MeasurementRange) -> bool:
    """Whether it is a range of noise, sharpness, contrast or exposure of radiographs."""
    measurand = ranged(one.measurement)
    return measurand is not None and measurand.is_learned_soon


def ranged(name: str) -> Measurand | None:
    """The measurement of that name, if it has usual ranges."""
    measurand = MEASUREMENTS.all().get(name)
    return measurand if measurand is not None and measurand.has_usual_range else None


def _range_of(
    measurand: Measurand, unit: str, column: Sequence[tuple[datetime, float]], budget: float
) -> MeasurementRange:
    from miqa_node.libraries.plain_statistics.level_shifts import level_shifts  # noqa: PLC0415 - loads numpy; lists need none

    numbers = [number for _, number in column]
    tolerance = measurand.least_spread, measurand.least_spread_share
    usual = robust_range(numbers, *tolerance, measurand.scale, measurand.spreads)
    shifts = tuple(
        RangeShift(column[one.index][0], one.before, one.after)
        for one in level_shifts(numbers, measurand.spread_around(usual.median))
    )
    outside = sum(not measurand.scale.holds(usual.low, usual.high, number) for number in numbers)
    return MeasurementRange(
        measurand.name,
        unit,
        usual.median,
        usual.spread,
        usual.low,
        usual.high,
        usual.count,
        column[0][0],
        shifts,
        outside,
        within_budget=outside <= max(1.0, budget * usual.count),  # of twenty series one is .05
    )


def unusual_among(series: SeriesNumbers, ranges: Iterable[MeasurementRange]) -> list[UnusualNumber]:
    """The numbers of a series that are outside the ranges, the farthest first."""
    distances: list[tuple[float, UnusualNumber]] = []
    for one in ranges:
        number, measurand = series.numbers.get((one.measurement, one.unit)), ranged(one.measurement)
        if number is None or measurand is None or measurand.scale.holds(one.low, one.high, number):
            continue
        distance = measurand.scale.distance(one.low, one.high, number, measurand.least_spread)
        unusual = UnusualNumber(one.measurement, one.unit, number, one.median, one.low, one.high, one.series, one.since)
        distances.append((distance, unusual))
    return [unusual for _, unusual in sorted(distances, key=lambda item: -item[0])]
