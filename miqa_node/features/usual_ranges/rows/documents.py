"""Ranges and unusual numbers as JSON documents and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from miqa_node.features.usual_ranges.baseline import MeasurementRange, UnusualNumber

_ranges, _unusual = TypeAdapter(list[MeasurementRange]), TypeAdapter(list[UnusualNumber])


def dump_ranges(ranges: Sequence[MeasurementRange]) -> Any:
    """JSON-ready list of ranges."""
    return _ranges.dump_python(list(ranges), mode="json")


def load_ranges(document: Any) -> list[MeasurementRange]:
    """The ranges of a stored document."""
    return _ranges.validate_python(document)


def dump_unusual(numbers: Sequence[UnusualNumber]) -> Any:
    """JSON-ready list of unusual numbers."""
    return _unusual.dump_python(list(numbers), mode="json")


def load_unusual(document: Any) -> list[UnusualNumber]:
    """The unusual numbers of a stored document."""
    return _unusual.validate_python(document)
