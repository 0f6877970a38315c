"""Reads the log: histories of machines and protocols, with their scans, values, signatures and limits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import sqlalchemy as sa

from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import NotFoundError
from miqa_node.features.phantoms.history import (
    DUE,
    LogScan,
    MachineChange,
    PhantomHistory,
    ScanKey,
    ScanSignature,
    ValueLimits,
)
from miqa_node.features.phantoms.origin import ScanOrigin
from miqa_node.features.phantoms.rows.scans import value_of
from miqa_node.features.phantoms.tables import (
    phantom_changes,
    phantom_limits,
    phantom_scans,
    phantom_signatures,
    phantom_values,
)
from miqa_node.features.phantoms.values import LOCALIZER, PhantomValue
from miqa_node.runtime.store.database import Transaction

MOST_SCANS = 20_000
"""The newest of a history that are read: a baseline is made of its first ones, which may lie years back."""
_SCAN, _VALUE = phantom_scans.c, phantom_values.c
_KEY = ("study_instance_uid", "series_instance_uid", "stack")
_OF_SCAN = sa.and_(*(_VALUE[name] == _SCAN[name] for name in _KEY))
_ORIGIN = tuple(field.name for field in fields(ScanOrigin))
NOTHING = Phrase("Nothing could be measured.")
_IN_FORCE = _SCAN.withdrawn_at.is_(None)


def page(transaction: Transaction, *, limit: int, offset: int = 0) -> list[PhantomHistory]:
    """Histories, those with the newest scans first."""
    newest = sa.func.max(_SCAN.acquired_at)
    query = sa.select(_SCAN.history).where(_IN_FORCE).group_by(_SCAN.history).order_by(newest.desc(), _SCAN.history)
    names = transaction.execute(query.limit(limit).offset(offset)).scalars().all()
    return [_history(transaction, name) for name in names]


def count(transaction: Transaction) -> int:
    """Number of histories."""
    query = sa.select(sa.func.count(_SCAN.history.distinct())).where(_IN_FORCE)
    return transaction.execute(query).scalar_one()


def load(transaction: Transaction, history: str) -> PhantomHistory:
    """One of them; NotFoundError if there is none of that name, or all its scans were withdrawn."""
    exists = sa.select(_SCAN.history).where(_SCAN.history == history, _IN_FORCE).limit(1)
    if transaction.execute(exists).first() is None:
        raise NotFoundError("There is no history of phantoms of that name, or all its scans were withdrawn.")
    return _history(transaction, history)


def all_of(transaction: Transaction, history: str = "") -> list[PhantomHistory]:
    """One history; all of them for an empty name."""
    return [load(transaction, history)] if history else page(transaction, limit=count(transaction))


def with_any_limits(transaction: Transaction) -> list[PhantomHistory]:
    """Histories of kinds of phantom that have limits: no other can fail or be overdue."""
    limited = sa.select(phantom_limits.c.kind)
    query = sa.select(_SCAN.history).where(_IN_FORCE, _SCAN.kind.in_(limited)).distinct().order_by(_SCAN.history)
    return [_history(transaction, name) for name in transaction.execute(query).scalars().all()]


def withdrawn_scans(transaction: Transaction, history: str) -> list[LogScan]:
    """Scans of a history that count no more, since a person said that they show a patient; the newest first."""
    where = _SCAN.history == history, _SCAN.withdrawn_at.is_not(None)
    rows = transaction.execute(sa.select(phantom_scans).where(*where).order_by(_SCAN.withdrawn_at.desc())).all()
    numbers, signatures = _numbers(transaction, history), _signatures(transaction, rows)
    return [_scan(row, numbers, signatures) for row in rows]


def values_of(transaction: Transaction, key: ScanKey) -> list[PhantomValue]:
    """All values of a scan in their order, with where they were read."""
    query = sa.select(phantom_values).where(*_is(phantom_values, key)).order_by(_VALUE.place)
    return [value_of(row) for row in transaction.execute(query)]


def with_own_limits(transaction: Transaction, one: PhantomHistory) -> list[PhantomHistory]:
    """Other machines and protocols with the same kind of phantom that have limits of their own."""
    of = phantom_limits.c
    query = sa.select(of.history).where(of.kind == one.kind, of.history.not_in(["", one.history])).distinct()
    names = transaction.execute(query.order_by(of.history)).scalars().all()
    here = sa.select(_SCAN.history).where(_SCAN.history.in_(names), _IN_FORCE).distinct()
    return [_history(transaction, name) for name in transaction.execute(here).scalars()]


def without_own_limits(transaction: Transaction, one: PhantomHistory) -> list[PhantomHistory]:
    """Other machines and protocols with the same kind of phantom that have none."""
    own = sa.select(phantom_limits.c.history).where(phantom_limits.c.kind == one.kind)
    others = _SCAN.kind == one.kind, _SCAN.history != one.history, _SCAN.history.not_in(own), _IN_FORCE
    names = transaction.execute(sa.select(_SCAN.history).where(*others).distinct().order_by(_SCAN.history)).scalars()
    return [_history(transaction, name) for name in names.all()]


def row_of(transaction: Transaction, key: ScanKey) -> sa.Row[Any]:
    """The row of a scan in force; NotFoundError if there is none."""
    row = transaction.execute(sa.select(phantom_scans).where(*_is(phantom_scans, key), _IN_FORCE)).first()
    if row is None:
        raise NotFoundError("The node has no values of this scan in force.")
    return row


def has_value(transaction: Transaction, kind: str, name: str) -> bool:
    """Whether scans of a kind of phantom have a value of this name, or one on several slices."""
    named = sa.or_(_VALUE.name == name, _VALUE.name.startswith(f"{name}.slice_", autoescape=True))
    query = sa.select(_VALUE.name).join(phantom_scans, _OF_SCAN).where(_SCAN.kind == kind, named).limit(1)
    return transaction.execute(query).first() is not None


def _history(transaction: Transaction, history: str) -> PhantomHistory:
    query = sa.select(phantom_scans).where(_SCAN.history == history, _IN_FORCE)
    newest = query.order_by(_SCAN.acquired_at.desc(), _SCAN.measured_at.desc(), _SCAN.series_instance_uid)
    rows = transaction.execute(newest.limit(MOST_SCANS)).all()[::-1]
    last = rows[-1]
    numbers, signatures = _numbers(transaction, history), _signatures(transaction, rows)
    named = _named(transaction, history)
    one = PhantomHistory(
        history,
        last.machine,
        last.kind,
        [_scan(row, numbers, signatures) for row in rows],
        {row.name: row.unit for row in reversed(named)},
        [row.name for row in named if row.newest == named[0].newest],
        limits_of(transaction, last.kind, history),
        changes_of(transaction, last.machine),
    )
    return _with_missing(transaction, one) if one.limits else one


def _with_missing(transaction: Transaction, one: PhantomHistory) -> PhantomHistory:
    """The same, whose scans say which values with a limit they lack, and why."""
    limited = [name for name in one.units if one.limits_of(name) is not None]
    # A series that no measure took has not even rows of values, which would have said why.
    of_none = dict.fromkeys(limited or [limits.name for limits in one.limits if limits.name != DUE], NOTHING)
    reasons = _reasons(transaction, one.history)

    def missing(scan: LogScan) -> Mapping[str, str]:
        if not scan.numbers and scan.key not in reasons:
            return of_none
        why = reasons.get(scan.key, {})
        return {name: why[name] for name in why if name in limited and why[name] != LOCALIZER}

    return replace(one, scans=[replace(scan, missing=missing(scan)) for scan in one.scans])


def _reasons(transaction: Transaction, history: str) -> Mapping[ScanKey, Mapping[str, str]]:
    """Why values could not be measured, by name, of all scans of a history that lack any."""
    query = (
        sa.select(phantom_values)
        .join(phantom_scans, _OF_SCAN)
        .where(_SCAN.history == history, _VALUE.value.is_(None))
        .order_by(_VALUE.place)
    )
    reasons: dict[ScanKey, dict[str, str]] = defaultdict(dict)
    for row in transaction.execute(query):
        reasons[_key(row)][row.name] = value_of(row).reason
    return reasons


def limits_of(transaction: Transaction, kind: str, history: str = "") -> list[ValueLimits]:
    """Limits for all histories of a kind, and for this one."""
    of = phantom_limits.c
    query = sa.select(phantom_limits).where(of.kind == kind, of.history.in_(["", history])).order_by(of.name)
    return [ValueLimits(**row) for row in transaction.execute(query).mappings()]


def changes_of(transaction: Transaction, machine: str) -> list[MachineChange]:
    """What people say was changed at a machine, in order."""
    of = phantom_changes.c
    query = sa.select(of.change_id, of.on_day, of.what, of.actor, of.at).where(of.machine == machine)
    return [MachineChange(*row) for row in transaction.execute(query.order_by(of.on_day, of.change_id))]


def _numbers(transaction: Transaction, history: str) -> Mapping[ScanKey, Mapping[str, float]]:
    """The numbers of all scans of a history: thin rows, without what they were read on."""
    query = (
        sa.select(*(_VALUE[name] for name in _KEY), _VALUE.name, _VALUE.value)
        .join(phantom_scans, _OF_SCAN)
        .where(_SCAN.history == history, _VALUE.value.is_not(None))
        .order_by(_VALUE.place)
    )
    numbers: dict[ScanKey, dict[str, float]] = defaultdict(dict)
    for *key, name, value in transaction.execute(query):
        numbers[ScanKey(*key)][name] = value
    return numbers


def _named(transaction: Transaction, history: str) -> Sequence[Any]:
    """Name, unit and newest scan of all values of a history, those of the newest scan first."""
    newest, place = sa.func.max(_SCAN.acquired_at).label("newest"), sa.func.min(_VALUE.place)
    query = sa.select(_VALUE.name, _VALUE.unit, newest).join(phantom_scans, _OF_SCAN)
    query = query.where(_SCAN.history == history, _IN_FORCE).group_by(_VALUE.name, _VALUE.unit)
    return transaction.execute(query.order_by(newest.desc(), place)).all()


def _signatures(transaction: Transaction, rows: Iterable[sa.Row[Any]]) -> Mapping[ScanKey, Sequence[ScanSignature]]:
    """Of scans, in order of time."""
    of, measured = phantom_signatures.c, {_key(row): row.measured_at for row in rows}
    studies = sorted({key.study_instance_uid for key in measured})
    signatures: dict[ScanKey, list[ScanSignature]] = defaultdict(list)
    query = sa.select(phantom_signatures).where(of.study_instance_uid.in_(studies)).order_by(of.signature_id)
    for row in transaction.execute(query):
        key = _key(row)
        if key in measured:
            of_before = row.measured_at < measured[key]
            signatures[key].append(ScanSignature(row.actor, row.at, row.comment, of_before))
    return signatures


def _key(row: sa.Row[Any]) -> ScanKey:
    return ScanKey(row.study_instance_uid, row.series_instance_uid, row.stack)


def _is(table: sa.Table, key: ScanKey) -> Sequence[sa.ColumnElement[bool]]:
    return [table.c[name] == getattr(key, name) for name in _KEY]


def _scan(
    row: sa.Row[Any],
    numbers: Mapping[ScanKey, Mapping[str, float]],
    signatures: Mapping[ScanKey, Sequence[ScanSignature]],
) -> LogScan:
    key = _key(row)
    origin = ScanOrigin(**{name: getattr(row, name) for name in _ORIGIN})
    return LogScan(
        key, row.digest, row.stacks, origin, row.acquired_at, row.measured_at, numbers.get(key, {}),
        signatures.get(key, ()), row.withdrawn_at,
    )  # fmt: skip
