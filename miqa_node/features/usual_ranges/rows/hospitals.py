"""Gives series to the histories of their hospitals: those of earlier versions, and after patients were read again.

Only of scanners without serial number; no other part of a history depends on whose patients they are.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import sqlalchemy as sa

from miqa_node.core.domain.scanner_protocol import ScannerProtocol, hospital
from miqa_node.features.usual_ranges.rows import history
from miqa_node.features.usual_ranges.rows.changes import scanner_of
from miqa_node.features.usual_ranges.tables import usual_baselines, usual_series
from miqa_node.runtime.site_records import confirmed_ranges
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import instances, patients

_IMAGES = instances.outerjoin(patients, patients.c.patient_number == instances.c.patient_number)
_AUTHORITY = sa.func.coalesce(patients.c.authority, "")


@dataclass(frozen=True, slots=True)
class SeriesMove:
    """Series of one history whose patients are those of another authority; ``is_only``: none go elsewhere."""

    baseline: str
    authority: str
    is_only: bool = True


def moves(transaction: Transaction) -> list[SeriesMove]:
    """All that should be moved."""
    of = usual_baselines.c
    query = (
        sa.select(of.baseline, of.authority.label("own"), _AUTHORITY.label("authority"))
        .select_from(usual_series)
        .join(usual_baselines, of.baseline == usual_series.c.baseline)
        .join(instances, instances.c.digest == usual_series.c.digest)
        .join(patients, patients.c.patient_number == instances.c.patient_number, isouter=True)
        .where(of.serial_number == "", of.authority != _AUTHORITY)
        .distinct()
    )
    rows = transaction.execute(query).all()
    pairs = [(row.baseline, row.authority) for row in rows if hospital(row.authority) != row.own]
    numbers = Counter(baseline for baseline, _ in pairs)
    return [SeriesMove(baseline, authority, numbers[baseline] == 1) for baseline, authority in pairs]


def move(transaction: Transaction, one: SeriesMove) -> list[str]:
    """Move the series; returns the histories whose ranges must be made anew.

    What was unusual among the series before it, as they were then, stays so. A history that goes as a whole stays
    confirmed; of others no range flags until it is made anew.
    """
    row = transaction.execute(sa.select(usual_baselines).where(usual_baselines.c.baseline == one.baseline)).first()
    if row is None:  # erased in the meantime
        return []
    target: ScannerProtocol = replace(scanner_of(row), authority=hospital(one.authority))
    is_new = history.begin(transaction, target, row.first_at)
    own = sa.select(_AUTHORITY).select_from(_IMAGES).where(instances.c.digest == usual_series.c.digest)
    theirs = usual_series.c.baseline == one.baseline, own.scalar_subquery() == one.authority
    transaction.execute(sa.update(usual_series).where(*theirs).values(baseline=target.baseline))
    histories = [baseline for baseline in (one.baseline, target.baseline) if _count(transaction, baseline)]
    if is_new and one.is_only and one.baseline not in histories:
        confirmed_ranges.rename(transaction, one.baseline, target.baseline)
    for baseline in {one.baseline, target.baseline} - set(histories):
        confirmed_ranges.forget(transaction, baseline)
    for baseline in histories:
        confirmed_ranges.follow(transaction, baseline, ())
    return histories


def _count(transaction: Transaction, baseline: str) -> bool:
    """Count the series of a history again and forget its ranges, or it, if it has none; returns whether it has."""
    of = usual_series.c
    count = sa.func.count().label("series")
    ends = sa.func.min(of.at).label("first_at"), sa.func.max(of.at).label("last_at")
    row = transaction.execute(sa.select(count, *ends).where(of.baseline == baseline)).one()
    own = usual_baselines.c.baseline == baseline
    if not row.series:
        transaction.execute(sa.delete(usual_baselines).where(own))
        return False
    values = {"series": row.series, "first_at": row.first_at, "last_at": row.last_at, "ranged_series": 0, "ranges": []}
    transaction.execute(sa.update(usual_baselines).where(own).values(values))
    return True
