"""Domain objects as JSON documents and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.moderate_fault import SeriesSearch
from miqa_node.core.domain.rule import AppliedRule
from miqa_node.core.domain.verdict import Reason
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.anatomy import STANDARD

_PHRASE, _PHRASES = "phrase", "phrases"
"""What texts were made of, beside them; a process of an earlier version leaves it out."""


# Adapters are made at the first use: many programs that load this module need none of them, or one.
@cache
def _assessments() -> TypeAdapter[Assessment]:
    return TypeAdapter(Assessment)


@cache
def _headers() -> TypeAdapter[Header]:
    return TypeAdapter(Header)


@cache
def _reasons() -> TypeAdapter[tuple[Reason, ...]]:
    return TypeAdapter(tuple[Reason, ...])


@cache
def _rules() -> TypeAdapter[tuple[AppliedRule, ...]]:
    return TypeAdapter(tuple[AppliedRule, ...])


@cache
def _searches() -> TypeAdapter[SeriesSearch]:
    return TypeAdapter(SeriesSearch)


def prepare() -> None:
    """Make the adapters now: processes that are forked later share them."""
    for adapter in (_assessments, _headers, _reasons, _rules, _searches):
        adapter()


def dump_assessment(assessment: Assessment) -> dict[str, Any]:
    """JSON-ready dictionary of an assessment."""
    document: dict[str, Any] = _assessments().dump_python(assessment, mode="json")
    if phrases := {str(text): text.parts() for text in _texts(assessment) if isinstance(text, Phrase)}:
        document[_PHRASES] = phrases
    return document


def load_assessment(document: dict[str, Any]) -> Assessment:
    """The assessment of a stored document."""
    assessment = _with_phrases(_assessments().validate_python(document), document.get(_PHRASES, {}))
    header = _with_terms(assessment.header)
    return assessment if header is assessment.header else replace(assessment, header=header)


def _texts(assessment: Assessment) -> Iterator[str]:
    yield from (assessment.not_assessed, assessment.phantom, assessment.experimental, assessment.derived)
    yield assessment.unfit
    yield from (issue.message for issue in assessment.plausibility)
    yield from (one.place for one in assessment.measurements)
    yield from (one.reason for one in assessment.left_out)
    for prediction in assessment.predictions:
        yield from (prediction.automated_by, *(cause.text for cause in prediction.pending))


def _with_phrases(assessment: Assessment, parts: Mapping[str, Any]) -> Assessment:
    """The assessment with the phrases that its texts were; a result of an earlier version has none."""
    if not parts:
        return assessment
    phrases = {text: Phrase.of(one) for text, one in parts.items()}

    def known(text: str) -> str:
        return phrases.get(text, text)

    return replace(
        assessment,
        not_assessed=known(assessment.not_assessed),
        phantom=known(assessment.phantom),
        experimental=known(assessment.experimental),
        derived=known(assessment.derived),
        unfit=known(assessment.unfit),
        plausibility=tuple(replace(one, message=known(one.message)) for one in assessment.plausibility),
        measurements=tuple(
            replace(one, place=known(one.place)) if one.place else one for one in assessment.measurements
        ),
        left_out=tuple(replace(one, reason=known(one.reason)) for one in assessment.left_out),
        predictions=tuple(
            replace(
                one,
                pending=tuple(replace(cause, text=known(cause.text)) for cause in one.pending),
                automated_by=known(one.automated_by),
            )
            for one in assessment.predictions
        ),
    )


def dump_header(header: Header) -> dict[str, Any]:
    """JSON-ready dictionary of a header."""
    document: dict[str, Any] = _headers().dump_python(header, mode="json")
    return document


def load_header(document: dict[str, Any]) -> Header:
    """The header of a stored document, with today's terms for its body part and view."""
    return _with_terms(_headers().validate_python(document))


def _with_terms(header: Header) -> Header:
    part, view = header.body_part_examined, header.view_position
    terms = STANDARD.body_parts.canonical(part), STANDARD.views.canonical(view)
    return header if terms == (part, view) else replace(header, body_part_examined=terms[0], view_position=terms[1])


def dump_reasons(reasons: tuple[Reason, ...]) -> list[dict[str, Any]]:
    """JSON-ready list of reasons."""
    documents: list[dict[str, Any]] = _reasons().dump_python(reasons, mode="json")
    return _dump_phrases(documents, [one.text for one in reasons])


def load_reasons(document: list[dict[str, Any]]) -> tuple[Reason, ...]:
    """The reasons of a stored document."""
    reasons = _reasons().validate_python(document)
    pairs = zip(reasons, document, strict=True)
    return tuple(replace(reason, text=_load_phrase(one, reason.text)) for reason, one in pairs)


def dump_rules(rules: Sequence[AppliedRule]) -> list[dict[str, Any]]:
    """JSON-ready list of the rules that applied, without what is empty."""
    documents: list[dict[str, Any]] = _rules().dump_python(tuple(rules), mode="json", exclude_defaults=True)
    return _dump_phrases(documents, [one.why for one in rules])


def load_rules(document: Sequence[dict[str, Any]] | None) -> tuple[AppliedRule, ...]:
    """The rules of a stored document; none of a verdict of an earlier version, which has none."""
    rules = _rules().validate_python(document or ())
    return tuple(
        replace(rule, why=_load_phrase(one, rule.why)) for rule, one in zip(rules, document or (), strict=True)
    )


def dump_search(search: SeriesSearch | None) -> dict[str, Any] | None:
    """JSON-ready dictionary of what a series was searched for; None of all else."""
    if search is None:
        return None
    document: dict[str, Any] = _searches().dump_python(search, mode="json")
    _dump_phrases(document["not_looked_for"], [one.why for one in search.not_looked_for])
    return document


def load_search(document: dict[str, Any] | None) -> SeriesSearch | None:
    """What a series was searched for; None of a verdict of an earlier version, which has none."""
    if document is None:
        return None
    search = _searches().validate_python(document)
    pairs = zip(search.not_looked_for, document["not_looked_for"], strict=True)
    return replace(search, not_looked_for=tuple(replace(one, why=_load_phrase(of, one.why)) for one, of in pairs))


def _dump_phrases(documents: list[dict[str, Any]], texts: Sequence[str]) -> list[dict[str, Any]]:
    for document, text in zip(documents, texts, strict=True):
        if isinstance(text, Phrase):
            document[_PHRASE] = text.parts()
    return documents


def _load_phrase(document: dict[str, Any], text: str) -> str:
    return Phrase.of(document[_PHRASE]) if _PHRASE in document else text
