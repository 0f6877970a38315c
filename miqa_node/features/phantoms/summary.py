"""The log as programs get it: rows with their last values, and one row with all its scans."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from miqa_node.features.phantoms.history import (
    ChangePoint,
    MachineChange,
    PhantomHistory,
    QualityLevel,
    ScanSignature,
    ValueLimits,
)
from miqa_node.features.phantoms.origin import ScanOrigin


@dataclass(frozen=True, slots=True)
class LogValue:
    """A value with the baseline that it is compared with, and what the site's limits say of it."""

    name: str
    value: float
    unit: str
    baseline: float | None
    level: QualityLevel


@dataclass(frozen=True, slots=True)
class MissingValue:
    """A value that has a limit and could not be measured: without it the scan does not pass."""

    name: str
    unit: str
    reason: str
    level: QualityLevel


@dataclass(frozen=True, slots=True)
class ScanSummary:
    """One scan; ``acquired_at`` is on the scanner's clock."""

    study_instance_uid: str
    series_instance_uid: str
    stack: int
    stacks: int
    acquired_at: datetime
    measured_at: datetime
    level: QualityLevel
    baseline_since: datetime
    values: list[LogValue]
    signatures: list[ScanSignature]
    not_measured: list[MissingValue]


@dataclass(frozen=True, slots=True)
class LogRow:
    """One machine, protocol and kind of phantom, with its newest scan."""

    history: str
    kind: str
    origin: ScanOrigin
    scans: int
    changes: list[ChangePoint]
    last: ScanSummary


@dataclass(frozen=True, slots=True)
class LogDetail:
    """A row with all its scans, oldest first, its limits and the changes of the machine that people recorded."""

    row: LogRow
    scans: list[ScanSummary]
    limits: list[ValueLimits]
    machine_changes: list[MachineChange]


def scan_summary(history: PhantomHistory, index: int) -> ScanSummary:
    """A scan of a history."""
    scan = history.scans[index]
    values = [
        LogValue(
            name, value, history.units.get(name, ""), history.baseline(name, index), history.level(name, index)
        )
        for name, value in scan.numbers.items()
    ]  # fmt: skip
    missing = [
        MissingValue(name, history.units.get(name, ""), reason, history.level(name, index))
        for name, reason in scan.missing.items()
    ]
    since = history.scans[history.start(index)].acquired_at
    return ScanSummary(
        scan.key.study_instance_uid, scan.key.series_instance_uid, scan.key.stack, scan.stacks, scan.acquired_at,
        scan.measured_at, history.level_of_scan(index), since, values, list(scan.signatures), missing,
    )  # fmt: skip


def log_row(history: PhantomHistory) -> LogRow:
    """A row of the log."""
    last = scan_summary(history, len(history.scans) - 1)
    changes = list(history.changes)
    return LogRow(history.history, history.kind, history.last.origin, len(history.scans), changes, last)


def log_detail(history: PhantomHistory) -> LogDetail:
    """All of a history."""
    scans = [scan_summary(history, index) for index in range(len(history.scans))]
    return LogDetail(log_row(history), scans, list(history.limits), list(history.noted))
