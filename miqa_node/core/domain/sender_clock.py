"""The clocks of senders that write another zone's time, mostly UTC, without saying so in their headers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self
from zoneinfo import ZoneInfo, available_timezones

from miqa_node.core.domain.instance import Header, ReceivedObject
from miqa_node.core.domain.peers import PeerRule, first_of, parse_peer
from miqa_node.errors import SettingsError

SETTING = "dicom.time_zones"


@dataclass(frozen=True, slots=True)
class SenderClocks:
    """The setting ``dicom.time_zones``."""

    zones: Sequence[tuple[PeerRule, ZoneInfo]] = ()

    @classmethod
    def of(cls, entries: Sequence[str]) -> Self:
        """Read the setting; SettingsError says which entry is wrong."""
        return cls(tuple(_entry(text) for text in entries))

    def complete(self, header: Header, received: ReceivedObject) -> Header:
        """The header with the offset of its sender's clock from UTC, unless it has one itself."""
        if header.acquired_at is None or header.utc_offset_s is not None:
            return header
        zone = first_of(self.zones, received.calling_ae_title, received.peer_address)
        offset = header.acquired_at.replace(tzinfo=zone).utcoffset() if zone is not None else None
        return header if offset is None else replace(header, utc_offset_s=int(offset.total_seconds()))


def _entry(text: str) -> tuple[PeerRule, ZoneInfo]:
    match = re.fullmatch(r"(.+?@\S+)\s+(\S+)", text.strip())
    if match is None:
        raise SettingsError(f'{SETTING}: {text!r} is not "AET@address ZONE"; write for example "CT1@10.0.0.5 UTC".')
    if match[2] not in available_timezones():
        raise SettingsError(f"{SETTING}: {match[2]!r} is not the name of a time zone, such as UTC or Europe/Berlin.")
    return parse_peer(match[1], SETTING), ZoneInfo(match[2])
