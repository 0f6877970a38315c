"""What slices share is read once: the reader says of every slice what reading it alone says."""

from __future__ import annotations

import pytest

from miqa_node.dicom.bytes import headers
from miqa_node.dicom.bytes.headers import TAGS, HeaderReader, header_of
from tests.dicom.bytes.test_header_reader import _elements, _said, _whole

_OTHERS = (
    b"",
    b"1.2.4",
    b"20240229",
    b"235959",
    b"20240229235959.5+0200",
    b"012M",
    b"2",
    b"\2\0",
    b"PHANTOM",
    b"OTHER",
)


def _least() -> dict[int, bytes]:
    needed = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientBirthDate")
    return {tag: value for tag, value in _whole().items() if tag in {headers._TAGS[keyword] for keyword in needed}}


@pytest.mark.parametrize("base", [_whole(), _least()], ids=["whole", "least"])
def test_each_element_counts_for_every_slice(base: dict[int, bytes]) -> None:
    for tag in sorted(TAGS):
        reader = HeaderReader()
        reader.read(_elements(base))
        for value in _OTHERS:
            other = _elements({**base, tag: value})
            assert _said(reader.read, other) == _said(header_of, other), f"{tag:08X} {value!r}"
        absent = _elements({one: value for one, value in base.items() if one != tag})
        assert _said(reader.read, absent) == _said(header_of, absent), f"{tag:08X} absent"
