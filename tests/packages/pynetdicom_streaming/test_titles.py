"""AE titles as devices write them: padded with NUL, blank, or in another encoding."""

from __future__ import annotations

import pytest

from miqa_node.libraries.pynetdicom_streaming.titles import with_readable_titles


def request(called: bytes, calling: bytes) -> bytearray:
    return bytearray(b"\x01\x00" + (64).to_bytes(4, "big") + b"\x00\x01\x00\x00" + called + calling + bytes(32))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b"EFILM".ljust(16, b"\0"), "EFILM"),
        (b"EFILM".ljust(16), "EFILM"),
        (b"\0\0\0EFILM".ljust(16), "EFILM"),
        (b" " * 16, "?"),
        (b"\0" * 16, "?"),
        (b"\xc0\xb3`I\xfc\x7f".ljust(16), "??`I?"),
        (b"A\\B\tC".ljust(16), "A?B C"),
        ("RÖNTGEN".encode("latin-1").ljust(16), "R?NTGEN"),
    ],
)
def test_titles_become_readable(written: bytes, read: str) -> None:
    pdu = with_readable_titles(request(b"MIQA".ljust(16, b"\0"), written))
    assert pdu[10:26].decode("ascii").strip() == "MIQA"
    assert pdu[26:42].decode("ascii").strip() == read
    assert len(pdu) == 74


def test_other_messages_are_left_as_they_are() -> None:
    for pdu in (bytearray(b"\x01\0\0"), bytearray(b"\x04" + bytes(60)), bytearray()):
        assert with_readable_titles(pdu) == pdu
