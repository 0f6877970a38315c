"""Domain objects as JSON documents and back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from miqa_node.domain.assessment import Assessment
from miqa_node.domain.instance import Header
from miqa_node.domain.policy import Reason
from miqa_node.taxonomy.anatomy import STANDARD

_assessment = TypeAdapter(Assessment)
_header = TypeAdapter(Header)
_reasons = TypeAdapter(tuple[Reason, ...])


def dump_assessment(assessment: Assessment) -> dict[str, Any]:
    """JSON-ready dictionary of an assessment."""
    document: dict[str, Any] = _assessment.dump_python(assessment, mode="json")
    return document


def load_assessment(document: dict[str, Any]) -> Assessment:
    """The assessment of a stored document."""
    assessment = _assessment.validate_python(document)
    header = _with_terms(assessment.header)
    return assessment if header is assessment.header else replace(assessment, header=header)


def dump_header(header: Header) -> dict[str, Any]:
    """JSON-ready dictionary of a header."""
    document: dict[str, Any] = _header.dump_python(header, mode="json")
    return document


def load_header(document: dict[str, Any]) -> Header:
    """The header of a stored document, with today's terms for its body part and view."""
    return _with_terms(_header.validate_python(document))


def _with_terms(header: Header) -> Header:
    part, view = header.body_part_examined, header.view_position
    terms = STANDARD.body_parts.canonical(part), STANDARD.views.canonical(view)
    return header if terms == (part, view) else replace(header, body_part_examined=terms[0], view_position=terms[1])


def dump_reasons(reasons: tuple[Reason, ...]) -> list[dict[str, Any]]:
    """JSON-ready list of reasons."""
    document: list[dict[str, Any]] = _reasons.dump_python(reasons, mode="json")
    return document


def load_reasons(document: list[dict[str, Any]]) -> tuple[Reason, ...]:
    """The reasons of a stored document."""
    return _reasons.validate_python(document)
