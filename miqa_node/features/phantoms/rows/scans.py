"""Scans of phantoms with their values: written with the verdict, and withdrawn while the series is a patient's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from math import isfinite
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.instance import Header
from miqa_node.features.phantoms.origin import ScanOrigin
from miqa_node.features.phantoms.tables import phantom_kinds, phantom_scans, phantom_values
from miqa_node.features.phantoms.values import PhantomReadings, PhantomValue, Region, SliceRead
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.phrase_columns import loaded, stored
from miqa_node.stages.units.rows import series

_SCAN, _VALUE, _KIND = phantom_scans.c, phantom_values.c, phantom_kinds.c
_TEXTS = ("definition", "reason")


@dataclass(frozen=True, slots=True)
class PhantomScan:
    """What was measured of one stack of slices, and where it comes from."""

    readings: PhantomReadings
    origin: ScanOrigin


def replace_scans(
    transaction: Transaction, header: Header, digest: str, scans: Sequence[PhantomScan], now: datetime
) -> None:
    """Record the scans of a series in place of those of an earlier judgement, also of withdrawn ones.

    Slices of one stack may come under several UIDs of a series: it keeps the one that it was recorded with, and its
    place in time if no header has one.
    """
    uids, study = series.uids_of(transaction, header), header.study_instance_uid
    of_series = _SCAN.study_instance_uid == study, _SCAN.series_instance_uid.in_(uids)
    earlier = transaction.execute(
        sa.select(_SCAN.series_instance_uid, _SCAN.acquired_at).where(*of_series).order_by(_SCAN.acquired_at)
    ).first()
    uid = header.series_instance_uid if earlier is None else earlier.series_instance_uid
    first_at = now.replace(tzinfo=None) if earlier is None else earlier.acquired_at
    of_values = _VALUE.study_instance_uid == study, _VALUE.series_instance_uid.in_(uids)
    transaction.execute(sa.delete(phantom_values).where(*of_values))
    transaction.execute(sa.delete(phantom_scans).where(*of_series))
    for scan in scans:
        key = {"study_instance_uid": study, "series_instance_uid": uid, "stack": scan.readings.stack}
        row = key | asdict(scan.origin) | {
            "stacks": scan.readings.stacks,
            "digest": digest,
            "kind": scan.readings.kind,
            "machine": scan.origin.machine,
            "history": scan.origin.history(scan.readings.kind),
            "acquired_at": header.acquired_at or first_at,
            "measured_at": now,
        }  # fmt: skip
        transaction.execute(sa.insert(phantom_scans).values(row))
        values = [key | _value_row(place, one) for place, one in enumerate(scan.readings.values)]
        if values:
            transaction.execute(sa.insert(phantom_values), values)


def withdraw(transaction: Transaction, header: Header, now: datetime) -> None:
    """The series is a patient's: its values stay, and count no more."""
    transaction.execute(_own(transaction, header).where(_SCAN.withdrawn_at.is_(None)).values(withdrawn_at=now))


def restore(transaction: Transaction, header: Header) -> None:
    """It is a phantom's again, and its files are gone: the values of before count."""
    transaction.execute(_own(transaction, header).values(withdrawn_at=None))


def _own(transaction: Transaction, header: Header) -> sa.Update:
    uids = series.uids_of(transaction, header)
    return sa.update(phantom_scans).where(
        _SCAN.study_instance_uid == header.study_instance_uid, _SCAN.series_instance_uid.in_(uids)
    )


def name_kind(transaction: Transaction, study: str, uid: str, kind: str, actor: str, now: datetime) -> None:
    """Record which phantom a series shows, in place of what was said before."""
    key = _KIND.study_instance_uid == study, _KIND.series_instance_uid == uid
    transaction.execute(sa.delete(phantom_kinds).where(*key))
    row = {"study_instance_uid": study, "series_instance_uid": uid, "kind": kind, "actor": actor, "at": now}
    transaction.execute(sa.insert(phantom_kinds).values(row))


def kind_said(transaction: Transaction, header: Header) -> str:
    """The kind that a person named; empty if nobody did."""
    uids = series.uids_of(transaction, header)
    query = sa.select(_KIND.kind).where(
        _KIND.study_instance_uid == header.study_instance_uid, _KIND.series_instance_uid.in_(uids)
    )
    return transaction.execute(query.order_by(_KIND.at.desc())).scalars().first() or ""


def _value_row(place: int, one: PhantomValue) -> dict[str, Any]:
    reading: dict[str, Any] = {
        **stored(definition=one.definition, reason=one.reason),
        "source": one.source,
        "read_on": None if one.read_on is None else asdict(one.read_on),
        "regions": [asdict(region) for region in one.regions],
    }
    value = one.value if one.value is not None and isfinite(one.value) else None
    return {"name": one.name, "place": place, "value": value, "unit": one.unit, "reading": reading}


def value_of(row: sa.Row[Any]) -> PhantomValue:
    """A stored value as it was measured."""
    reading = row.reading
    texts = {name: loaded(reading[name], reading[f"{name}_phrase"]) for name in _TEXTS}
    read_on = None if reading["read_on"] is None else SliceRead(**reading["read_on"])
    regions = tuple(
        Region(one["graphic_type"], tuple((x, y) for x, y in one["points"]), one["label"]) for one in reading["regions"]
    )
    return PhantomValue(
        row.name, row.value, row.unit, texts["definition"], reading["source"], texts["reason"], read_on, regions
    )


def kinds_of(transaction: Transaction, studies: Collection[str]) -> dict[tuple[str, str], str]:
    """The kinds of measured series of studies, by study and series."""
    query = sa.select(_SCAN.study_instance_uid, _SCAN.series_instance_uid, _SCAN.kind)
    rows = transaction.execute(query.where(_SCAN.study_instance_uid.in_(studies)))
    return {(row.study_instance_uid, row.series_instance_uid): row.kind for row in rows}
