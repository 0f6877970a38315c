"""The codes are the standard's, and what is not the standard's is documented."""

from __future__ import annotations

import math
import re
from itertools import combinations
from typing import Any

import cv2
import numpy as np
import pytest
from pydicom.sr._concepts_dict import concepts
from pydicom.sr.codedict import codes as standard

from miqa_node.core.domain import codes as domain_codes
from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.measurand import MEASUREMENTS
from miqa_node.core.taxonomy.base import SCHEME
from miqa_node.core.taxonomy.lookup import (
    all_finding_names,
    finding_entries,
    finding_names,
    gate_names,
    is_object,
    reason_code,
)
from miqa_node.core.words import codes
from miqa_node.core.words.finding_codes import finding_code, segment_codes
from miqa_node.core.words.measurement_codes import measurement_code
from miqa_node.stages.report.picture import rgb
from miqa_node.stages.report.sr_landmarks import SITES
from tests.conftest import ROOT
from tests.release import tell
from tools.results_page import cell, private_concepts

PAGE = (ROOT / "docs/reference/results.md").read_text("utf-8")
NAME = r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*"


DISTINCT = 20.0
"""CIELab difference between the colours of two findings on a screen."""


SCHEME_99MIQA = tuple(private_concepts())


def row(name: FindingName) -> Finding:
    return Finding(name, reason_code(name), 0.9, 0.5, 0.5)


def all_codes() -> list[Code]:
    """Every code that the two tables of codes hold."""
    collection: list[Code] = []
    for module in (codes, domain_codes):
        for value in vars(module).values():
            values = value.values() if isinstance(value, dict) else [value]
            collection += [v for v in values if isinstance(v, Code)]
    return list(dict.fromkeys(collection))


def _known() -> dict[tuple[str, str], set[str]]:
    """What the standard calls each code; a code can have more than one meaning, in different context groups."""
    meanings: dict[tuple[str, str], set[str]] = {}
    entries: Any
    for scheme, entries in concepts.items():
        for by_value in entries.values():
            for value, (meaning, _) in by_value.items():
                meanings.setdefault((scheme, value), set()).add(re.sub(r" \(attribute\)$", "", meaning).lower())
    return meanings


KNOWN = _known()


@pytest.mark.parametrize("code", [c for c in all_codes() if c.scheme in {"DCM", "SCT"}], ids=lambda c: c.value)
def test_standard_codes_mean_what_the_standard_says(code: Code) -> None:
    assert code.meaning.lower() in KNOWN[code.scheme, code.value]


@pytest.mark.parametrize("modality", codes.PROCEDURES)
def test_procedures_are_of_context_group_100(modality: str) -> None:
    code = codes.procedure_code(modality)
    group = [getattr(standard.cid100, name) for name in standard.cid100.dir()]
    assert (code.value, code.scheme) in {(c.value, c.scheme_designator) for c in group}


def test_reasons_and_segment_types_are_of_their_context_groups() -> None:
    reasons = {getattr(standard.cid7011, name).value for name in standard.cid7011.dir()}
    assert {reason_code(name).value for name in (*finding_names(), *gate_names())} <= reasons
    categories = {getattr(standard.cid7150, name).value for name in standard.cid7150.dir()}
    assert {segment_codes(row(name))[0].value for name in finding_names()} <= categories


def test_a_table_says_what_each_standard_code_means_and_what_we_say_by_it() -> None:
    table = PAGE.split("### What standard codes mean")[1].split("\n## ")[0]
    of_findings = {finding_code(row(name)) for name in (*finding_names(), *all_finding_names())}
    reasons = {reason_code(name) for name in (*all_finding_names(), *gate_names())}
    sites = {*SITES.values(), codes.LUNG, codes.LUNG_APEX, codes.MEDIASTINUM, *codes.LATERALITY.values()}
    assessed = {*codes.QUALITY_ASSESSMENTS.values(), codes.QUALITY_ISSUE, codes.REJECTED_FOR_QUALITY}
    used = {one for one in of_findings | reasons | sites | assessed if one.scheme != "99MIQA"}
    assert [one for one in used if cell(one) not in table] == []


def test_nothing_outside_of_the_patient_is_coded_as_a_finding_in_an_organ() -> None:
    objects = [finding_code(row(name)) for name in all_finding_names() if is_object(name)]
    assert [code.scheme for code in objects] == ["99MIQA"] * len(objects)
    assert "19227008" not in {code.value for code in objects}  # a foreign body is in the patient


def test_private_codes_are_short_and_each_has_one_meaning() -> None:
    values = [concept.value for concept in SCHEME_99MIQA]
    assert len(values) == len(set(values))
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]{0,15}", value) for value in values)
    assert all(len(concept.meaning) <= 64 and concept.meaning.isascii() for concept in SCHEME_99MIQA)


def _is_documented(row: str) -> None:
    if row not in PAGE:
        tell([f"docs/reference/results.md lacks {row} (python -m tools.reference results makes most of its rows)"])


@pytest.mark.parametrize("concept", SCHEME_99MIQA, ids=lambda c: c.value)
def test_every_private_code_is_documented(concept: codes.Concept) -> None:
    row = f"| `{concept.value}` | {concept.meaning} | {concept.definition} | {cell(concept.parent)} |"
    _is_documented(row)


def test_nothing_else_is_documented_as_private_code() -> None:
    section = PAGE.split("## The scheme 99MIQA")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `([A-Z0-9_]+)` \|", section, re.MULTILINE)) <= {c.value for c in SCHEME_99MIQA}


@pytest.mark.parametrize("name", MEASUREMENTS.all())
def test_every_measurement_is_documented_with_its_concept(name: str) -> None:
    row = f"| `{name}` | {cell(measurement_code(name))} |"
    _is_documented(row)


@pytest.mark.parametrize("name", finding_names())
def test_every_finding_is_documented_with_its_codes(name: FindingName) -> None:
    line = f"| `{name}` | {cell(finding_code(row(name)))} | {cell(reason_code(name))} |"
    _is_documented(line)


def test_a_measurement_of_a_later_version_gets_a_code_of_its_own() -> None:
    made = [measurement_code(f"a_long_name_of_a_measurement_{i}") for i in range(50)]
    assert len({code.value for code in made}) == 50
    assert all(len(code.value) <= 16 and code.scheme == SCHEME for code in made)
    assert measurement_code("slice_gap") == Code("SLICE_GAP", "99MIQA", "Slice gap")


def test_findings_that_appear_together_have_colours_that_people_tell_apart() -> None:
    """CIE76 differences of what a screen shows: far colours of CIELab are clipped to sRGB."""
    shown = {}
    for name in all_finding_names():
        screen = np.array([[rgb(finding_entries()[name].colour)]], np.float32) / 255.0
        shown[name] = cv2.cvtColor(screen, cv2.COLOR_RGB2LAB)[0, 0]
    near = {(one, other): math.dist(shown[one], shown[other]) for one, other in combinations(shown, 2)}
    assert {pair: distance for pair, distance in near.items() if distance < DISTINCT} == {}
