"""New values for old: UIDs, pseudonyms and dates that only a secret key connects with the patient.

The same key gives the same values, so studies sent in parts stay together; without the key they are irreversible.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import UID

LEAST_KEY_BYTES = 16
MOST_SHIFT_DAYS = 3650
LEAST_SHIFT_DAYS = 30
STANDARD_UIDS = "1.2.840.10008."
DUMMY_TEXT = "REMOVED"
_TEXT = frozenset({"AE", "CS", "LO", "LT", "SH", "ST", "UC", "UT", "UR"})
_DUMMIES: dict[str, Any] = {
    "AS": "000Y", "DA": "19000101", "DT": "19000101000000", "TM": "000000", "DS": "0", "IS": "0", "PN": DUMMY_TEXT,
    "FL": 0.0, "FD": 0.0, "SL": 0, "SS": 0, "UL": 0, "US": 0, "SV": 0, "UV": 0, "AT": 0, "UI": "2.25.0",
    "OB": b"\0\0", "OW": b"\0\0", "UN": b"\0\0", "OF": b"\0" * 4, "OD": b"\0" * 8, "OL": b"\0" * 4, "OV": b"\0" * 8,
}  # fmt: skip
_FORMS = {
    "AS": re.compile(r"(\d{1,3}[DWMY])?"), "DA": re.compile(r"[\d.\-]*"), "DT": re.compile(r"[\d.:+\- ]*"),
    "TM": re.compile(r"[\d.:\-]*"), "UI": re.compile(r"[\d.]*"),
}  # fmt: skip
VOCABULARY = frozenset(files("miqa_training.deidentify").joinpath("vocabulary.txt").read_text(encoding="utf-8").split())
"""Words that a cleaned description may keep (Clean Descriptors Option, E.3.6); all others are removed."""


class Secrets:
    """Derives new values from a key and the old values (HMAC-SHA-256)."""

    def __init__(self, key: bytes) -> None:
        if len(key) < LEAST_KEY_BYTES:
            raise ValueError(f"The key has {len(key)} bytes; {LEAST_KEY_BYTES} is the least.")
        self._key = key

    def uid(self, old: str) -> str:
        """Another UID (2.25 and 128 bits); UIDs that the standard defines stay."""
        return old if old.startswith(STANDARD_UIDS) or not old else UID(f"2.25.{self._number('uid', old, 16)}")

    def pseudonym(self, patient: str) -> str:
        """The pseudonym of a patient."""
        return f"P{self._number('patient', patient, 8):020d}"

    def shift(self, patient: str) -> timedelta:
        """Shift of all dates of a patient into the past: whole days, so times of day stay."""
        days = LEAST_SHIFT_DAYS + self._number("shift", patient, 8) % (MOST_SHIFT_DAYS - LEAST_SHIFT_DAYS)
        return timedelta(days=days)

    def _number(self, purpose: str, text: str, size: int) -> int:
        digest = hmac.new(self._key, f"{purpose}\0{text}".encode(), hashlib.sha256).digest()
        return int.from_bytes(digest[:size], "big")


def dummy(element: DataElement) -> Any:
    """A meaningless value that fits the VR; one empty item for a sequence."""
    if element.VR == "SQ":
        return [Dataset()]
    return DUMMY_TEXT if element.VR in _TEXT else _DUMMIES[element.VR]


def each(value: Any, change: Any) -> Any:
    """Apply a change to a value, or to each of several values."""
    if isinstance(value, (MultiValue, list)):
        return [change(one) for one in value]
    return change(value)


def shifted(vr: str, value: str, by: timedelta) -> str:
    """A shifted DA or DT (PS3.5 6.2), TM unchanged; empty if the value is invalid, because it could be anything."""
    text = str(value).strip()
    if vr == "TM":
        return text if re.fullmatch(r"[0-9:]{2,8}(\.\d{1,6})?", text) else ""
    digits = text.replace(".", "")[:8] if vr == "DA" else text[:8]
    try:
        moved = datetime.strptime(digits, "%Y%m%d") - by  # noqa: DTZ007 - a DA has no time zone
    except ValueError:
        return ""
    rest = text[8:] if vr == "DT" and re.fullmatch(r"[0-9.+-]*", text[8:]) else ""
    return f"{moved:%Y%m%d}{rest}"


def has_form(vr: str, value: Any) -> bool:
    """Whether each value has the form of its VR, where this is one of numbers (PS3.5 6.2): no name can have it.

    >>> has_form("DA", "19640812"), has_form("DA", "Doe"), has_form("UI", ""), has_form("LO", "Doe")
    (True, False, True, True)
    """
    form, values = _FORMS.get(vr), value if isinstance(value, (MultiValue, list)) else [value]
    return form is None or all(form.fullmatch(str(one or "").strip(" \0")) for one in values)


def cleaned(text: str) -> str:
    """The words of a description that cannot identify anyone."""
    words = re.split(r"[^A-Za-z0-9]+", str(text))
    return " ".join(word for word in words if word.lower() in VOCABULARY)
