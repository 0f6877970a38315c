"""A scanner with its software, a protocol and a body part, and what is usual among its series."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime, timedelta

from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.measurand import MEASUREMENTS, Measurand
from miqa_node.core.statistics.robust import robust_range

LEAST_SERIES, LEAST_SPAN = 20, timedelta(days=14)
"""Below either, nothing is usual or unusual."""
MOST_TEXT = 128
AUTHORITY = "Issuer of Patient ID"
"""The attribute by which people know an authority."""


@dataclass(frozen=True, slots=True)
class ScannerProtocol:
    """What series must have in common to be compared; empty where the header does not say it.

    ``serial_number`` is Device Serial Number, or Detector ID of a radiograph. ``kernel`` is Convolution Kernel: one CT
    protocol may be reconstructed several times, with noise that differs threefold. ``authority`` is who assigned the
    Patient IDs, by which the node tells hospitals apart; empty where the serial number already names the scanner.
    """

    modality: str
    station: str
    device: str
    serial_number: str
    software: str
    protocol: str
    kernel: str
    body_part: str
    view: str
    authority: str = ""

    @property
    def baseline(self) -> str:
        """The short name of its history; without authority that of the versions that did not know it."""
        parts = astuple(self) if self.authority else astuple(self)[:-1]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    @property
    def which(self) -> str:
        """What tells it from other scanners of its station name; empty if nothing is known."""
        return self.serial_number or self.authority

    @property
    def words(self) -> str:
        """Protocol, kernel, body part and view, as people read them."""
        return ", ".join(filter(None, (self.protocol, self.kernel, self.body_part, self.view)))

    def changes_since(self, before: ScannerProtocol) -> tuple[tuple[str, str, str], ...]:
        """(attribute, before, now) of what a service or an exchange of the scanner changed."""
        named = (
            ("Software Versions", before.software, self.software),
            ("Device Serial Number", before.serial_number, self.serial_number),
            ("Manufacturer's Model Name", before.device, self.device),
        )
        # A serial number in either takes the place of the authority.
        whose = () if self.serial_number or before.serial_number else ((AUTHORITY, before.authority, self.authority),)
        return tuple(one for one in (*named, *whose) if one[1] != one[2])


def protocol_of(header: Header, sender: str, description: str, authority: str) -> ScannerProtocol | None:
    """What a series is compared by; None if an earlier version read its header, without the protocol.

    ``description`` is Series Description, which counts where Protocol Name is empty; ``sender`` a station without name.
    ``authority`` is who assigned the Patient ID.
    """
    if header.protocol_name is None:
        return None
    return ScannerProtocol(
        header.modality[:16],
        _plain(header.station_name or sender),
        _plain(f"{header.manufacturer} {header.manufacturer_model_name}"),
        _plain(header.detector_id),
        _plain(header.software_versions),
        _plain(header.protocol_name or description).upper(),
        _plain(header.convolution_kernel),
        _plain(header.body_part_examined),
        _plain(header.view_position),
        "" if _plain(header.detector_id) else hospital(authority),
    )


def hospital(authority: str) -> str:
    """An authority as scanners have it: long ones that differ stay different.

    >>> hospital("NORTH"), len(hospital(500 * "N")), hospital(500 * "N") == hospital(500 * "N" + "S")
    ('NORTH', 128, False)
    """
    if len(authority) <= MOST_TEXT:
        return authority
    mark = hashlib.sha256(authority.encode()).hexdigest()[:8]
    return f"{authority[: MOST_TEXT - 9]} {mark}"


def _plain(text: str) -> str:
    """With single spaces, so that a slip of the keyboard makes no other protocol."""
    return " ".join(text.replace("\\", " ").split())[:MOST_TEXT]


@dataclass(frozen=True, slots=True)
class RangeShift:
    """From ``at`` on the median of a measurement was another one."""

    at: datetime
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class MeasurementRange:
    """The usual range of one measurement, from ``series`` series since ``since``, with its changes of level."""

    measurement: str
    unit: str
    median: float
    spread: float
    low: float
    high: float
    series: int
    since: datetime
    shifts: tuple[RangeShift, ...] = ()


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


@dataclass(frozen=True, slots=True)
class SeriesNumbers:
    """What was measured of one series: numbers by (measurement, unit)."""

    at: datetime
    numbers: Mapping[tuple[str, str], float]


def is_enough(count: int, first_at: datetime, last_at: datetime) -> bool:
    """Whether so many series over that time tell what is usual."""
    return count >= LEAST_SERIES and last_at - first_at >= LEAST_SPAN


def ranges_of(history: Sequence[SeriesNumbers]) -> list[MeasurementRange]:
    """The usual range of each measurement that enough series have; ``history`` is in order of time."""
    columns: dict[tuple[str, str], list[tuple[datetime, float]]] = {}
    for series in history:
        for key, number in series.numbers.items():
            columns.setdefault(key, []).append((series.at, number))
    return [
        _range_of(measurand, unit, column)
        for (name, unit), column in sorted(columns.items())
        if (measurand := ranged(name)) and is_enough(len(column), column[0][0], column[-1][0])
    ]


def ranged(name: str) -> Measurand | None:
    """The measurement of that name, if it has usual ranges."""
    measurand = MEASUREMENTS.all().get(name)
    return measurand if measurand is not None and measurand.has_usual_range else None


def _range_of(measurand: Measurand, unit: str, column: Sequence[tuple[datetime, float]]) -> MeasurementRange:
    from miqa_node.core.statistics.level_shifts import level_shifts  # noqa: PLC0415 - loads numpy; lists need none

    numbers = [number for _, number in column]
    usual = robust_range(numbers, measurand.least_spread, measurand.least_spread_share, measurand.scale)
    shifts = tuple(
        RangeShift(column[one.index][0], one.before, one.after)
        for one in level_shifts(numbers, measurand.spread_around(usual.median))
    )
    return MeasurementRange(
        measurand.name, unit, usual.median, usual.spread, usual.low, usual.high, usual.count, column[0][0], shifts
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


FIELDS = tuple(field.name for field in fields(ScannerProtocol))
