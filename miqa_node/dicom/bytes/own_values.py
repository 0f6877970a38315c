"""What an image says of itself alone: its UID, its times, and what it was made of.

All other values of a header are those of the other slices of its series, as a rule
(:class:`miqa_node.dicom.bytes.headers.HeaderReader`).
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

from miqa_node.dicom.bytes import derivations
from miqa_node.dicom.bytes.values import Values

OWN_KEYWORDS = (
    "MediaStorageSOPInstanceUID",
    "SOPInstanceUID",
    "AcquisitionDate",
    "AcquisitionTime",
    "AcquisitionDateTime",
    "ContentDate",
    "ContentTime",
    "SourceImageSequence",
    "IrradiationEventUID",
)
"""Elements that differ between slices. No value outside :func:`own_values` may depend on one of them."""
MOST_OFFSET_H = 14
"""Offsets from UTC are between -12 and +14 hours (PS3.5 6.2, DT)."""

# Other years mean "unknown": X-rays are not older, and de-identification software writes 0001 or 9999.
_YEARS = range(1895, 2200)


def own_values(values: Values) -> dict[str, Any]:
    """The fields of a header that depend on :data:`OWN_KEYWORDS`, without the UID."""
    acquired_at, utc_offset_s, is_acquired_at = _acquired_at(values)
    return {
        "acquired_at": acquired_at,
        "utc_offset_s": utc_offset_s,
        "is_acquired_at": is_acquired_at,
        "age_years": age_years(values),
        "irradiation_event_uids": derivations.irradiation_event_uids(values),
        "source_instance_uid": derivations.source_instance_uid(values),
    }


def _acquired_at(values: Values) -> tuple[datetime | None, int | None, bool]:
    """Time of acquisition on the scanner's clock, and by how many seconds that is ahead of UTC; None if not stated.

    Last, whether it is that of the acquisition, to the second.
    """
    moments = (
        ("Acquisition", values.word("AcquisitionDateTime")),
        *(
            (kind, date.replace(".", "") + values.word(f"{kind}Time"))
            for kind in ("Acquisition", "Content")
            if (date := values.word(f"{kind}Date"))
        ),
    )
    for kind, moment in moments:
        # Minutes and seconds may be missing (PS3.5 6.2, TM and DT); ACR-NEMA used colons.
        digits = re.match(r"\d{8}(\d\d){0,3}", moment.replace(":", ""))
        if digits:
            try:
                at = datetime.strptime(digits.group().ljust(14, "0"), "%Y%m%d%H%M%S")  # noqa: DTZ007
            except ValueError:
                continue
            if at.year in _YEARS:
                # The suffix of a DT is for this value, Timezone Offset From UTC for all others (PS3.3 C.12.1).
                offset = _utc_offset_s(moment[8:])
                offset = offset if offset is not None else _utc_offset_s(values.word("TimezoneOffsetFromUTC"))
                return at, offset, kind == "Acquisition" and len(digits.group()) == 14
    return None, None, False


def _utc_offset_s(text: str) -> int | None:
    """Seconds of an offset at the end of ``text``, as &ZZXX (PS3.5 6.2, DT); None if there is none within a day."""
    offset = re.search(r"([+-])(\d\d)([0-5]\d)$", text)
    if offset is None or int(offset[2]) > MOST_OFFSET_H:
        return None
    return int(f"{offset[1]}1") * (int(offset[2]) * 3600 + int(offset[3]) * 60)


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
