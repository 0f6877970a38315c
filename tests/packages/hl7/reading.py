"""Readers of what was said of an image, which share no code with what writes it: of SR by pydicom, of ORU by ``hl7``.

Each gives the UID of the image or series, and facts: (finding, anatomy), concept, value and unit, as codes without
their meanings. Numbers are texts of floats.
"""

from __future__ import annotations

from typing import NamedTuple

import hl7
from pydicom.dataset import Dataset

LATERALITY, PROJECTS_OVER = "SCT:272741003", "99MIQA:PROJECTS_OVER"
SAID = {"DCM:111050", "DCM:111052", "99MIQA:READER_DECISION", PROJECTS_OVER}
"""Concepts with coded values that every form has."""
FINDING, IMAGE_QUALITY, GROUP = "DCM:121071", "DCM:111101", "DCM:125007"


class Fact(NamedTuple):
    about: tuple[str, ...]
    concept: str
    value: str
    unit: str = ""


def read_sr(report: Dataset) -> set[Fact]:
    """Facts of a TID 1500 report."""
    facts: set[Fact] = set()
    groups = [one for one in _all(report) if one.ValueType == "CONTAINER" and _named(one) == GROUP]
    for group in groups:
        items = group.ContentSequence
        [finding] = [_code(one.ConceptCodeSequence[0]) for one in items if _named(one) == FINDING]
        about = () if finding == IMAGE_QUALITY else (finding,)
        facts |= {Fact(about, FINDING, finding)} if about else set()
        for item in items:
            facts |= _facts(item, about)
    return facts


def _facts(item: Dataset, about: tuple[str, ...]) -> set[Fact]:
    if item.ValueType == "NUM":
        measured = item.MeasuredValueSequence[0]
        unit = measured.MeasurementUnitsCodeSequence[0].CodeValue
        return {Fact(about, _named(item), str(float(measured.NumericValue)), unit)}
    if item.ValueType != "CODE" or _named(item) not in SAID:
        return set()
    value = _code(item.ConceptCodeSequence[0])
    sides = [one for one in item.get("ContentSequence", ()) if one.ValueType == "CODE" and _named(one) == LATERALITY]
    facts = {Fact((*about, value), LATERALITY, _code(one.ConceptCodeSequence[0])) for one in sides}
    return {Fact(about, _named(item), value)} | facts


def _all(item: Dataset) -> list[Dataset]:
    children = list(item.get("ContentSequence", ()))
    return children + [one for child in children for one in _all(child)]


def _named(item: Dataset) -> str:
    return _code(item.ConceptNameCodeSequence[0]) if item.get("ConceptNameCodeSequence") else ""


def _code(code: Dataset) -> str:
    value = code.get("CodeValue") or code.get("LongCodeValue") or code.get("URNCodeValue")
    return f"{code.get('CodingSchemeDesignator', '')}:{value}"


def read_oru(body: bytes) -> tuple[str, set[Fact]]:
    """The unit, and facts of a message."""
    message = hl7.parse(body.decode("utf-8"))
    facts: set[Fact] = set()
    finding: dict[str, str] = {}
    anatomy: dict[str, str] = {}
    for obx in message.segments("OBX"):
        group, concept = str(obx[4]), _oru_code(obx[3])
        about = tuple(filter(None, [finding.get(group.partition(".")[0], "")]))
        if str(obx[2]) == "NM":
            facts.add(Fact(about, concept, str(float(str(obx[5]))), str(obx[6][0][0][0])))
        elif concept == FINDING:
            finding[group] = value = _oru_code(obx[5])
            facts.add(Fact((value,), FINDING, value))
        elif concept in SAID and str(obx[2]) == "CWE":
            anatomy[group] = value = _oru_code(obx[5])
            facts.add(Fact(about, concept, value))
        elif concept == LATERALITY:
            facts.add(Fact((*about, anatomy[group]), concept, _oru_code(obx[5])))
    return str(message.segment("OBR")[20]), facts


def _oru_code(field: hl7.Field) -> str:
    value, _meaning, scheme = (str(part[0]) if len(part) else "" for part in field[0][:3])
    return f"{scheme}:{value}"
