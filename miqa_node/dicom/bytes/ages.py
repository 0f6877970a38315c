"""A patient's age on the day of an image: what rules for children need of a header that names nobody."""

from __future__ import annotations

import re
from datetime import date

from miqa_node.dicom.bytes.values import Values

MOST_YEARS = 120
"""Higher ages come from dates that stand for "unknown", such as 1 January 1900."""
HIDDEN_FROM_YEARS = 90
"""Ages above 89 may identify a person, so this stands for all of them."""
_PARTS_OF_A_YEAR = {"Y": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}


_NEWBORN = re.compile("0{1,3}[DWM]")


def age_years(values: Values) -> int | None:
    """Whole years by Patient's Age (0010,1010), else by birth date and the day of the image; None if unknown.

    Zero years count only if the birth date confirms them: consoles write ``000Y`` for "unknown". Zero days, weeks or
    months are a child's, unless the birth date says otherwise.
    """
    text = values.word("PatientAge")
    years = _written(text)
    if years is None:
        years = _counted(values)
    if years is None and _NEWBORN.fullmatch(text):
        years = 0
    return None if years is None else min(years, HIDDEN_FROM_YEARS)


def _written(text: str) -> int | None:
    """PS3.5 6.2, AS: 003Y, 018M, 012W, 030D; leading zeros may be missing.

    >>> [_written(text) for text in ("003Y", "30M", "005D", "000Y", "61", "999Y")]
    [3, 2, 0, None, None, None]
    """
    written = re.fullmatch(r"(\d{1,3})([DWMY])", text, re.ASCII)
    if written is None or not int(written[1]):
        return None
    years = int(int(written[1]) / _PARTS_OF_A_YEAR[written[2]])
    return years if years <= MOST_YEARS else None


def _counted(values: Values) -> int | None:
    born = _day(values.date("PatientBirthDate"))
    days = (
        _day(values.date(keyword)) for keyword in ("AcquisitionDate", "AcquisitionDateTime", "StudyDate", "ContentDate")
    )
    on = next((one for one in days if one is not None), None)
    if born is None or on is None:
        return None
    years = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    return years if 0 <= years <= MOST_YEARS else None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None
