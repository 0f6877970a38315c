"""Names of places in a network."""

from __future__ import annotations

from ipaddress import ip_address


def authority(host: str, port: int) -> str:
    """Host and port as in a URL, with an IPv6 address in brackets (RFC 3986, 3.2.2).

    >>> authority("pacs.example", 104), authority("fd00::7", 104)
    ('pacs.example:104', '[fd00::7]:104')
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine.

    >>> is_loopback("localhost"), is_loopback("127.0.0.2"), is_loopback("ris.example")
    (True, True, False)
    """
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a name
        return False
