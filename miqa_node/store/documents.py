"""Domain objects as JSON documents and back."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from miqa_node.domain.assessment import Assessment
from miqa_node.domain.instance import Header
from miqa_node.domain.policy import Reason

_assessment = TypeAdapter(Assessment)
_header = TypeAdapter(Header)
_reasons = TypeAdapter(tuple[Reason, ...])


def dump_assessment(assessment: Assessment) -> dict[str, Any]:
    """JSON-ready dictionary of an assessment."""
    document: dict[str, Any] = _assessment.dump_python(assessment, mode="json")
    return document


def load_assessment(document: dict[str, Any]) -> Assessment:
    """The assessment of a stored document."""
    return _assessment.validate_python(document)


def dump_header(header: Header) -> dict[str, Any]:
    """JSON-ready dictionary of a header."""
    document: dict[str, Any] = _header.dump_python(header, mode="json")
    return document


def load_header(document: dict[str, Any]) -> Header:
    """The header of a stored document."""
    return _header.validate_python(document)


def dump_reasons(reasons: tuple[Reason, ...]) -> list[dict[str, Any]]:
    """JSON-ready list of reasons."""
    document: list[dict[str, Any]] = _reasons.dump_python(reasons, mode="json")
    return document


def load_reasons(document: list[dict[str, Any]]) -> tuple[Reason, ...]:
    """The reasons of a stored document."""
    return _reasons.validate_python(document)
