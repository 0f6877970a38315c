"""Answers of WADO-RS in every envelope that services and proxies send them in, and a hundred damaged ones."""

from __future__ import annotations

from random import Random

import pytest

from miqa_node.errors import DeliveryError
from miqa_node.stages.deliver.kinds.stow import only_part

FILE = bytes(128) + b"DICM" + bytes(range(256)) * 8 + b"\r\n--b not a boundary\r\n--\r\n\r\n"
HEAD = b"Content-Type: application/dicom\r\n\r\n"


def mixed(
    boundary: bytes = b"b", before: bytes = b"", after: bytes = b"", head: bytes = HEAD, pad: bytes = b""
) -> bytes:
    opening, closing = b"--" + boundary + pad + b"\r\n", b"\r\n--" + boundary + b"--" + pad + b"\r\n"
    return before + opening + head + FILE + closing + after


MULTI = 'multipart/related; type="application/dicom"; '
ENVELOPES = {
    "plain": (MULTI + "boundary=b", mixed()),
    "quoted": (MULTI + 'boundary="b"', mixed()),
    "quoted, with a space and a colon": (MULTI + 'boundary="b: 1"', mixed(b"b: 1")),
    "quoted, with a semicolon": (MULTI + 'boundary="b;c=1"', mixed(b"b;c=1")),
    "characters of regular expressions": (MULTI + 'boundary="(b)+*?.$"', mixed(b"(b)+*?.$")),
    "a parameter behind it": ("multipart/related; boundary=b; type=application/dicom", mixed()),
    "spaces around it": ("multipart/related ;  boundary = b ; x=y", mixed()),
    "upper case": ("MULTIPART/RELATED; BOUNDARY=b", mixed()),
    "first letters in upper case": ("Multipart/Related; Type=application/dicom; Boundary=b", mixed()),
    "preamble": (MULTI + "boundary=b", mixed(before=b"This is a message\r\nof several parts.\r\n")),
    "preamble with the boundary": (MULTI + "boundary=b", mixed(before=b"see --b below\r\n")),
    "epilogue": (MULTI + "boundary=b", mixed(after=b"\r\nend\r\n--b\r\n")),
    "spaces behind the boundary": (MULTI + "boundary=b", mixed(pad=b" \t ")),
    "many heads": (MULTI + "boundary=b", mixed(head=b"MIME-Version: 1.0\r\nContent-Location: x:y\r\n" + HEAD)),
    "no heads": (MULTI + "boundary=b", mixed(head=b"\r\n")),
    "two parts": (MULTI + "boundary=b", mixed()[: -len(b"\r\n--b--\r\n")] + b"\r\n" + mixed(head=b"X: 2\r\n\r\n")),
    "no end of line behind the last boundary": (MULTI + "boundary=b", mixed()[:-2]),
    "a single part": ("application/dicom", FILE),
    "a single part with a syntax": ("application/dicom; transfer-syntax=1.2.840.10008.1.2.1", FILE),
    "a single part of another type": ("application/octet-stream", FILE),
    "a single part that is called multipart": (MULTI + "boundary=b", FILE),
}


@pytest.mark.parametrize("name", ENVELOPES)
def test_the_file_comes_out_byte_by_byte(name: str) -> None:
    assert only_part(*ENVELOPES[name]) == FILE


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (MULTI + "boundary=b", mixed()[: len(FILE) // 2]),
        (MULTI + "boundary=b", mixed(b"c")),
        (MULTI, mixed()),
        ("", b""),
        ("text/html", b"<html>Sign in</html>"),
        (MULTI + 'boundary=""', mixed(b"")),
        (MULTI + "boundary=b", b"--b--\r\n"),
    ],
)
def test_what_is_cut_off_or_something_else_is_no_file(content_type: str, body: bytes) -> None:
    with pytest.raises(DeliveryError, match="cannot be read"):
        only_part(content_type, body)


def test_damaged_answers_raise_nothing_else() -> None:
    random = Random(1)
    for name, (content_type, body) in ENVELOPES.items():
        for _ in range(10):
            damaged = bytearray(body)
            for _ in range(random.randint(1, 30)):
                damaged[random.randrange(min(len(damaged), 300))] = random.randrange(256)
            kind = "".join(random.sample(content_type, len(content_type))) if random.random() < 0.5 else content_type
            try:
                assert isinstance(only_part(kind, bytes(damaged)), bytes), name
            except DeliveryError:
                continue
