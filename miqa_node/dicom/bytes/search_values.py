"""What a search finds in a header: the values of the matching keys, and the attributes that a query names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydicom import Dataset
from pydicom.datadict import keyword_for_tag, tag_for_keyword
from pydicom.tag import Tag
from pydicom.valuerep import PersonName

from miqa_node.core.domain.search_keys import HEADER_KEYS, SEPARATOR, SearchKey, normal_name, normal_value
from miqa_node.dicom.bytes.values import MOST_CHARACTERS

MAX_PATH = 4
"""Maximum depth of nested sequences in the name of a key."""

HEADER_TAGS = frozenset(
    int(Tag(keyword)) for keyword in ("SpecificCharacterSet", *(key.sequence or key.keyword for key in HEADER_KEYS))
)
"""The elements with the values of the matching keys, and what is needed to decode them."""


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
