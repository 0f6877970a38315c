"""Many different statements, and destinations of FHIR."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import cycle, islice
from typing import Any

from miqa_hl7.fhir import FhirConfig
from miqa_hl7.statement import ASSESSMENT, FINDING, PROJECTS_OVER, SIDE, Item, Statement
from miqa_node.api import Code
from tests.packages.hl7.making import AT, LEFT, LUNG, decided, number, statement, subject

HEART = Code("72410000", "SCT", "Mediastinum")
GRID = Item(FINDING, Code("GRID", "99MIQA", "Grid lines"), "Rasterlinien", parts=(number(61.0, "P_GRID"),))
ODD = "Zoë Müller-Lüdenscheidt 黃 \"quoted\" <b>&amp;</b> \\ | ^ ~ 'x'"


def config(url: str, **more: Any) -> FhirConfig:
    return FhirConfig(name="ehr", url=url, **more)


def different(count: int) -> list[Statement]:
    """Images and series, with and without patient, order, findings, verdict, decision; short and long texts."""
    kinds = [statement(), decided(ODD), unassessed(), replace(statement(), findings=(GRID, wide(), GRID))]
    return [_numbered(number_of, one) for number_of, one in enumerate(islice(cycle(kinds), count))]


def unassessed() -> Statement:
    items = (Item(ASSESSMENT, "Nicht beurteilt"),)
    return statement(assessment=None, verdict_words="Nicht beurteilt", items=items, findings=(), sentences=())


def wide() -> Item:
    """A finding over several parts."""
    lung, heart = Item(PROJECTS_OVER, LUNG, parts=(Item(SIDE, LEFT),)), Item(PROJECTS_OVER, HEART)
    return Item(FINDING, Code("CABLE", "99MIQA", "Cable"), "Kabel", parts=(number(88.0, "P_CABLE"), lung, heart))


def _numbered(number_of: int, one: Statement) -> Statement:
    is_series, is_known = number_of % 5 == 0, number_of % 7 != 0
    authority = ("", "NORTH", "&1.2.3&ISO", "W&x.example&DNS")[number_of % 4]
    of = subject(
        study_instance_uid=f"1.2.{number_of}", series_instance_uid=f"1.2.{number_of}.4", is_series=is_series,
        sop_instance_uid=f"1.2.{number_of}.4.5", patient_id=f"P{number_of} {ODD}"[: 20 + number_of] if is_known else "",
        accession_number=f"A{number_of}" if number_of % 3 else "", body_part="CHEST" if number_of % 2 else "",
        study_date="20260131" if number_of % 4 else "", authority=authority,
    )  # fmt: skip
    sentences = (ODD * (number_of + 1),) if one.sentences else ()
    at = AT + timedelta(seconds=number_of)
    return replace(one, result_id=f"N{number_of:019d}", subject=of, made_at=at, sentences=sentences)


def resources(bundle: dict[str, Any], kind: str = "") -> Iterator[dict[str, Any]]:
    for entry in bundle["entry"]:
        if kind in ("", entry["resource"]["resourceType"]):
            yield entry["resource"]


def texts(value: Any) -> Iterator[str]:
    """Every text in a document."""
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list):
        for one in value:
            yield from texts(one)
    elif isinstance(value, str):
        yield value


def lines(resource: dict[str, Any]) -> str:
    """JSON with a line for each element, as the page shows it."""
    rows = [f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in resource.items()]
    return "{\n" + ",\n".join(rows) + "\n}\n"
