"""Turns what a header says of a patient into data types of HL7 v2.5.1 and FHIR: names, identifiers and dates.

What a header does not say, or says in a way that means nothing, is left out. An explicit nothing ("") never goes out:
it tells a receiver to delete what it has (HL7 v2.5.1, 2.5.3).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

NO_NAME, NO_ID = "^^^^^^U", "^^^^U"
"""XPN-7 and CX-5 "unspecified" (tables 0200, 0203), in required fields of a patient of whom nobody knows more."""
FIRST_YEAR = 1800
"""Nobody born before was ever X-rayed: 1601, 1753 and the year 1 are zeros of databases and programs."""
_ESCAPES = str.maketrans({one: f"\\{letter}\\" for one, letter in zip("\\|^&~", "EFSTR", strict=True)})
_CONTROLS = {**dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), " "), **dict.fromkeys(range(0xD800, 0xE000), "\ufffd")}
_DATE = re.compile(r"([0-9]{4})(?:([0-9]{2})(?:([0-9]{2}))?)?")
_TYPES = frozenset({"CLIA", "CLIP", "DNS", "EUI64", "GUID", "HCD", "HL7", "ISO", "URI", "URL", "UUID", "X400", "X500"})
"""Of universal IDs (table 0301, PS3.3 C.7.1.1)."""
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")


def clean(text: str) -> str:
    r"""A text without control characters, as FHIR has it; empty if it is blank, or HL7's explicit nothing.

    >>> clean("a\x00 b"), clean('""')
    ('a  b', '')
    """
    text = text.translate(_CONTROLS)
    return "" if text.strip() in ("", '""') else text


def escaped(text: str) -> str:
    r"""A text as one component, in one line, as a field is (HL7 v2.5.1, 2.7).

    hl7apy's own escaping leaves alone what looks like an escape already.

    >>> escaped("a|b^c&d")
    'a\\F\\b\\S\\c\\T\\d'
    """
    return " ".join(clean(text).split()).translate(_ESCAPES)


def names(text: str) -> str:
    """A name of DICOM (PS3.5 6.2.1) as repetitions of XPN, one for each of its groups that has a name; empty if none.

    XPN has suffix and prefix in the other order. XPN-8 says which group it is, unless there is only the alphabetic one.

    >>> names("Doe^Jane^^Dr"), names("=\u5c71\u7530^\u592a\u90ce"), names("^^=")
    ('Doe^Jane^^^Dr', '\u5c71\u7530^\u592a\u90ce^^^^^^I', '')
    """
    groups = [_name(group) for group in text.split("=")[:3]]
    made = [(name, code) for name, code in zip(groups, "AIP", strict=False) if name]
    if [code for _, code in made] == ["A"]:
        return made[0][0]
    return "~".join(f"{name}{'^' * (7 - name.count('^'))}{code}" for name, code in made)


def _name(group: str) -> str:
    parts = [*map(escaped, group.split("^")), *[""] * 5]
    return "^".join([*parts[:3], parts[4], parts[3]]).rstrip("^")


def authority(text: str) -> str:
    r"""An assigning authority as HD: a name, or name, universal ID and its type.

    >>> authority("R&D"), authority("&1.2.3&ISO")
    ('R\\T\\D', '&1.2.3&ISO')
    """
    return "&".join(map(escaped, _parts(text))).rstrip("&")


def system(text: str, systems: Mapping[str, str]) -> dict[str, Any]:
    """``system`` and ``assigner`` of a FHIR Identifier of an authority; ``systems`` are those that a site names.

    >>> system("&1.2.3&ISO", {}), system("NORTH", {"NORTH": "https://north.example"})
    ({'system': 'urn:oid:1.2.3'}, {'system': 'https://north.example', 'assigner': {'display': 'NORTH'}})
    """
    name, universal_id, kind = _parts(text)
    of = systems.get(text) or _uri(universal_id, kind)
    shown = clean(name) or ("" if of else clean(universal_id))
    return ({"system": of} if of else {}) | ({"assigner": {"display": shown}} if shown else {})


def _parts(text: str) -> tuple[str, str, str]:
    """(name, universal ID, its type); whatever is no HD is a name."""
    name, _, universal = text.partition("&")
    universal_id, _, kind = universal.rpartition("&")
    return (name, universal_id, kind) if kind in _TYPES and "&" not in universal_id else (text, "", "")


def _uri(universal_id: str, kind: str) -> str:
    """The URI of a universal ID; empty if it has none, or is not of its kind."""
    if kind == "ISO" and _OID.fullmatch(universal_id):
        return f"urn:oid:{universal_id}"
    if kind == "UUID":
        try:
            return f"urn:uuid:{uuid.UUID(universal_id)}"
        except ValueError:
            return ""
    is_uri = kind in ("URI", "URL") and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\"<>\\^`{|}]+", universal_id)
    return universal_id if is_uri else ""


def day(text: str, made_at: datetime) -> str:
    """A date of a header as DT, or as much of it as it says: ``19700131``, ``197001``, ``1970``; empty if it is none.

    >>> at = datetime(2026, 1, 31)
    >>> [day(text, at) for text in ("19700131", "1970", "19700000", "20261331", "00010101", "99991231")]
    ['19700131', '1970', '', '', '', '']
    """
    if not (match := _DATE.fullmatch(text.strip())):
        return ""
    year, month, day_of = (int(part or 1) for part in match.groups())
    try:
        is_one = year >= FIRST_YEAR and date(year, month, day_of).toordinal() <= made_at.toordinal() + 1
    except ValueError:
        return ""
    return match[0] if is_one else ""


def iso_day(text: str, made_at: datetime) -> str:
    """The same as a FHIR date.

    >>> iso_day("197001", datetime(2026, 1, 31))
    '1970-01'
    """
    digits = day(text, made_at)
    return "-".join(part for part in (digits[:4], digits[4:6], digits[6:]) if part)


def timestamp(at: datetime) -> str:
    """A time with its zone as TS.

    >>> from datetime import UTC
    >>> timestamp(datetime(2026, 1, 31, 12, tzinfo=UTC))
    '20260131120000+0000'
    """
    return f"{at:%Y%m%d%H%M%S%z}"
