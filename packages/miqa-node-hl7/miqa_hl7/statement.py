"""States a result as its report does: a small tree of concepts and values, with words of the site beside the codes.

Codes, values and units are those of the report (SR). It is made once, with the verdict or decision, and kept as JSON.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache

from pydantic import TypeAdapter, ValidationError

from miqa_node.api import (
    DECISION_MEANS,
    IMAGE_QUALITY_RATING,
    QUALITY_ASSESSMENTS,
    READER_DECISIONS,
    Code,
    DeliveryRefusedError,
    Finding,
    PendingReason,
    Phrase,
    ResultContent,
    Review,
    anatomy_codes,
    certainty_code,
    faults,
    finding_code,
    finding_title,
    findings_in_order,
    label_of,
    measurement_code,
    narrative,
    reason_code,
    reworded,
    spoken,
    stated,
    title_of,
    unit_of,
)

ASSESSMENT, FINDING_REASON = Code("111050", "DCM", "Quality Assessment"), Code("111052", "DCM", "Quality Finding")
FINDING, SIDE = Code("121071", "DCM", "Finding"), Code("272741003", "SCT", "Laterality")
PROJECTS_OVER = Code("PROJECTS_OVER", "99MIQA", "Projects over")
DECISION = Code("READER_DECISION", "99MIQA", "Decision of a reader")
PERSON, COMMENT = Code("121008", "DCM", "Person Observer Name"), Code("121106", "DCM", "Comment")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is said; ``parts`` say more about it.

    ``words`` are of the site's language: of a coded value, or of the concept of a number. ``unit`` is a UCUM code.
    """

    code: Code
    value: Code | float | str
    words: str = ""
    unit: str = ""
    parts: tuple[Item, ...] = ()
    is_reason: bool = True
    """Of a number: whether the verdict rests on it; the slim report has only these."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose image it is, and which: texts as they were received, empty if unknown.

    ``authority`` assigned the Patient ID: a name, or ``&<universal ID>&<type>`` as in HL7's data type HD.
    ``sop_instance_uid`` is the image, or the one that stands for its series, if ``is_series``.
    """

    patient_id: str
    authority: str
    patient_name: str
    patient_birth_date: str
    accession_number: str
    study_instance_uid: str
    study_date: str
    study_description: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    modality: str
    body_part: str
    is_series: bool

    @property
    def unit_uid(self) -> str:
        """The UID of what the result is about: the series, or the image."""
        return self.series_instance_uid if self.is_series else self.sop_instance_uid


@dataclass(frozen=True, slots=True)
class Statement:
    """What a destination is told: ``items`` about the image or series, and its ``findings``, of which each is an Item.

    ``status`` is preliminary, final or corrected. After a decision, verdict and reasons are the person's.
    """

    result_id: str
    status: str
    made_at: datetime
    node: str
    site: str
    language: str
    subject: Subject
    verdict: str
    verdict_words: str
    is_flagged: bool
    assessment: Code | None
    items: tuple[Item, ...]
    findings: tuple[Item, ...]
    sentences: tuple[str, ...]
    policy: str = ""
    model: str = ""

    def texts(self) -> Iterator[str]:
        """What may name the patient."""
        of = self.subject
        yield from (of.patient_id, of.accession_number, of.patient_birth_date)
        yield from of.patient_name.replace("^", " ").replace("=", " ").split()


def statement_of(result: ResultContent) -> Statement:
    """What is said of a result."""
    assessment, disposition = result.judgement.assessment, result.judgement.disposition
    review, origin, model = result.review, result.origin, assessment.model
    verdict = DECISION_MEANS[review.resolution] if review and review.resolution else disposition.verdict
    assessed = QUALITY_ASSESSMENTS.get(verdict)
    with spoken(origin.language):
        words = reworded(verdict.words)
        items = [Item(ASSESSMENT, assessed or words, words if assessed else "")]
        items += _number(IMAGE_QUALITY_RATING, assessment.score, "{0:100}", Phrase("Quality score"))
        items += _reasons(result)
        named = {reason.name for reason in disposition.reasons}
        for one in sorted(assessment.measurements, key=lambda one: one.name not in named):
            code, unit, is_reason = measurement_code(one.name), unit_of(one.name, one.unit), one.name in named
            items += _number(code, one.value, unit, label_of(one.name), is_reason=is_reason)
        items += [] if review is None else _decision(review)
        return Statement(
            result.result_id, result.status.value, result.made_at, origin.node, origin.site, origin.language,
            _subject(result), verdict.value, words, result.is_flagged, assessed, tuple(items),
            tuple(_findings(result)),
            narrative(assessment, disposition, origin.language), disposition.policy_version,
            f"{model.name} {model.version}" if model else "",
        )  # fmt: skip


def _subject(result: ResultContent) -> Subject:
    of, header = result.study, result.judgement.instance.header
    return Subject(
        of.patient_id, of.authority or "", of.patient_name, of.patient_birth_date, of.accession_number,
        of.study_instance_uid, of.study_date, of.study_description, header.series_instance_uid, header.sop_instance_uid,
        header.sop_class_uid, header.modality, header.body_part_examined, result.is_series,
    )  # fmt: skip


def _reasons(result: ResultContent) -> Iterator[Item]:
    review, language = result.review, result.origin.language
    if review is not None and review.resolution is not None and review.findings is not None:
        for name in faults(review.findings):
            yield Item(FINDING_REASON, reason_code(name), finding_title(name, language))
        return
    for one in result.judgement.disposition.reasons:
        if one.name not in set(PendingReason):  # these are about predictions, which are no results
            text = reworded(one.text)
            is_judged = result.judgement.disposition.verdict in QUALITY_ASSESSMENTS
            yield Item(FINDING_REASON, one.code, text) if is_judged else Item(COMMENT, text)


def _findings(result: ResultContent) -> Iterator[Item]:
    """Yield the findings that flag, the deciding one first, then the others, which say that they do not."""
    flagging, others = findings_in_order(result.judgement.assessment, result.judgement.disposition)
    yield from (_finding(one, result.origin.language) for one in flagging)
    for one in others:
        item = _finding(one, result.origin.language)
        yield replace(item, words=reworded(Phrase("{finding} (below its limit)", finding=item.words)))


def _finding(finding: Finding, language: str) -> Item:
    certainty = _number(certainty_code(finding), round(100.0 * finding.probability, 2), "%", Phrase("Certainty"))
    regions = [] if finding.place is None else finding.place.regions or [finding.place]
    pairs = dict.fromkeys(pair for region in regions for pair in anatomy_codes(region))
    places = [Item(PROJECTS_OVER, over, parts=(Item(SIDE, side),) if side else ()) for over, side in pairs]
    parts = (Item(FINDING_REASON, finding.code), *certainty, *places)
    return Item(FINDING, finding_code(finding), title_of(finding, language), parts=parts)


def _number(code: Code, value: float | None, unit: str, words: str, *, is_reason: bool = True) -> list[Item]:
    if value is None or not math.isfinite(value):
        return []
    return [Item(code, stated(value), reworded(words), unit, is_reason=is_reason)]


def _decision(review: Review) -> list[Item]:
    concept = READER_DECISIONS[review.resolution]
    comment = [Item(COMMENT, review.comment)] if review.comment else []
    return [Item(DECISION, concept.code, reworded(concept.meaning)), Item(PERSON, review.actor), *comment]


@cache
def _adapter() -> TypeAdapter[Statement]:
    return TypeAdapter(Statement)


def dump_statement(statement: Statement) -> str:
    """Its JSON."""
    return _adapter().dump_json(statement).decode()


def load_statement(body: bytes) -> Statement:
    """The statement of its JSON; DeliveryRefusedError if an erasure has emptied it."""
    try:
        return _adapter().validate_json(body)
    except ValidationError as error:  # whose text has the values
        raise DeliveryRefusedError("This result was erased with its patient, and is sent no more.") from error
