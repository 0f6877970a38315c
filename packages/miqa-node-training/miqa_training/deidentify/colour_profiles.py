"""ICC profiles that everybody has, and so name nobody; descriptions and copyrights of others may say anything."""

from __future__ import annotations

import zlib

_KNOWN = frozenset({
    (3048, 0x0A3FD9F6, 0x3B8772B9), (3052, 0x4909E5E1, 0x427EBB21), (60988, 0xFD2144A1, 0x306FD8AE),
    (60960, 0x209C35D2, 0xBBEF7812), (3024, 0xA054D762, 0x5D5129CE), (3144, 0xF784F3FB, 0x182EA552),
    (3144, 0x0398F3FC, 0xF29E526D),
})  # fmt: skip
"""Length, Adler-32 and CRC-32 of the sRGB profiles that color.org, Hewlett-Packard and Microsoft gave out, as libpng
knows them (png.c)."""


def is_known(profile: bytes) -> bool:
    """Whether these are the bytes of a known profile (ICC.1 7.2.2: its first four say how many it has)."""
    own = profile[: int.from_bytes(profile[:4], "big")]
    is_padded = profile[len(own) :] in {b"", b"\0"}
    return is_padded and (len(own), zlib.adler32(own), zlib.crc32(own)) in _KNOWN
