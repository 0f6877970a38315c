"""Names of places in a network."""

from __future__ import annotations


def authority(host: str, port: int) -> str:
    """Host and port as in a URL, with an IPv6 address in brackets (RFC 3986, 3.2.2).

    >>> authority("pacs.example", 104), authority("fd00::7", 104)
    ('pacs.example:104', '[fd00::7]:104')
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
