"""Derives the attribute tables of the conformance statement from objects that the program makes.

Each attribute of an object has a row: name, tag, VR, value if it is fixed, presence and source, in the words of PS3.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

from miqa_node.stages.report.inherit import (
    CLINICAL_TRIAL_STUDY,
    CLINICAL_TRIAL_SUBJECT,
    CONTEXT,
    GENERAL_STUDY,
    PATIENT,
    PATIENT_STUDY,
)

ALWAYS, SOMETIMES, EMPTY, MAY_BE_EMPTY = "ALWAYS", "ANAP", "EMPTY", "VNAP"
"""Always with a value; absent without one; never with a value; empty without one."""
COPIED, GENERATED, FIXED = "SRC", "AUTO", "FIXED"
"""Where the value comes from: the image, the node, the program."""

_FIXED_VRS = frozenset({"CS", "LO", "SH", "UI", "US", "IS"})
_LONGEST = 64
_TREES = frozenset({"ContentSequence"})
"""Described by their templates, not attribute by attribute."""
INHERITED = frozenset(
    Tag(tag)
    for keyword in (
        *CONTEXT, *PATIENT, *CLINICAL_TRIAL_SUBJECT, *GENERAL_STUDY, *PATIENT_STUDY, *CLINICAL_TRIAL_STUDY,
    )
    if (tag := tag_for_keyword(keyword)) is not None
)  # fmt: skip
"""Attributes that are copied with patient and study."""


@dataclass(slots=True)
class AttributeRow:
    """One attribute in all examples of a kind; ``depth`` counts the sequences around it."""

    tag: BaseTag
    vr: str
    depth: int
    values: list[str] = field(default_factory=list)
    """Of each place where it stands; empty where it has no value."""
    places: int = 0
    """The number of data sets in which it could stand."""
    copied: int = 0
    rows: dict[BaseTag, AttributeRow] = field(default_factory=dict)

    @property
    def presence(self) -> str:
        """As PS3.2 abbreviates it."""
        if len(self.values) < self.places:
            return SOMETIMES
        if not any(self.values):
            return EMPTY
        return ALWAYS if all(self.values) else MAY_BE_EMPTY

    @property
    def fixed(self) -> str:
        """The value, if it is the same in every example."""
        same = len(set(self.values)) == 1 and len(self.values) == self.places
        return self.values[0] if same and self.vr in _FIXED_VRS else ""

    @property
    def source(self) -> str:
        """Where the value comes from."""
        if self.vr == "SQ":
            return COPIED if self.tag in INHERITED else ""
        if self.tag in INHERITED or (self.copied and self.copied == sum(map(bool, self.values)) and not self.fixed):
            return COPIED
        return FIXED if self.fixed or self.presence == EMPTY else GENERATED


def attribute_table(examples: Sequence[tuple[Dataset, Dataset]]) -> list[tuple[str, str, str, str, str, str]]:
    """(name, tag, VR, value, presence, source) of each attribute of one kind; each example with its image."""
    rows: dict[BaseTag, AttributeRow] = {}
    for made, source in examples:
        _collect(rows, made, source, 0)
    _close(rows, len(examples))
    return [_cells(row) for row in _flat(rows)]


def _collect(rows: dict[BaseTag, AttributeRow], ds: Dataset, source: Dataset | None, depth: int) -> None:
    for element in ds:
        row = rows.setdefault(element.tag, AttributeRow(element.tag, str(element.VR), depth))
        if element.VR != "SQ":
            row.values.append("" if element.is_empty else _text(element.value))
            original = None if source is None else source.get(element.tag)
            row.copied += original is not None and not element.is_empty and original.value == element.value
            continue
        row.values.append(f"{len(element.value)} items" if element.value else "")
        if element.keyword not in _TREES:
            for item in element.value:
                _collect(row.rows, item, None, depth + 1)
                row.places += 1


def _close(rows: Mapping[BaseTag, AttributeRow], places: int) -> None:
    """Say of each row in how many data sets it could stand; a sequence has counted its items until now."""
    for row in rows.values():
        if row.rows:
            _close(row.rows, row.places)
        row.places = places


def _flat(rows: Mapping[BaseTag, AttributeRow]) -> Iterator[AttributeRow]:
    for tag in sorted(rows):
        yield rows[tag]
        yield from _flat(rows[tag].rows)


def _cells(row: AttributeRow) -> tuple[str, str, str, str, str, str]:
    name = dictionary_description(row.tag) if not row.tag.is_private else "private"
    tag = f"({row.tag.group:04X},{row.tag.element:04X})"
    return ">" * row.depth + name, tag, row.vr, row.fixed, row.presence, row.source


def _text(value: object) -> str:
    """As a table shows it; of what is long or binary, only that it is there."""
    several = value if isinstance(value, (list, tuple, MultiValue)) else [value]
    text = "\\".join(map(str, several))
    return text.replace("|", "\\|") if len(text) <= _LONGEST and not isinstance(value, bytes) else "value"


def content_table(examples: Sequence[tuple[Dataset, Dataset]]) -> list[tuple[str, str, str, str]]:
    """(relationship, value type, concept name, its code) of each content item of SR documents of one kind."""
    rows: dict[tuple[str, ...], tuple[str, str, str, str]] = {}
    for made, _ in examples:
        _collect_items(rows, made, ())
    return list(rows.values())


def _collect_items(rows: dict[tuple[str, ...], tuple[str, str, str, str]], ds: Dataset, path: tuple[str, ...]) -> None:
    for item in ds.get("ContentSequence", ()):
        name = item.ConceptNameCodeSequence[0] if item.get("ConceptNameCodeSequence") else None
        code = f"{name.CodeValue}, {name.CodingSchemeDesignator}" if name is not None else ""
        here = (*path, f"{item.RelationshipType} {item.ValueType} {code}")
        if here not in rows:
            meaning = str(name.CodeMeaning) if name is not None else ""
            rows[here] = (">" * len(path) + item.RelationshipType, str(item.ValueType), meaning, code)
        _collect_items(rows, item, here)
