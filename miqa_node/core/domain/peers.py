"""Which peers an entry of a list covers: AE titles together with addresses, as in ``dicom.allowed_peers``."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from miqa_node.errors import SettingsError

Value = TypeVar("Value")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class PeerRule:
    """One entry of dicom.allowed_peers; ``network`` None is any address."""

    ae_title: re.Pattern[str]
    network: Network | None

    def admits(self, ae_title: str, address: Address) -> bool:
        """Whether the entry covers a peer."""
        return self.covers(address) and self.names(ae_title)

    def names(self, ae_title: str) -> bool:
        """Whether the entry covers an AE title, from any address."""
        return self.ae_title.fullmatch(ae_title) is not None

    def covers(self, address: Address) -> bool:
        """Whether the entry covers an address, with any title."""
        return self.network is None or (address.version == self.network.version and address in self.network)


def first_of(entries: Iterable[tuple[PeerRule, Value]], ae_title: str, peer_address: str) -> Value | None:
    """What a list says of a sender: the value of its first entry that covers it.

    A sender without an address, such as a watched folder, is covered by entries for any address.
    """
    address = _address_of(peer_address)
    for rule, value in entries:
        is_there = rule.network is None if address is None else rule.covers(address)
        if is_there and rule.names(ae_title):
            return value
    return None


@lru_cache(maxsize=256)
def _address_of(peer_address: str) -> Address | None:
    """The same address for each image of an association."""
    try:
        return parse_address(peer_address)
    except ValueError:
        return None


def parse_peer(entry: str, setting: str = "dicom.allowed_peers") -> PeerRule:
    """Read ``AET@address`` or ``AET@network/bits``; ``*`` matches any characters of a title, or any address.

    >>> rule = parse_peer("CT*@10.1.0.0/16")
    >>> rule.admits("CT_ROOM2", ipaddress.ip_address("10.1.2.3")), rule.admits("MR", ipaddress.ip_address("10.1.2.3"))
    (True, False)
    """
    ae_title, separator, address = entry.rpartition("@")
    if not separator or not 1 <= len(ae_title.strip()) <= 16:
        raise SettingsError(f'{setting}: {entry!r} is not "AET@address"; write for example "CT1@10.0.0.5".')
    pattern = re.compile(".*".join(re.escape(part) for part in ae_title.strip().split("*")))
    if address == "*":
        return PeerRule(pattern, None)
    try:
        return PeerRule(pattern, ipaddress.ip_network(address, strict=False))
    except ValueError as error:
        raise SettingsError(
            f"{setting}: {address!r} in {entry!r} is neither an IP address nor a network such as 10.0.0.0/24."
        ) from error


def plain_address(address: str) -> str:
    """The address without scope; IPv4-mapped IPv6 addresses as IPv4."""
    return str(parse_address(address))


def parse_address(text: str) -> Address:
    """An address without scope; IPv4-mapped IPv6 addresses as IPv4. ValueError if it is not one."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
