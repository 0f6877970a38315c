"""How images come in: the storage SCP and the watched folder, and whose they are."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from miqa_node.core.domain.senders import AuthorityRules, SenderClocks
from miqa_node.core.settings.base import AeTitle, Count, DaysKept, Port, Seconds, SettingsTable, cores, written

MOST_FURTHER = 3
"""Processes that receive beside the node's own, unless set: that one writes for all, two fifths of the work."""


class TlsMode(StrEnum):
    """How the storage SCP uses TLS: not at all, also on a second port, or only there."""

    OFF = "off"
    ALSO = "also"
    ONLY = "only"


class UserIdentityMode(StrEnum):
    """The proof that a peer's user must give: none, a passcode if it sends one, or always a passcode."""

    ACCEPT = "accept"
    CHECK = "check"
    REQUIRE = "require"


class DicomSettings(SettingsTable):
    """Table ``[dicom]``."""

    ae_title: AeTitle
    host: str
    port: Port
    shared_port: bool
    receiver_processes: Annotated[int, Field(ge=0)]
    allowed_peers: tuple[str, ...]
    time_zones: tuple[str, ...]
    promiscuous: bool
    require_called_ae_title: bool
    max_associations: Count
    max_associations_per_peer: Count
    maximum_pdu_size: Annotated[int, Field(ge=0)]
    acse_timeout_s: Seconds
    dimse_timeout_s: Seconds
    network_timeout_s: Seconds
    max_object_bytes: Count
    preferred_syntaxes: tuple[Annotated[str, written(r"[0-9.]{1,64}", "the UID of a transfer syntax")], ...]
    relaxed_uids: bool
    commitment_peers: tuple[str, ...]
    tls: TlsMode
    tls_port: Port
    tls_certificate: str
    tls_key: str
    tls_client_ca: str
    peer_certificates: tuple[str, ...]
    user_identity: UserIdentityMode

    @property
    def further_receivers(self) -> int:
        """The number of further receiving processes if several associations are open."""
        if self.receiver_processes:
            return self.receiver_processes - 1
        return min(cores(), MOST_FURTHER) if cores() > 1 else 0

    @property
    def clocks(self) -> SenderClocks:
        """The clocks of senders; SettingsError says which entry is wrong."""
        return SenderClocks.of(self.time_zones)


class WatchSettings(SettingsTable):
    """Table ``[watch]``."""

    folder: str
    interval_s: Seconds
    settle_s: Seconds
    keep_done_days: DaysKept


class PatientSettings(SettingsTable):
    """Table ``[patients]``."""

    authority: Annotated[str, Field(max_length=64)]
    senders: tuple[str, ...]
    aliases: dict[str, Annotated[str, Field(max_length=64)]]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of these settings: by others, images may be of other patients."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @property
    def authorities(self) -> AuthorityRules:
        """The rules in force; SettingsError says which entry is wrong."""
        return AuthorityRules.of(self.authority, self.senders, self.aliases)
