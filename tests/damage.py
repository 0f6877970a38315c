"""Writes what no library would: values that contradict their Value Representation."""

from __future__ import annotations

from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset

from miqa_node.stages.report.elements import element_bytes

LONG_HEADS = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")


def write_text(ds: Dataset, keyword: str, value: str | list[str] | None) -> None:
    """Set an element to a text as it is, also where pydicom would make a number of it and fail."""
    ds.add_new(keyword, "LO", value)
    ds[keyword].VR = dictionary_VR(keyword)


def replace_element(file: bytes, tag: int, vr: str, value: bytes) -> bytes:
    """A file in Explicit VR Little Endian with another VR and value of an element that it has (PS3.5 7.1.2)."""
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
    at = file.index(head, 132)
    begin, width = (at + 8, 4) if file[at + 4 : at + 6] in LONG_HEADS else (at + 6, 2)
    end = begin + width + int.from_bytes(file[begin : begin + width], "little")
    return file[:at] + element_bytes(tag, vr, value) + file[end:]
