"""Makes one message ORU^R01 of HL7 v2.5.1 of a statement; the same statement gives the same bytes.

hl7apy builds and validates it: it knows the segments and data types of version 2.5.1 (docs/how-to/ris.md says why).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hl7apy.core import Message
from hl7apy.exceptions import HL7apyException

from miqa_hl7.choice import plain_number
from miqa_hl7.statement import COMMENT, Item, Statement
from miqa_hl7.template import VERSION, Template
from miqa_hl7.values import escaped, timestamp
from miqa_node.api import Code, DeliveryRefusedError

NARRATIVE = Code("111412", "DCM", "Narrative Summary")
STUDY_UID, SERIES_UID = Code("110180", "DCM", "Study Instance UID"), Code("112002", "DCM", "Series Instance UID")
STATUS = {"preliminary": "P", "final": "F", "corrected": "C"}
"""HL7 tables 0085 and 0123."""


def message_of(statement: Statement, template: Template) -> bytes:
    """The message in UTF-8, without the frame of MLLP; DeliveryRefusedError if it would be no valid ORU^R01."""
    message = Message("ORU_R01", version=VERSION)
    at, status = timestamp(statement.made_at), STATUS[statement.status]
    values = template.values(statement) | {
        "MSH-7": at, "MSH-9": "ORU^R01^ORU_R01", "MSH-10": statement.result_id, "MSH-12": VERSION,
        "MSH-18": "UNICODE UTF-8", "OBR-22": at, "OBR-25": status,
    }  # fmt: skip
    results = message.add_group("ORU_R01_PATIENT_RESULT")
    patient, order = results.add_group("ORU_R01_PATIENT"), results.add_group("ORU_R01_ORDER_OBSERVATION")
    segments = {"MSH": message.msh, "PID": patient.add_segment("PID")}
    if any(field.startswith("PV1-") for field in values):
        segments["PV1"] = patient.add_group("ORU_R01_VISIT").add_segment("PV1")
    segments |= {name: order.add_segment(name) for name in ("ORC", "OBR")}
    for field, text in values.items():
        segment, name = segments[field[:3]], field.lower().replace("-", "_")
        first, *more = text.split("~")  # a tilde of a text is escaped
        if first:
            setattr(segment, name, first)
        for repetition in more:
            segment.add_field(name).value = repetition
    for number, (group, item) in enumerate(_observations(statement, template), 1):
        segment = order.add_group("ORU_R01_OBSERVATION").add_segment("OBX")
        segment.obx_1, segment.obx_4, segment.obx_11, segment.obx_14 = str(number), group, status, at
        _fill(segment, item)
    try:
        message.validate()
    except HL7apyException as error:  # whose text names fields, and may have values
        raise DeliveryRefusedError("The result makes no valid message: {name}.", name=type(error).__name__) from error
    return f"{message.to_er7()}\r".encode()  # each segment has its end, the last one too (2.5.1, 2.6)


def _observations(statement: Statement, template: Template) -> Iterator[tuple[str, Item]]:
    """What the report says, with OBX-4: 2 of the second finding, 2.1 of all about its first part."""
    for item in statement.items:
        if item.is_reason or template.all_numbers:
            yield "", item
    for number, finding in enumerate(statement.findings, 1):
        yield from _with_parts(str(number), finding)
    for sentence in statement.sentences if template.narrative else ():
        yield "", Item(NARRATIVE, sentence)
    yield "", Item(STUDY_UID, statement.subject.study_instance_uid)
    yield "", Item(SERIES_UID, statement.subject.series_instance_uid)


def _with_parts(group: str, item: Item) -> Iterator[tuple[str, Item]]:
    yield group, item
    for number, part in enumerate(item.parts, 1):
        own = f"{group}.{number}"
        yield own, part
        yield from ((own, one) for one in part.parts)


def _fill(segment: Any, item: Item) -> None:
    """OBX-2, 3, 5 and 6; the site's words are the original text of a code, or the alternate name of a number."""
    value, words = item.value, item.words
    segment.obx_3 = _code(item.code)
    if isinstance(value, Code):
        segment.obx_2 = "CWE"
        segment.obx_5 = f"{_code(value)}^^^^^^{escaped(words)}".rstrip("^")
    elif isinstance(value, str):
        is_short = len(value) < 200 and item.code not in (COMMENT, NARRATIVE)
        segment.obx_2, segment.obx_5 = "ST" if is_short else "TX", escaped(value)
    else:
        segment.obx_2, segment.obx_5, segment.obx_6 = "NM", plain_number(value), f"{escaped(item.unit)}^^UCUM"
        if words and words != item.code.meaning:
            segment.obx_3 = f"{_code(item.code)}^^{escaped(words)}^L"


def _code(code: Code) -> str:
    return f"{escaped(code.value)}^{escaped(code.meaning)}^{escaped(code.scheme)}"
