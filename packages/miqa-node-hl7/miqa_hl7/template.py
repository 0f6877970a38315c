"""The site's template of messages: which field has which value (TOML), checked when it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hl7apy.core import Segment
from hl7apy.exceptions import HL7apyException

from miqa_hl7.statement import Statement
from miqa_hl7.values import NO_ID, NO_NAME, authority, day, escaped, names
from miqa_node.api import SettingsError, read_toml

VERSION = "2.5.1"
DEFAULT = Path(__file__).with_name("default.toml")
_FIELD = re.compile(r"(MSH|PID|PV1|ORC|OBR)-([1-9][0-9]?)")
_PLACE = re.compile(r"\{([a-z_]+)\}")
_DERIVED = {"MSH-1", "MSH-2", "MSH-7", "MSH-9", "MSH-10", "MSH-12", "MSH-18", "OBR-22", "OBR-25"}
"""What follows from the result, so that a receiver can rely on it."""
_NEEDED, _OF_PATIENT = ("MSH-11", "PID-3", "OBR-4"), {"PID-3": NO_ID, "PID-5": NO_NAME}
"""What HL7 requires, and what stands there if nobody knows it."""
_VALUES = frozenset({
    "patient_id", "authority", "patient_name", "patient_birth_date", "accession_number", "study_instance_uid",
    "study_date", "study_description", "series_instance_uid", "sop_instance_uid", "unit_uid", "modality", "body_part",
    "node", "site", "verdict", "verdict_words", "result_id",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Template:
    """Values of fields by their names, such as ``OBR-3``, and what goes into OBX."""

    fields: Mapping[str, str]
    all_numbers: bool = False
    narrative: bool = True

    def values(self, statement: Statement) -> dict[str, str]:
        """The fields with the values of a statement, each escaped."""
        made = {field: _PLACE.sub(lambda one: _value(statement, one[1]), text) for field, text in self.fields.items()}
        values = {field: text.rstrip("^&") for field, text in made.items()}
        if values.get("PID-3", "").startswith("^"):  # an authority without the ID that it gave
            values["PID-3"] = NO_ID
        return values | {field: values.get(field) or nobody for field, nobody in _OF_PATIENT.items()}


def read_template(file: Path) -> Template:
    """The template in a file, over the fields of the default one; SettingsError says what is wrong with it."""
    document, where = read_toml(file), file.name
    if unknown := set(document) - {"fields", "numbers", "narrative"}:
        raise SettingsError(f"{where}: unknown: {', '.join(sorted(unknown))}. Write fields, numbers or narrative.")
    numbers, narrative = document.get("numbers", "reasons"), document.get("narrative", True)
    if numbers not in ("reasons", "all") or not isinstance(narrative, bool):
        raise SettingsError(f'{where}: write numbers = "reasons" or "all", and narrative = true or false.')
    fields = document.get("fields", {})
    if not isinstance(fields, dict):
        raise SettingsError(f"{where}: write a table [fields], as in default.toml.")
    for field, text in fields.items():
        _check(field, text, where)
    fields = fields if file == DEFAULT else {**read_template(DEFAULT).fields, **fields}
    needed = [*_NEEDED, *(["PV1-2"] if any(one.startswith("PV1") for one in fields) else [])]
    if missing := [one for one in needed if not fields.get(one)]:
        raise SettingsError(f"{where}: HL7 v{VERSION} requires {', '.join(missing)}.")
    return Template(fields, numbers == "all", narrative)


def _check(field: str, text: Any, where: str) -> None:
    """SettingsError for a field that HL7 v2.5.1 lacks, one of the node's own, or a value that does not exist."""
    if not (named := _FIELD.fullmatch(field)) or field in _DERIVED:
        raise SettingsError(f"{where}: {field} is no field that a template may set.")
    if not isinstance(text, str):
        raise SettingsError(f"{where}: {field} must be a text.")
    if unknown := set(_PLACE.findall(text)) - _VALUES:
        raise SettingsError(f"{where}: {field}: unknown: {', '.join(sorted(unknown))}.")
    try:
        setattr(Segment(named[1], version=VERSION), field.lower().replace("-", "_"), _PLACE.sub("x", text))
    except HL7apyException as error:
        raise SettingsError(f"{where}: {field}: {error}.") from error


def _value(statement: Statement, name: str) -> str:
    """A value of a statement; names and authorities keep their components, of which each is escaped."""
    text = str(getattr(statement if hasattr(statement, name) else statement.subject, name))
    if name == "patient_name":
        return names(text)
    if name == "authority":
        return authority(text)
    return day(text, statement.made_at) if name in ("patient_birth_date", "study_date") else escaped(text)
