"""Who assigned the Patient ID of an image, in every syntax, beside what else its qualifiers name."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from miqa_node.dicom.bytes.headers import read_header
from miqa_node.dicom.bytes.issuer import Issuer
from tests.damage import replace_element

SYNTAXES = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
QUALIFIERS = "IssuerOfPatientIDQualifiersSequence"


def item(universal_id: str = "", universal_id_type: str = "", facility: str = "") -> Dataset:
    ds = Dataset()
    if universal_id:
        ds.UniversalEntityID = universal_id
    if universal_id_type:
        ds.UniversalEntityIDType = universal_id_type
    ds.IdentifierTypeCode = "MR"
    if facility:
        inner = Dataset()
        inner.LocalNamespaceEntityID, inner.UniversalEntityID, inner.UniversalEntityIDType = "WING", facility, "ISO"
        ds.AssigningFacilitySequence = [inner]
    return ds


def write(samples: Path, path: Path, syntax: UID, *, open_ended: bool, **elements: object) -> Path:
    ds = pydicom.dcmread(samples / "MR_small.dcm")
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    if QUALIFIERS in ds and open_ended:
        ds[QUALIFIERS].is_undefined_length = True
        for one in ds[QUALIFIERS].value:
            one.is_undefined_length_sequence_item = True
    if syntax.is_little_endian is False:
        ds.PixelData = ds.pixel_array.byteswap().tobytes()
    ds.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    return path


@pytest.fixture
def samples() -> Path:
    return Path(pydicom.__file__).parent / "data" / "test_files"


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda one: one.name)
@pytest.mark.parametrize("open_ended", [True, False])
@pytest.mark.parametrize(
    ("namespace", "items", "expected"),
    [
        ("NORTH ", [], "NORTH"),
        ("NORTH", [item("1.2.3", "ISO")], "&1.2.3&ISO"),
        ("", [item("north.example", "DNS")], "&north.example&DNS"),
        ("", [item("1.2.3")], "&1.2.3&ISO"),
        ("NORTH", [item(facility="9.9.9")], "NORTH"),
        ("", [item("1.2.3", "ISO", facility="9.9.9"), item("4.5.6")], "&1.2.3&ISO"),
        ("", [item(facility="9.9.9"), item("4.5.6")], ""),
        ("NORTH", [Dataset()], "NORTH"),
    ],
)
def test_it_is_read_alike_in_every_syntax(
    samples: Path,
    tmp_path: Path,
    syntax: UID,
    namespace: str,
    items: list[Dataset],
    expected: str,
    *,
    open_ended: bool,
) -> None:
    elements = {"IssuerOfPatientID": namespace, QUALIFIERS: items}
    path = write(samples, tmp_path / "a.dcm", syntax, open_ended=open_ended, **elements)
    _, study = read_header(path)
    assert study.authority == expected == Issuer.of(pydicom.dcmread(path)).text


@pytest.mark.parametrize("value", [b"", b"\xfe\xff\x00\xe0", b"\xfe\xff\x00\xe0\xff\xff\xff\xff\x40\x00", b"\x00" * 24])
def test_a_broken_sequence_says_nothing(samples: Path, tmp_path: Path, value: bytes) -> None:
    path = write(samples, tmp_path / "a.dcm", ExplicitVRLittleEndian, open_ended=False, **{QUALIFIERS: [item("1.2.3")]})
    ds = pydicom.dcmread(path)
    ds.IssuerOfPatientID = "NORTH"
    ds.save_as(path)
    path.write_bytes(replace_element(path.read_bytes(), 0x00100024, "SQ", value))
    _, study = read_header(tmp_path / "a.dcm")
    assert study.authority == "NORTH" == Issuer.of(pydicom.dcmread(tmp_path / "a.dcm")).text


def test_an_archive_adds_what_is_missing_and_contradicts_only_the_same_kind() -> None:
    none, local, universal = Issuer(""), Issuer("NORTH"), Issuer("", "1.2.3", "ISO")
    both = Issuer("NORTH", "1.2.3", "ISO")
    assert not any(one.contradicts(other) for one in (none, local, universal, both) for other in (none, both))
    assert Issuer("NORTH", "1.2.4").contradicts(both)
    assert Issuer("SOUTH", "1.2.3").contradicts(both)
