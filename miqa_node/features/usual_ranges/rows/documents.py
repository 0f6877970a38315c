"""Ranges and unusual numbers as JSON documents and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from miqa_node.features.usual_ranges.baseline import MeasurementRange, RangeShift, UnusualNumber

Documents = list[dict[str, Any]]


def dump_ranges(ranges: Sequence[MeasurementRange]) -> Documents:
    """JSON-ready list of ranges."""
    return [
        {**asdict(one), "since": one.since.isoformat(), "shifts": [_shift(shift) for shift in one.shifts]}
        for one in ranges
    ]


def load_ranges(document: Sequence[Mapping[str, Any]]) -> list[MeasurementRange]:
    """The ranges of a stored document."""
    return [
        MeasurementRange(**{**one, **_since(one), "shifts": tuple(RangeShift(**_at(of)) for of in one["shifts"])})
        for one in document
    ]


def dump_unusual(numbers: Sequence[UnusualNumber]) -> Documents:
    """JSON-ready list of unusual numbers."""
    return [{**asdict(one), "since": one.since.isoformat()} for one in numbers]


def load_unusual(document: Sequence[Mapping[str, Any]]) -> list[UnusualNumber]:
    """The unusual numbers of a stored document."""
    return [UnusualNumber(**{**one, **_since(one)}) for one in document]


def _shift(shift: RangeShift) -> dict[str, Any]:
    return {**asdict(shift), "at": shift.at.isoformat()}


def _at(document: Mapping[str, Any]) -> dict[str, Any]:
    return {**document, "at": datetime.fromisoformat(document["at"])}


def _since(document: Mapping[str, Any]) -> dict[str, datetime]:
    return {"since": datetime.fromisoformat(document["since"])}
