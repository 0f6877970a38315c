"""What updates and exchanges changed on scanners: each began new histories.

Two hospitals may have scanners that only the authority of the patients tells apart. Which of them another one followed,
and which go on beside each other, is told by their series.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.scanner_protocol import FIELDS, ScannerProtocol
from miqa_node.features.usual_ranges.tables import usual_baselines
from miqa_node.runtime.store.database import Transaction

MOST_CHANGES = 100
Spans = Mapping[str, tuple[datetime, datetime]]
"""The first and the last series by authority, of all protocols of a station and a modality."""


@dataclass(frozen=True, slots=True)
class ScannerChange:
    """What an exchange or an update changed: the attribute of DICOM, before and now; ``at`` is the first series."""

    at: datetime
    station: str
    modality: str
    attribute: str
    before: str
    now: str
    authority: str = ""
    """Of the scanner now; empty if it has a serial number, or where there is only one hospital."""
    earlier: str = field(default="", compare=False)
    """The short name of the history that it ended, of changes of one protocol."""


@dataclass(frozen=True, slots=True)
class _Beginning:
    """A scanner, or its history of one protocol, and when it began."""

    at: datetime
    scanner: ScannerProtocol


def changes_at(transaction: Transaction, scanner: ScannerProtocol, first_at: datetime) -> tuple[ScannerChange, ...]:
    """What distinguishes a baseline from the one in its place that began last before it."""
    of = usual_baselines.c
    place = of.station == scanner.station, of.modality == scanner.modality
    same = (of[name] == getattr(scanner, name) for name in ("protocol", "kernel", "body_part", "view"))
    columns = *(of[name] for name in FIELDS), of.first_at
    query = sa.select(*columns).where(*place, *same, of.first_at < first_at).order_by(of.first_at)
    earlier = [_Beginning(row.first_at, scanner_of(row)) for row in transaction.execute(query)]
    if not earlier:
        return ()
    ends = sa.select(of.authority, sa.func.min(of.first_at), sa.func.max(of.last_at)).where(*place)
    rows = transaction.execute(ends.group_by(of.authority)).all()
    spans = {authority: (first, last) for authority, first, last in rows}
    return tuple(_changes(_Beginning(first_at, scanner), earlier, spans))


def scanner_changes(transaction: Transaction, station: str = "") -> list[ScannerChange]:
    """Changes of software and devices, of all protocols of a scanner together, the newest first."""
    of = usual_baselines.c
    same = (of.station, of.modality, of.device, of.serial_number, of.software, of.authority)
    ends = sa.func.min(of.first_at).label("first_at"), sa.func.max(of.last_at).label("last_at")
    query = sa.select(*same, *ends).where(*of_station(station)).group_by(*same).order_by("first_at")
    by_place: dict[tuple[str, str], list[Any]] = {}
    for row in transaction.execute(query):
        by_place.setdefault((row.station, row.modality), []).append(row)
    changes = [one for rows in by_place.values() for one in _changes_of_place(rows)]
    return sorted(changes, key=lambda one: one.at, reverse=True)[:MOST_CHANGES]


def _changes_of_place(rows: Sequence[Any]) -> Iterable[ScannerChange]:
    spans: dict[str, tuple[datetime, datetime]] = {}
    for row in rows:
        first, last = spans.get(row.authority, (row.first_at, row.last_at))
        spans[row.authority] = min(first, row.first_at), max(last, row.last_at)
    beginnings = [_Beginning(row.first_at, _scanner_alone(row)) for row in rows]
    for place, now in enumerate(beginnings):
        yield from _changes(now, beginnings[:place], spans)


def _scanner_alone(row: Any) -> ScannerProtocol:
    """The scanner without a protocol."""
    of = row.modality, row.station, row.device, row.serial_number, row.software
    return ScannerProtocol(*of, protocol="", kernel="", body_part="", view="", authority=row.authority)


def _changes(now: _Beginning, earlier: Sequence[_Beginning], spans: Spans) -> Iterable[ScannerChange]:
    """Against the last one before it of its own authority, else of one that ended; nothing if it is the first."""
    own = [one for one in earlier if one.scanner.authority == now.scanner.authority]
    ended = [one for one in earlier if _is_ended(spans, one.scanner.authority, now.scanner.authority)]
    for before in (own or ended)[-1:]:
        for change in now.scanner.changes_since(before.scanner):
            earlier_name = before.scanner.baseline if now.scanner.protocol or now.scanner.body_part else ""
            yield ScannerChange(
                now.at, now.scanner.station, now.scanner.modality, *change, authority=now.scanner.authority,
                earlier=earlier_name,
            )  # fmt: skip


def _is_ended(spans: Spans, other: str, own: str) -> bool:
    """Whether the other one has no series in the second half of the time of this one.

    After a hospital was renamed, some patients come under the earlier name for a while; another hospital goes on.
    """
    first, last = spans[own]
    return spans[other][1] < first + (last - first) / 2


def scanner_of(row: sa.Row[Any]) -> ScannerProtocol:
    """The scanner and protocol of a baseline's row."""
    return ScannerProtocol(**{name: getattr(row, name) for name in FIELDS})


def of_station(station: str) -> Sequence[sa.ColumnElement[bool]]:
    """Baselines of a station; of all if it is empty."""
    return [usual_baselines.c.station == station] if station else []
