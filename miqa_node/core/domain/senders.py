"""What the settings say of senders: the time zone of their clocks, and who assigned the Patient IDs of their images."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self
from zoneinfo import ZoneInfo, available_timezones

from miqa_node.core.domain.instance import Header, ReceivedObject, StudyRecord
from miqa_node.core.domain.patient import plain
from miqa_node.core.domain.peers import PeerRule, first_of, parse_peer
from miqa_node.errors import SettingsError

_ZONES, _AUTHORITIES = "dicom.time_zones", "patients.senders"


@dataclass(frozen=True, slots=True)
class SenderClocks:
    """The setting ``dicom.time_zones``: clocks of another zone, mostly UTC, without a word of it in the headers."""

    zones: Sequence[tuple[PeerRule, ZoneInfo]] = ()

    @classmethod
    def of(cls, entries: Sequence[str]) -> Self:
        """Read the setting; SettingsError says which entry is wrong."""
        read = (_entry(text, _ZONES, r"\S+", "ZONE", "UTC") for text in entries)
        return cls(tuple((peer, _zone(name)) for peer, name in read))

    def complete(self, header: Header, received: ReceivedObject) -> Header:
        """The header with the offset of its sender's clock from UTC, unless it has one itself."""
        if header.acquired_at is None or header.utc_offset_s is not None:
            return header
        zone = first_of(self.zones, received.calling_ae_title, received.peer_address)
        offset = header.acquired_at.replace(tzinfo=zone).utcoffset() if zone is not None else None
        return header if offset is None else replace(header, utc_offset_s=int(offset.total_seconds()))


@dataclass(frozen=True, slots=True)
class AuthorityRules:
    """The settings ``patients``: who assigned the IDs of images that do not say so, and other names of authorities."""

    default: str = ""
    senders: Sequence[tuple[PeerRule, str]] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, authority: str, senders: Sequence[str], aliases: Mapping[str, str]) -> Self:
        """Read the settings; SettingsError says which entry is wrong."""
        read = (_entry(text, _AUTHORITIES, ".+", "AUTHORITY", "NORTH") for text in senders)
        named = {other: plain(name) for other, name in aliases.items()}
        return cls(plain(authority), tuple((peer, plain(name)) for peer, name in read), named)

    def authority(self, issuer: str, calling_ae_title: str, peer_address: str) -> str:
        """Who assigned the Patient ID of an image; ``issuer`` is what its header says, empty if nothing.

        >>> rules = AuthorityRules.of("", ["CT*@10.1.0.0/16 SOUTH"], {"&1.2.3&ISO": "NORTH"})
        >>> rules.authority("", "CT1", "10.1.0.9"), rules.authority("&1.2.3&ISO", "CT1", "10.1.0.9")
        ('SOUTH', 'NORTH')
        >>> rules.authority("", "CT1", "10.2.0.9")
        ''
        """
        name = issuer or first_of(self.senders, calling_ae_title, peer_address) or self.default
        return self.aliases.get(name, name)

    def complete(self, study: StudyRecord, received: ReceivedObject) -> StudyRecord:
        """The record of an image with the authority that counts."""
        authority = self.authority(study.authority or "", received.calling_ae_title, received.peer_address)
        return replace(study, authority=authority)


def _entry(text: str, setting: str, pattern: str, kind: str, example: str) -> tuple[PeerRule, str]:
    """The sender of an entry, and the text that it gives it."""
    match = re.fullmatch(rf"(.+?@\S+)\s+({pattern})", text.strip())
    if match is None:
        example = f'write for example "CT1@10.0.0.5 {example}"'
        raise SettingsError(f'{setting}: {text!r} is not "AET@address {kind}"; {example}.')
    return parse_peer(match[1], setting), match[2]


def _zone(name: str) -> ZoneInfo:
    if name not in available_timezones():
        raise SettingsError(f"{_ZONES}: {name!r} is not the name of a time zone, such as UTC or Europe/Berlin.")
    return ZoneInfo(name)
