"""The matching keys of a search (PS3.18 10.6.1.2.3), and their values in a header."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from pydicom import Dataset
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.tag import Tag
from pydicom.valuerep import PersonName

from miqa_node.imaging.values import MOST_CHARACTERS

SEPARATOR = "\\"
MAX_PATH = 4
"""Maximum depth of nested sequences in the name of a key."""


class SearchLevel(IntEnum):
    """The level that a key describes."""

    STUDY = 0
    SERIES = 1
    INSTANCE = 2


@dataclass(frozen=True, slots=True)
class SearchKey:
    """One attribute to match: its keyword, with a dot within a sequence, and the columns of its values.

    Person names have three columns: the alphabetic, the ideographic and the phonetic component group. The column of a
    key within a sequence has one value for each item, perhaps empty, so that those of one item have the same place.
    """

    keyword: str
    level: SearchLevel
    columns: tuple[str, ...]

    @property
    def vr(self) -> str:
        """Value representation, which says how values are matched."""
        return "CS" if self.keyword == "ModalitiesInStudy" else _vr_of(self.keyword.rpartition(".")[2])

    @property
    def sequence(self) -> str:
        """Keyword of the sequence that the attribute is in; empty for one at the top level."""
        return self.keyword.rpartition(".")[0]


@lru_cache(maxsize=128)
def _vr_of(keyword: str) -> str:
    return dictionary_VR(keyword)


def _snake(keyword: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", keyword.rpartition(".")[2]).lower()


def _keys(level: SearchLevel, text: str) -> Iterator[SearchKey]:
    for keyword in text.split():
        column = _snake(keyword)
        is_name = dictionary_VR(keyword.rpartition(".")[2]) == "PN"
        groups = (column, f"{column}_ideographic", f"{column}_phonetic") if is_name else (column,)
        yield SearchKey(keyword, level, groups)


HEADER_KEYS = (
    # Table 10.6.1-2, then optional ones
    *_keys(
        SearchLevel.STUDY,
        "StudyDate StudyTime AccessionNumber ReferringPhysicianName PatientName PatientID StudyInstanceUID StudyID "
        "PatientBirthDate PatientSex StudyDescription",
    ),
    # Table 10.6.1-3
    *_keys(
        SearchLevel.SERIES,
        "Modality SeriesInstanceUID SeriesNumber PerformedProcedureStepStartDate PerformedProcedureStepStartTime "
        "RequestAttributesSequence.ScheduledProcedureStepID RequestAttributesSequence.RequestedProcedureID "
        "SeriesDescription",
    ),
    # Table 10.6.1-4
    *_keys(SearchLevel.INSTANCE, "InstanceNumber"),
)
"""Keys whose values come from the header."""

HEADER_TAGS = frozenset(
    int(Tag(keyword)) for keyword in ("SpecificCharacterSet", *(key.sequence or key.keyword for key in HEADER_KEYS))
)
"""The elements with these values, and what is needed to decode them."""

AUTHORITY = "IssuerOfPatientID"
"""This key is not the header's value but the authority that counts, which the settings may name."""

COLUMNS = tuple(column for key in HEADER_KEYS for column in key.columns)

SEARCH_KEYS = {
    key.keyword: key
    for key in (
        *HEADER_KEYS,
        SearchKey("ModalitiesInStudy", SearchLevel.STUDY, ("modality",)),
        SearchKey(AUTHORITY, SearchLevel.STUDY, ("authority",)),
        SearchKey("SOPClassUID", SearchLevel.INSTANCE, ("sop_class_uid",)),
        SearchKey("SOPInstanceUID", SearchLevel.INSTANCE, ("sop_instance_uid",)),
        SearchKey("ReferencedSOPInstanceUID", SearchLevel.INSTANCE, ("source_uid",)),
    )
}


def column_values(ds: Dataset) -> dict[str, str]:
    """The values of a header in the form for matching, by column; empty if absent."""
    values: dict[str, str] = {}
    for key in HEADER_KEYS:
        value = ds.get(key.keyword)
        if key.sequence:
            values[key.columns[0]] = SEPARATOR.join(_item_values(ds, key))
        elif key.vr == "PN":
            name = value if isinstance(value, PersonName) else PersonName("")
            groups = (name.alphabetic, name.ideographic, name.phonetic)
            names = (normal_name(group)[:MOST_CHARACTERS] for group in groups)
            values |= dict(zip(key.columns, names, strict=True))
        else:
            values[key.columns[0]] = normal_value(key.vr, "" if value is None else str(value))[:MOST_CHARACTERS]
    return values


def _item_values(ds: Dataset, key: SearchKey) -> Iterator[str]:
    for item in ds.get(key.sequence) or ():
        value = item.get(key.keyword.rpartition(".")[2])
        yield normal_value(key.vr, "" if value is None else str(value)).replace(SEPARATOR, "/")


def normal_value(vr: str, text: str) -> str:
    """A value in its canonical form for comparison.

    >>> normal_value("TM", "0930"), normal_value("IS", "+07"), normal_value("DA", "2026.11.20")
    ('093000.000000', '7', '20261120')
    """
    text = text.strip(" \0")
    if vr == "DA":
        return text.replace(".", "")
    if vr == "TM" and text:
        whole, _, fraction = text.replace(":", "").partition(".")
        return f"{whole:0<6}.{fraction:0<6}"
    if vr == "IS" and re.fullmatch(r"[+-]?\d+", text):
        return str(int(text))
    return text


def normal_name(group: str) -> str:
    """One component group of a person name, in lower case and without trailing empty components.

    >>> normal_name("Müller^Jörg^^^ ")
    'müller^jörg'
    """
    return "^".join(part.strip(" \0") for part in group.split("^")).rstrip("^").casefold()


def attribute_path(name: str) -> tuple[str, ...] | None:
    """The keywords of an attribute in a query, named by keywords or tags; None if it is not a DICOM attribute.

    >>> attribute_path("00100010"), attribute_path("RequestAttributesSequence.00400009")
    (('PatientName',), ('RequestAttributesSequence', 'ScheduledProcedureStepID'))
    >>> attribute_path("Patient"), attribute_path("")
    (None, None)
    """
    parts = name.split(".")
    if len(parts) > MAX_PATH:
        return None
    path = []
    for part in parts:
        if re.fullmatch(r"[0-9a-fA-F]{8}", part):
            path.append(keyword_for_tag(int(part, 16)) or part.upper())
        elif part and tag_for_keyword(part) is not None:  # some retired tags have the keyword ""
            path.append(part)
        else:
            return None
    return tuple(path)
