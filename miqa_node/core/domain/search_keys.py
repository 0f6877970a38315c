"""The matching keys of a search (PS3.18 10.6.1.2.3), and the form in which their values are compared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

SEPARATOR = "\\"
"""Between the values of several items of a sequence."""


class SearchLevel(IntEnum):
    """The level that a key describes."""

    STUDY = 0
    SERIES = 1
    INSTANCE = 2


@dataclass(frozen=True, slots=True)
class SearchKey:
    """One attribute to match: its keyword, with a dot within a sequence, and the columns of its values.

    ``vr``, the value representation, says how values are matched. Person names have three columns: the alphabetic, the
    ideographic and the phonetic component group. The column of a key within a sequence has one value for each item,
    perhaps empty, so that those of one item have the same place.
    """

    keyword: str
    vr: str
    level: SearchLevel
    columns: tuple[str, ...]

    @property
    def sequence(self) -> str:
        """Keyword of the sequence that the attribute is in; empty for one at the top level."""
        return self.keyword.rpartition(".")[0]


def _snake(keyword: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", keyword.rpartition(".")[2]).lower()


def _keys(level: SearchLevel, text: str) -> Iterator[SearchKey]:
    for word in text.split():
        keyword, vr = word.split("=")
        column = _snake(keyword)
        groups = (column, f"{column}_ideographic", f"{column}_phonetic") if vr == "PN" else (column,)
        yield SearchKey(keyword, vr, level, groups)


HEADER_KEYS = (
    # Table 10.6.1-2, then optional ones
    *_keys(
        SearchLevel.STUDY,
        "StudyDate=DA StudyTime=TM AccessionNumber=SH ReferringPhysicianName=PN PatientName=PN PatientID=LO "
        "StudyInstanceUID=UI StudyID=SH PatientBirthDate=DA PatientSex=CS StudyDescription=LO",
    ),
    # Table 10.6.1-3
    *_keys(
        SearchLevel.SERIES,
        "Modality=CS SeriesInstanceUID=UI SeriesNumber=IS PerformedProcedureStepStartDate=DA "
        "PerformedProcedureStepStartTime=TM RequestAttributesSequence.ScheduledProcedureStepID=SH "
        "RequestAttributesSequence.RequestedProcedureID=SH SeriesDescription=LO",
    ),
    # Table 10.6.1-4
    *_keys(SearchLevel.INSTANCE, "InstanceNumber=IS"),
)
"""Keys whose values come from the header."""

AUTHORITY = "IssuerOfPatientID"
"""This key is not the header's value but the authority that counts, which the settings may name."""

COLUMNS = tuple(column for key in HEADER_KEYS for column in key.columns)

SEARCH_KEYS = {
    key.keyword: key
    for key in (
        *HEADER_KEYS,
        SearchKey("ModalitiesInStudy", "CS", SearchLevel.STUDY, ("modality",)),
        SearchKey(AUTHORITY, "LO", SearchLevel.STUDY, ("authority",)),
        SearchKey("SOPClassUID", "UI", SearchLevel.INSTANCE, ("sop_class_uid",)),
        SearchKey("SOPInstanceUID", "UI", SearchLevel.INSTANCE, ("sop_instance_uid",)),
        SearchKey("ReferencedSOPInstanceUID", "UI", SearchLevel.INSTANCE, ("source_uid",)),
    )
}


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
