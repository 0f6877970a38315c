"""Who assigned the Patient ID of an image: what it says, else what the settings say of its sender or of the node."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from miqa_node.core.domain.instance import ReceivedObject, StudyRecord
from miqa_node.core.domain.patient import plain
from miqa_node.core.domain.peers import PeerRule, first_of, parse_peer
from miqa_node.errors import SettingsError

_SENDERS = "patients.senders"


@dataclass(frozen=True, slots=True)
class AuthorityRules:
    """The settings ``patients``: who assigned the IDs of images that do not say so, and other names of authorities."""

    default: str = ""
    senders: Sequence[tuple[PeerRule, str]] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, authority: str, senders: Sequence[str], aliases: Mapping[str, str]) -> Self:
        """Read the settings; SettingsError says which entry is wrong."""
        named = {other: plain(name) for other, name in aliases.items()}
        return cls(plain(authority), tuple(_sender(entry) for entry in senders), named)

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


def _sender(entry: str) -> tuple[PeerRule, str]:
    match = re.fullmatch(r"(.+?@\S+)\s+(.+)", entry.strip())
    if match is None:
        example = 'write for example "CT1@10.0.0.5 NORTH"'
        raise SettingsError(f'{_SENDERS}: {entry!r} is not "AET@address AUTHORITY"; {example}.')
    return parse_peer(match[1], _SENDERS), plain(match[2])
