"""What an image says of itself alone: its UID, its times, and what it was made of.

All other values of a header are those of the other slices of its series, as a rule
(:class:`miqa_node.dicom.bytes.headers.HeaderReader`).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from miqa_node.dicom.bytes import derivations
from miqa_node.dicom.bytes.ages import age_years
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
