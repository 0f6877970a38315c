"""Decides who may open an association: listed peers and this host, within the limits of the settings."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from miqa_node.errors import SettingsError
from miqa_node.settings import DicomSettings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Rejection(Enum):
    """Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""

    CALLING_AE_TITLE = (1, 1, 3)
    CALLED_AE_TITLE = (1, 1, 7)
    TEMPORARY_CONGESTION = (2, 3, 1)
    LOCAL_LIMIT = (2, 3, 2)

    @property
    def words(self) -> str:
        """Why, for people."""
        return _REJECTION_WORDS[self]


_REJECTION_WORDS = {
    Rejection.CALLING_AE_TITLE: "its AE title and address are not on the list of peers",
    Rejection.CALLED_AE_TITLE: "it called another AE title than this node's",
    Rejection.TEMPORARY_CONGESTION: "the node could not take it at that moment",
    Rejection.LOCAL_LIMIT: "too many associations were open",
}


Called = Callable[[str, str, str, str], None]
"""Takes note of a caller: AE title (empty if it gave none), address, why it was refused, and the remedy."""


def nobody(_ae_title: str, _address: str, _reason: str, _hint: str) -> None:
    """Takes no note."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: AE titles without padding, and both ends of the connection."""

    calling_ae_title: str
    called_ae_title: str
    peer_address: str
    local_address: str


@dataclass(frozen=True, slots=True)
class PeerRule:
    """One entry of dicom.allowed_peers; ``network`` None is any address."""

    ae_title: re.Pattern[str]
    network: Network | None

    def admits(self, ae_title: str, address: Address) -> bool:
        """Whether the entry covers a peer."""
        return self.covers(address) and self.ae_title.fullmatch(ae_title) is not None

    def covers(self, address: Address) -> bool:
        """Whether the entry covers an address, under whatever title."""
        return self.network is None or (address.version == self.network.version and address in self.network)


class Admission:
    """The rules of one node. Stateless: limits are judged on the numbers given."""

    def __init__(self, settings: DicomSettings) -> None:
        self._settings = settings
        self._rules = tuple(parse_peer(entry) for entry in settings.allowed_peers)

    def lists(self, peer_address: str, local_address: str) -> bool:
        """Whether anybody at the address may come in under some AE title; known as soon as it connects."""
        if self._settings.promiscuous or is_this_host(peer_address, local_address):
            return True
        address = _parse_address(peer_address)
        return any(rule.covers(address) for rule in self._rules)

    def judge(self, caller: Caller) -> tuple[Rejection, str] | None:
        """None to let the caller in, else why not and what to change so that it gets in."""
        settings = self._settings
        if settings.require_called_ae_title and caller.called_ae_title != settings.ae_title.strip():
            return Rejection.CALLED_AE_TITLE, (
                f"have the sender call {settings.ae_title!r}, or set dicom.require_called_ae_title = false"
            )
        if not settings.promiscuous and not self._is_listed(caller):
            return Rejection.CALLING_AE_TITLE, (
                f'add "{caller.calling_ae_title}@{plain_address(caller.peer_address)}" to dicom.allowed_peers'
            )
        return None

    def judge_load(self, peer_address: str, addresses: Iterable[str]) -> tuple[Rejection, str] | None:
        """The same for the limits; ``addresses`` are the peers of the associations that are open now."""
        peers = [plain_address(address) for address in addresses]
        if len(peers) >= self._settings.max_associations:
            return Rejection.LOCAL_LIMIT, "raise dicom.max_associations, or have senders close associations"
        if peers.count(plain_address(peer_address)) >= self._settings.max_associations_per_peer:
            return Rejection.LOCAL_LIMIT, "raise dicom.max_associations_per_peer, or have the sender use fewer"
        return None

    def _is_listed(self, caller: Caller) -> bool:
        if is_this_host(caller.peer_address, caller.local_address):
            return True
        address = _parse_address(caller.peer_address)
        return any(rule.admits(caller.calling_ae_title, address) for rule in self._rules)


def is_this_host(peer_address: str, local_address: str) -> bool:
    """Whether a connection comes from this machine: over loopback, or from the very address that it reached."""
    peer, local = _parse_address(peer_address), _parse_address(local_address)
    return peer.is_loopback or peer == local


def parse_peer(entry: str) -> PeerRule:
    """Read ``AET@address`` or ``AET@network/bits``; ``*`` in the title stands for any characters, as address for any.

    >>> rule = parse_peer("CT*@10.1.0.0/16")
    >>> rule.admits("CT_ROOM2", ipaddress.ip_address("10.1.2.3")), rule.admits("MR", ipaddress.ip_address("10.1.2.3"))
    (True, False)
    """
    ae_title, separator, address = entry.rpartition("@")
    if not separator or not 1 <= len(ae_title.strip()) <= 16:
        raise SettingsError(f'dicom.allowed_peers: {entry!r} is not "AET@address"; write for example "CT1@10.0.0.5".')
    pattern = re.compile(".*".join(re.escape(part) for part in ae_title.strip().split("*")))
    if address == "*":
        return PeerRule(pattern, None)
    try:
        return PeerRule(pattern, ipaddress.ip_network(address, strict=False))
    except ValueError as error:
        raise SettingsError(
            f"dicom.allowed_peers: {address!r} in {entry!r} is no IP address and no network such as 10.0.0.0/24."
        ) from error


def plain_address(address: str) -> str:
    """The address without scope, and as IPv4 where it is IPv4 written as IPv6."""
    return str(_parse_address(address))


def _parse_address(text: str) -> Address:
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
