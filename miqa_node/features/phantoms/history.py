"""The history of one machine, protocol and kind of phantom: its scans, their baseline, and what limits say of them.

No limit is shipped: a value is judged by limits that the site sets, of the value itself or of its distance from the
baseline, the median of the first scans since something was exchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import islice, pairwise
from statistics import median

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.origin import ScanOrigin
from miqa_node.features.phantoms.titles import head_of_slices, main_names

DUE = "days_between_scans"
"""Limits of this name are of no value: their upper one says after how many days the next scan is due."""
BASELINE_SCANS = 5
"""A baseline is the median of so many scans, the first ones, or of fewer if there are no more."""


class QualityLevel(StrEnum):
    """What limits say of a value; the worse comes later."""

    UNJUDGED = "no_limit"
    PASS = "pass"  # noqa: S105 - a word, no secret
    NOT_MEASURED = "not_measured"
    WARN = "warn"
    FAIL = "fail"


ORDER = tuple(QualityLevel)
LEVEL_WORDS: Mapping[QualityLevel, Phrase] = {
    QualityLevel.UNJUDGED: Phrase("No limit set"),
    QualityLevel.PASS: Phrase("Pass"),
    QualityLevel.NOT_MEASURED: Phrase("Not measured"),
    QualityLevel.WARN: Phrase("Warn"),
    QualityLevel.FAIL: Phrase("Fail"),
}


def worst(levels: Sequence[QualityLevel]) -> QualityLevel:
    """The worst of several; without any there is no limit."""
    return max(levels, key=ORDER.index, default=QualityLevel.UNJUDGED)


@dataclass(frozen=True, slots=True)
class ValueLimits:
    """Limits that a person set for a value, all in its unit; None is none.

    A value below ``low`` or above ``high`` fails, and one farther from its baseline than ``fail_reach``.
    """

    kind: str
    history: str
    """Empty: they are for all machines and protocols of the kind."""
    name: str
    low: float | None
    high: float | None
    warn_reach: float | None
    fail_reach: float | None
    actor: str = ""
    at: datetime | None = None

    def level(self, value: float, baseline: float | None) -> QualityLevel:
        """What they say of a value."""
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            return QualityLevel.FAIL
        away = None if baseline is None else abs(value - baseline)
        if away is not None and self.fail_reach is not None and away > self.fail_reach:
            return QualityLevel.FAIL
        if away is not None and self.warn_reach is not None and away > self.warn_reach:
            return QualityLevel.WARN
        return QualityLevel.PASS

    @property
    def numbers(self) -> tuple[float | None, ...]:
        """All of them, in their order."""
        return self.low, self.high, self.warn_reach, self.fail_reach

    @property
    def is_empty(self) -> bool:
        """Whether they limit nothing."""
        return all(one is None for one in self.numbers)


@dataclass(frozen=True, slots=True)
class ScanKey:
    """Names a scan: a stack of slices of a series of a study."""

    study_instance_uid: str
    series_instance_uid: str
    stack: int = 0


@dataclass(frozen=True, slots=True)
class ScanSignature:
    """Who looked at a scan; ``is_of_before`` says that its values were measured anew since."""

    actor: str
    at: datetime
    comment: str
    is_of_before: bool


@dataclass(frozen=True, slots=True)
class LogScan:
    """A scan with its numbers by name, for the values that were measured."""

    key: ScanKey
    digest: str
    stacks: int
    origin: ScanOrigin
    acquired_at: datetime
    """On the scanner's clock."""
    measured_at: datetime
    numbers: Mapping[str, float]
    signatures: Sequence[ScanSignature] = ()
    withdrawn_at: datetime | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    """Why values that have a limit could not be measured, as phrases by name; not what a localizer is no scan for."""


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """From scan ``index`` on the baseline is another one."""

    index: int
    what: str
    """A phrase, or what a person wrote."""
    before: str = ""
    now: str = ""
    actor: str = ""
    """Who said so; empty if the headers tell it."""


@dataclass(frozen=True, slots=True)
class MachineChange:
    """What a person says was changed at a machine, from a day on."""

    change_id: int
    on_day: date
    what: str
    actor: str
    at: datetime


@dataclass(frozen=True)
class PhantomHistory:
    """Scans in the order of the scanner's clock; at least one."""

    history: str
    machine: str
    kind: str
    scans: Sequence[LogScan]
    units: Mapping[str, str]
    """Of all values by name, also of those that could not be measured."""
    names: list[str]
    """The values of the newest scan that has any, in their order."""
    limits: Sequence[ValueLimits]
    noted: Sequence[MachineChange]

    @property
    def last(self) -> LogScan:
        """The newest scan."""
        return self.scans[-1]

    @property
    def due_on(self) -> date | None:
        """The day by which the next scan is to be made; None if nobody said how often."""
        limits = self.limits_of(DUE)
        days = None if limits is None else limits.high
        return None if days is None else self.last.acquired_at.date() + timedelta(days=days)

    def is_overdue(self, today: date) -> bool:
        """Whether that day is over."""
        return self.due_on is not None and today > self.due_on

    def urgency(self, today: date) -> int:
        """What comes first in a list: what fails, then what is overdue, then what warns or lacks a value."""
        level = self.level_of_scan()
        if level is QualityLevel.FAIL:
            return 0
        if self.is_overdue(today):
            return 1
        return 2 if level in (QualityLevel.WARN, QualityLevel.NOT_MEASURED) else 3

    @property
    def concerns(self) -> Sequence[str]:
        """The values of the last scan that fail, warn or lack, the worst first."""
        levels = {name: ORDER.index(self.level(name)) for name in (*self.last.numbers, *self.last.missing)}
        bad = [name for name, level in levels.items() if level > ORDER.index(QualityLevel.PASS)]
        return sorted(bad, key=lambda name: -levels[name])

    @property
    def heads_of_slices(self) -> list[str]:
        """Values that are measured on several slices, for limits of all of them."""
        return [head for head in dict.fromkeys(map(head_of_slices, self.names)) if head]

    @cached_property
    def changes(self) -> Sequence[ChangePoint]:
        """Where baselines begin anew, in order; the first scan begins the first one."""
        return tuple(self._changes())

    def _changes(self) -> Iterator[ChangePoint]:
        newest = self.scans[0].origin
        for index, (before, now) in enumerate(pairwise(self.scans), 1):
            for what, old, new in now.origin.changes_since(newest):
                yield ChangePoint(index, what, old, new)
            for one in self.noted:
                if before.acquired_at.date() < one.on_day <= now.acquired_at.date():
                    yield ChangePoint(index, one.what, actor=one.actor)
            newest = _filled(now.origin, newest)

    @cached_property
    def starts(self) -> Sequence[int]:
        """Indices of the scans with which a baseline begins."""
        return tuple(sorted({0, *(one.index for one in self.changes)}))

    def start(self, index: int) -> int:
        """Where the baseline of a scan begins."""
        return max(one for one in self.starts if one <= index)

    def baseline(self, name: str, index: int) -> float | None:
        """Of a value of a scan; None if it was not measured since the last change."""
        start = self.start(index)
        end = min((one for one in self.starts if one > start), default=len(self.scans))
        measured = (one.numbers[name] for one in islice(self.scans, start, end) if name in one.numbers)
        numbers = list(islice(measured, BASELINE_SCANS))
        return median(numbers) if numbers else None

    def limits_of(self, name: str) -> ValueLimits | None:
        """The nearest: of this history before those of its kind, of the value before those of it on all slices.

        Those of ``geometric_accuracy_mm`` are for each ``geometric_accuracy_mm.slice_…`` without limits of its own.
        """
        for word in filter(None, (name, head_of_slices(name))):
            for history in (self.history, ""):
                for one in self.limits:
                    if (one.name, one.history) == (word, history):
                        return one
        return None

    def numbers_of(self, name: str) -> tuple[float | None, ...]:
        """The limits under exactly this name, of this history before those of its kind; four of None without any."""
        same = [one for one in self.limits if one.name == name]
        return next((one.numbers for one in sorted(same, key=lambda one: not one.history)), (None,) * 4)

    def level(self, name: str, index: int = -1) -> QualityLevel:
        """What limits say of a value of a scan, by default of the last."""
        index = range(len(self.scans))[index]
        if name in self.scans[index].missing:
            return QualityLevel.NOT_MEASURED
        value, limits = self.scans[index].numbers.get(name), self.limits_of(name)
        if value is None or limits is None:
            return QualityLevel.UNJUDGED
        return limits.level(value, self.baseline(name, index))

    def level_of_scan(self, index: int = -1) -> QualityLevel:
        """The worst of its values, also of those that should have been measured: without them no scan passes."""
        scan = self.scans[index]
        return worst([self.level(name, index) for name in (*scan.numbers, *scan.missing)])

    @property
    def main_names(self) -> Sequence[str]:
        """The values that its row in the log shows, also if the last scan alone could not be measured."""
        return main_names(name for name in self.names if any(name in scan.numbers for scan in self.scans))

    @property
    def other_names(self) -> Sequence[str]:
        """The other values of the last scan."""
        main = set(self.main_names)
        return [name for name in self.names if name in self.last.numbers and name not in main]


def _filled(now: ScanOrigin, before: ScanOrigin) -> ScanOrigin:
    """The newest that is known of what may be exchanged: a header may leave it out once."""
    names = ("software", "coil", "tube")
    return replace(now, **{name: getattr(now, name) or getattr(before, name) for name in names})
