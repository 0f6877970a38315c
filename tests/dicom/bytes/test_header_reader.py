"""What slices share is read once: the reader says of every slice what reading it alone says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from pydicom.datadict import dictionary_VR
from pydicom.tag import Tag
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from miqa_node.core.domain.instance import Header, StudyRecord
from miqa_node.dicom.bytes import headers
from miqa_node.dicom.bytes.headers import TAGS, HeaderReader, header_of
from miqa_node.dicom.elements import Element, Elements
from miqa_node.errors import DataSetError

_PLAIN = {"UI": b"1.2.3", "DA": b"20250102", "TM": b"101112", "DT": b"20250102101112", "AS": b"031Y", "US": b"\4\0"}
_WHAT = {"SOPClassUID": CTImageStorage.encode(), "Modality": b"CT", "BodyPartExamined": b"CHEST"}
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


def _elements(tags: Mapping[int, bytes]) -> Elements:
    by_tag = {tag: Element(dictionary_VR(Tag(tag)), value) for tag, value in tags.items()}
    return Elements(
        by_tag, ExplicitVRLittleEndian, implicit=False, big_endian=False, pixel_tag=0x7FE00010, pixel_offset=9
    )


def _whole() -> dict[int, bytes]:
    values = {tag: _PLAIN.get(dictionary_VR(Tag(tag)), b"1") for tag in sorted(TAGS)}
    values |= {headers._TAGS[keyword]: value for keyword, value in _WHAT.items()}
    return {tag: value for tag, value in values.items() if dictionary_VR(Tag(tag)) != "SQ"}


def _said(read: object, elements: Elements) -> tuple[Header, StudyRecord] | str:
    try:
        return read(elements)  # type: ignore[operator,no-any-return]
    except DataSetError as error:
        return str(error)


def _least() -> dict[int, bytes]:
    needed = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientBirthDate")
    return {tag: value for tag, value in _whole().items() if tag in {headers._TAGS[keyword] for keyword in needed}}


def test_encoding_and_pixels_count() -> None:
    reader, base = HeaderReader(), _elements(_whole())
    reader.read(base)
    for other in (replace(base, pixel_tag=0), replace(base, big_endian=True), replace(base, transfer_syntax_uid="1.2")):
        assert reader.read(other) == header_of(other)


def test_slices_of_a_series_are_one_entry_and_entries_are_few() -> None:
    reader, base, uid = HeaderReader(), _whole(), headers._TAGS["SOPInstanceUID"]
    for number in range(3):
        assert reader.read(_elements({**base, uid: f"1.2.{number}".encode()}))[0].sop_instance_uid == f"1.2.{number}"
    assert len(reader._known) == 1
    for number in range(2 * headers.MOST_KNOWN):
        reader.read(_elements({**base, headers._TAGS["SeriesInstanceUID"]: f"1.2.{number}".encode()}))
    assert len(reader._known) <= headers.MOST_KNOWN
    large = _elements({**base, headers._TAGS["DerivationDescription"]: b"x" * headers.MOST_COMMON_BYTES})
    keys = [*reader._known]
    assert reader.read(large) == header_of(large)
    assert [*reader._known] == keys


def test_a_header_that_breaks_off_is_refused_by_both() -> None:
    elements = replace(_elements({headers._TAGS["SOPClassUID"]: b"1.2"}), cut_off=True)
    assert _said(HeaderReader().read, elements) == _said(header_of, elements) != ""


@pytest.mark.more
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
