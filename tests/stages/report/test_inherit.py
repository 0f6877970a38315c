"""Patient and study come back byte for byte, whatever character set they were written in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.data import get_charset_files
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from miqa_node.stages.report.inherit import CONTEXT, GENERAL_STUDY, PATIENT, PATIENT_STUDY, TYPE_2
from tests.stages.report import making

INHERITED = (*CONTEXT, *PATIENT, *GENERAL_STUDY, *PATIENT_STUDY)
CHARSET_FILES = sorted(path for path in get_charset_files("chr*.dcm") if isinstance(path, str))


def raw(dataset: Dataset, keyword: str) -> object:
    """The bytes of a value as they stand in the file; what the items of a sequence say."""
    element: Any = dataset.get_item(keyword) if keyword in dataset else None
    if element is not None and element.VR == "SQ":
        return [item.to_json_dict() for item in dataset[keyword].value]
    if isinstance(element, RawDataElement):
        return element.value or b""
    return None if element is None else element.value  # pydicom decodes the character set itself


def test_there_are_charset_files() -> None:
    assert len(CHARSET_FILES) >= 17


@pytest.mark.parametrize("path", CHARSET_FILES, ids=os.path.basename)
def test_every_charset_file_comes_back_unchanged(path: str, tmp_path: Path) -> None:
    source = pydicom.dcmread(path)
    if "SOPInstanceUID" not in source:
        # Two of the files hold nothing but a sequence; as procedure codes of an image they become a source.
        procedure = source.RequestedProcedureCodeSequence
        source = making.small()
        source.SpecificCharacterSet = pydicom.dcmread(path).SpecificCharacterSet
        source.ProcedureCodeSequence = procedure
        path = str(tmp_path / "source.dcm")
        source.save_as(path)
        source = pydicom.dcmread(path)
    expected = {keyword: raw(source, keyword) for keyword in INHERITED if keyword in source}
    assert expected["SpecificCharacterSet"]
    for made in making.flagged(Path(path)):
        result = making.read(made)
        assert {keyword: raw(result, keyword) for keyword in expected} == expected
        assert result.get("PatientName") == source.get("PatientName")


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_every_encoding_of_the_source_gives_the_same_patient(syntax: str, tmp_path: Path) -> None:
    dataset = making.small()
    dataset.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    dataset.PatientName = "Yamada^Tarou=山田^太郎"
    dataset.PregnancyStatus = 4  # US: two bytes whose order depends on the syntax
    dataset.PatientComments = "two \\ parts"
    item = Dataset()
    item.PatientID, item.IssuerOfPatientID = "X-1", "山田病院"
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99X", "胸部"
    item.IssuerOfPatientIDQualifiersSequence = Sequence([code])
    dataset.OtherPatientIDsSequence = Sequence([item])
    path = tmp_path / "s.dcm"
    del dataset.PixelData
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dcmwrite(
        path,
        dataset,
        force_encoding=True,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
    )
    for made in making.flagged(path):
        result = making.read(made)
        assert str(result.PatientName) == "Yamada^Tarou=山田^太郎"
        assert result.PregnancyStatus == 4
        assert result.PatientComments == "two \\ parts"
        other = result.OtherPatientIDsSequence[0]
        assert (other.PatientID, other.IssuerOfPatientID) == ("X-1", "山田病院")
        assert other.IssuerOfPatientIDQualifiersSequence[0].CodeMeaning == "胸部"


@pytest.mark.filterwarnings("ignore:Unknown encoding:UserWarning")
def test_a_character_set_that_nobody_knows_is_handed_on(tmp_path: Path) -> None:
    path = making.write(making.small(), tmp_path / "s.dcm")
    data = path.read_bytes()
    assert data.count(b"ISO_IR 100") == 1
    path.write_bytes(data.replace(b"ISO_IR 100", b"ISO_IR 999"))
    for made in making.flagged(path):
        assert b"CS\x0a\x00ISO_IR 999" in made.data


def test_private_and_technical_elements_stay_behind(tmp_path: Path) -> None:
    def add(dataset: Dataset) -> None:
        dataset.add_new(BaseTag(0x00111001), "LO", "secret")
        dataset.InstitutionName = "Somewhere"

    for made in making.flagged(making.write(making.small(), tmp_path / "s.dcm", add)):
        result = making.read(made)
        assert not [element for element in result if element.tag.is_private]
        assert "InstitutionName" not in result
        assert "KVP" not in result


def test_what_the_source_lacks_and_the_standard_requires_is_there_and_empty(tmp_path: Path) -> None:
    for made in making.flagged(making.write(making.small(), tmp_path / "s.dcm", making.bare)):
        result = making.read(made)
        assert [keyword for keyword in TYPE_2 if keyword not in result or result[keyword].value] == []
