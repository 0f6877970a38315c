"""A scanner with its software, a protocol and a body part: what is usual on it is said of these together."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple, dataclass, fields

from miqa_node.core.domain.instance import Header

MOST_TEXT = 128
AUTHORITY = "Issuer of Patient ID"
"""The attribute by which people know an authority."""


@dataclass(frozen=True, slots=True)
class ScannerProtocol:
    """What series must have in common to be compared; empty where the header does not say it.

    ``serial_number`` is Device Serial Number, or Detector ID of a radiograph. ``kernel`` is Convolution Kernel: one CT
    protocol may be reconstructed several times, with noise that differs threefold. ``authority`` is who assigned the
    Patient IDs, by which the node tells hospitals apart; empty where the serial number already names the scanner.
    """

    modality: str
    station: str
    device: str
    serial_number: str
    software: str
    protocol: str
    kernel: str
    body_part: str
    view: str
    authority: str = ""

    @property
    def baseline(self) -> str:
        """The short name of its history; without authority that of the versions that did not know it."""
        parts = astuple(self) if self.authority else astuple(self)[:-1]
        return short_name(*parts)

    @property
    def which(self) -> str:
        """What tells it from other scanners of its station name; empty if nothing is known."""
        return self.serial_number or self.authority

    @property
    def words(self) -> str:
        """Protocol, kernel, body part and view, as people read them."""
        return ", ".join(filter(None, (self.protocol, self.kernel, self.body_part, self.view)))

    def changes_since(self, before: ScannerProtocol) -> tuple[tuple[str, str, str], ...]:
        """(attribute, before, now) of what a service or an exchange of the scanner changed."""
        named = (
            ("Software Versions", before.software, self.software),
            ("Device Serial Number", before.serial_number, self.serial_number),
            ("Manufacturer's Model Name", before.device, self.device),
        )
        # A serial number in either takes the place of the authority.
        whose = () if self.serial_number or before.serial_number else ((AUTHORITY, before.authority, self.authority),)
        return tuple(one for one in (*named, *whose) if one[1] != one[2])


def protocol_of(header: Header, sender: str, description: str, authority: str) -> ScannerProtocol | None:
    """What a series is compared by; None if an earlier version read its header, without the protocol.

    ``description`` is Series Description, which counts where Protocol Name is empty; ``sender`` a station without name.
    ``authority`` is who assigned the Patient ID.
    """
    if header.protocol_name is None:
        return None
    return ScannerProtocol(
        header.modality[:16],
        plain(header.station_name or sender),
        plain(f"{header.manufacturer} {header.manufacturer_model_name}"),
        plain(header.detector_id),
        plain(header.software_versions),
        plain(header.protocol_name or description).upper(),
        plain(header.convolution_kernel),
        plain(header.body_part_examined),
        plain(header.view_position),
        "" if plain(header.detector_id) else hospital(authority),
    )


def hospital(authority: str) -> str:
    """An authority as scanners have it: long ones that differ stay different.

    >>> hospital("NORTH"), len(hospital(500 * "N")), hospital(500 * "N") == hospital(500 * "N" + "S")
    ('NORTH', 128, False)
    """
    if len(authority) <= MOST_TEXT:
        return authority
    mark = hashlib.sha256(authority.encode()).hexdigest()[:8]
    return f"{authority[: MOST_TEXT - 9]} {mark}"


def plain(text: str) -> str:
    """With single spaces, so that a slip of the keyboard makes no other protocol."""
    return " ".join(text.replace("\\", " ").split())[:MOST_TEXT]


def short_name(*parts: str) -> str:
    """The name of what these parts tell apart, in sixteen digits."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


FIELDS = tuple(field.name for field in fields(ScannerProtocol))
