"""Action for each attribute: Table E.1-1 of PS3.15 (2026c) with the chosen options.

``profile.csv`` is that table: one row per attribute, with its action in the Basic Profile and with each option.
For attributes added after 2025 no option is known here, so the Basic Profile applies.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files

from pydicom.datadict import dictionary_has_tag
from pydicom.tag import BaseTag


class ElementAction(StrEnum):
    """Action on an element.

    If the table leaves a choice, the mildest action that still protects is taken, so mandatory attributes stay in the
    object: Z for X/Z, D for all with D, U for X/Z/U*.
    """

    REMOVE = "X"
    EMPTY = "Z"
    DUMMY = "D"
    NEW_UID = "U"
    CLEAN = "C"
    KEEP = "K"


class ProfileOption(StrEnum):
    """Options of PS3.15 E.3 by their column; the value is the column's name in profile.csv."""

    CLEAN_DESCRIPTORS = "descriptors"
    FULL_DATES = "full_dates"
    SHIFTED_DATES = "modified_dates"
    UIDS = "uids"
    PATIENT_CHARACTERISTICS = "patient_characteristics"
    DEVICE = "device"
    INSTITUTION = "institution"


BASIC_CODE = ("113100", "Basic Application Confidentiality Profile")
OPTION_CODES: Mapping[ProfileOption, tuple[str, str]] = {
    ProfileOption.CLEAN_DESCRIPTORS: ("113105", "Clean Descriptors Option"),
    ProfileOption.FULL_DATES: ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    ProfileOption.SHIFTED_DATES: ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    ProfileOption.PATIENT_CHARACTERISTICS: ("113108", "Retain Patient Characteristics Option"),
    ProfileOption.DEVICE: ("113109", "Retain Device Identity Option"),
    ProfileOption.UIDS: ("113110", "Retain UIDs Option"),
    ProfileOption.INSTITUTION: ("113112", "Retain Institution Identity Option"),
}
"""CID 7050 De-identification Method."""

_CHOSEN = {
    "X": ElementAction.REMOVE, "Z": ElementAction.EMPTY, "X/Z": ElementAction.EMPTY, "D": ElementAction.DUMMY,
    "X/D": ElementAction.DUMMY, "Z/D": ElementAction.DUMMY, "X/Z/D": ElementAction.DUMMY,
    "U": ElementAction.NEW_UID, "X/Z/U*": ElementAction.NEW_UID,
}  # fmt: skip
_OVERLAY, _CURVE = 0x6000, 0x5000


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """One attribute of the table; ``options`` has K or C for the options that change its action."""

    keyword: str
    basic: str
    options: Mapping[ProfileOption, str]


@cache
def table() -> Mapping[int, ProfileRow]:
    """Table E.1-1 by tag, without the repeating groups."""
    text = files("miqa_training.deidentify").joinpath("profile.csv").read_text(encoding="utf-8")
    rows = {}
    for row in csv.DictReader(text.splitlines()):
        if "x" not in row["tag"]:
            options = {option: row[option.value] for option in ProfileOption if row[option.value]}
            rows[int(row["tag"], 16)] = ProfileRow(row["keyword"], row["basic"], options)
    return rows


def action_for(tag: BaseTag, vr: str, options: frozenset[ProfileOption]) -> ElementAction:
    """The action for an element.

    Private and unknown elements, curves and overlays are removed; person names that are not in the table are emptied,
    which is stricter than the table. All other elements that are not in the table stay (E.1.1).
    """
    row = table().get(int(tag))
    if row is None:
        if tag.is_private or tag.group & 0xFF00 in {_OVERLAY, _CURVE}:
            return ElementAction.REMOVE  # a plane without its data would not be valid, so the whole group goes
        if not dictionary_has_tag(tag):
            return ElementAction.REMOVE
        return ElementAction.EMPTY if vr == "PN" else ElementAction.KEEP
    for option, what in row.options.items():
        if option in options and what == "K":
            return ElementAction.KEEP
    if any(option in options for option in row.options):
        return ElementAction.CLEAN
    return _CHOSEN[row.basic]
