"""What people type is erased with the patient, or the page says beside the field that it takes no names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.tables.column_marks import EMPTIED, ERASE

HINT = "no names of patients here"
TEMPLATES = Path(t.__file__).resolve().parents[3]
WITH_THE_PATIENT = {
    ("comments.html", "text"): "worklist_events.comment",
    ("history.html", "comment"): "phantom_signatures.comment",
    ("phantoms.html", "comment"): "phantom_series.comment",
    ("reassess.html", "comment"): "reassessments.comment",
    ("study.html", "comment"): "decisions.comment",
}
"""By template and field: the column that an erasure empties."""
NAMES_OF_STAFF = {"actor", "assignee", "by", "to", "name"}
SEARCHED = {"authority", "body_part", "modality", "patient", "search", "station", "study", "view"}
"""Looked for, or said of an image; kept nowhere else than with it."""
OTHERS = {("account.html", "zone"), ("code.html", "code"), ("logs.html", "room")}
"""Of a list, or checked: a time zone, a code, a room."""
_FIELD, _VALUE = re.compile(r"<(?:input|textarea)\b([^>]*)>"), re.compile(r'([\w-]+)="([^"]*)"')


def texts() -> list[tuple[str, str, str]]:
    """Fields for any text, with their template and placeholder; a pattern or an input mode says what is taken."""
    fields = []
    for file in sorted(TEMPLATES.rglob("*.html")):
        for match in _FIELD.finditer(file.read_text()):
            values = dict(_VALUE.findall(match[1]))
            is_text = values.get("type", "text") in ("text", "search") and "inputmode" not in values
            if is_text and (name := values.get("name", "")) and (name == "name" or "pattern" not in values):
                fields.append((file.name, name, values.get("placeholder", "")))
    return fields


def test_each_field_is_of_a_column_that_is_emptied_or_says_that_it_takes_no_names() -> None:
    unsaid = {
        (template, name)
        for template, name, placeholder in texts()
        if HINT not in placeholder and name not in NAMES_OF_STAFF | SEARCHED
    }
    assert unsaid == WITH_THE_PATIENT.keys() | OTHERS


@pytest.mark.parametrize("column", WITH_THE_PATIENT.values())
def test_what_is_typed_about_a_patient_is_emptied(column: str) -> None:
    table, name = column.split(".")
    assert t.all_tables().tables[table].c[name].info[ERASE] == EMPTIED[ERASE]


def test_the_name_of_a_view_says_so() -> None:
    assert [one for one in texts() if one[0] == "views.html"] == [("views.html", "name", HINT)]
