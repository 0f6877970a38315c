"""Results are made of what senders really write: values that the standard forbids, and encodings of old."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import config
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.verdict import Verdict
from miqa_node.stages.report.made import MadeObject, ReportSettings
from miqa_node.stages.report.outputs.enhanced import make_enhanced
from miqa_node.stages.report.outputs.rejection import Confirmation, rejection_note
from miqa_node.stages.report.withdrawal import withdraw_key_object
from tests.damage import replace_element, write_text
from tests.stages.report import making

KINDS = [ResultKind(name) for name in ("SR", "SEG", "KOS", "GSPS", "SC", "ENHANCED")]
"""Those that take over what stands in the header; the others are made as these are."""
Change = Callable[[Dataset], None]
LEADING_ZERO = "1.2.392.200036.9107.307.08.1"
IN_SPACE = {
    "FrameOfReferenceUID": "1.2.03.4",
    "ImagePositionPatient": [0, 0, 0],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "PixelSpacing": [0.5, 0.5],
}
LOSSY = {"LossyImageCompression": "01", "LossyImageCompressionMethod": "ISO_10918_1"}


def with_values(**values: object) -> Change:
    def change(dataset: Dataset) -> None:
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    return change


def made_of(path: Path) -> tuple[MadeObject, ...]:
    return making.flagged(path, KINDS, making.radiograph(path))


TABLE = np.linspace(0, 65535, 4096).astype("<u2")
OVERLAY = bytes(range(256)) * 2


def with_words(dataset: Dataset) -> None:
    """A VOI LUT and an overlay, both in words (VR OW), whose byte order is that of the file."""
    item = Dataset()
    item.LUTDescriptor = [4096, 0, 16]
    item.add_new("LUTData", "OW", TABLE.tobytes())
    dataset.VOILUTSequence = Sequence([item])
    making.without("WindowCenter", "WindowWidth")(dataset)
    dataset.add_new(0x60000010, "US", 64)
    dataset.add_new(0x60000011, "US", 64)
    dataset.add_new(0x60000040, "CS", "G")
    dataset.add_new(0x60000050, "SS", [1, 1])
    dataset.add_new(0x60000100, "US", 1)
    dataset.add_new(0x60000102, "US", 0)
    dataset.add_new(0x60003000, "OW", OVERLAY)


def swapped(words: bytes) -> bytes:
    return np.frombuffer(words, "<u2").astype(">u2").tobytes()


def with_texts(**values: str | list[str]) -> Change:
    """The values as they are, also where pydicom would read a number and fail."""

    def change(dataset: Dataset) -> None:
        for keyword, value in values.items():
            write_text(dataset, keyword, value)

    return change


def lut_data_alone(dataset: Dataset) -> None:
    """In a file that does not tell VRs, its VR depends on the descriptor; pydicom cannot decode it."""
    for keyword, value in (("PerformedProtocolCodeSequence", [1, 2, 3]), ("ContributingEquipmentSequence", [])):
        item = Dataset()
        item.add_new("LUTData", "US", value)
        setattr(dataset, keyword, Sequence([item]))
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian


def lossy_in_words(dataset: Dataset) -> None:
    with_values(**LOSSY)(dataset)
    dataset.add_new("LossyImageCompressionRatio", "LO", "10:1")


WILD: dict[str, Change] = {
    "instance UID with a leading zero": with_values(SOPInstanceUID=LEADING_ZERO),
    "series UID with a leading zero": with_values(SeriesInstanceUID=LEADING_ZERO),
    "study UID with a leading zero": with_values(StudyInstanceUID=LEADING_ZERO),
    "frame of reference with a leading zero": with_values(**IN_SPACE),
    "position indicator in Japanese": with_values(
        SpecificCharacterSet="ISO_IR 192", PositionReferenceIndicator="胸骨", **IN_SPACE
    ),
    "orientation in lower case": with_values(PatientOrientation=["l", "f"]),
    "orientation in words": with_values(PatientOrientation=["Left", "Foot"]),
    "lossy method in lower case": with_values(
        LossyImageCompression="01", LossyImageCompressionMethod="jpeg", LossyImageCompressionRatio="10"
    ),
    "lossy ratio of many digits": with_values(**LOSSY, LossyImageCompressionRatio="9.69999980926513671875"),
    "lossy ratio in words": lossy_in_words,
    "shutter at half a pixel": with_values(
        ShutterShape="RECTANGULAR", ShutterLeftVerticalEdge="1.5", ShutterRightVerticalEdge=60,
        ShutterUpperHorizontalEdge=1, ShutterLowerHorizontalEdge=60,
    ),
    "a time zone that is none": with_values(TimezoneOffsetFromUTC="+2500"),
    "a window that is no number": with_values(WindowCenter="NaN", WindowWidth="100"),
    "a window without end": with_values(WindowCenter="1e400", WindowWidth="100"),
    "no modality": with_values(Modality=""),
    "two depths": with_values(BitsStored=[15, 15]),
    "a thickness without end": with_texts(SliceThickness="1e400"),
    "an orientation that is no number": with_values(**IN_SPACE | {"ImageOrientationPatient": ["NaN"] * 6}),
    "a place without end": with_values(**IN_SPACE | {"ImagePositionPatient": ["1e400", "0", "-inf"]}),
    "an aspect without end": with_texts(PixelAspectRatio=["1e400", "1"]),
    "an aspect of many digits": with_texts(PixelAspectRatio=["123456789012345678", "1e-320"]),
    "frames in words": with_texts(NumberOfFrames="one"),
    "frames with a fraction": with_texts(NumberOfFrames="0.5"),
    "fewer frames than none": with_texts(NumberOfFrames="-1"),
    "LUT data without a descriptor": lut_data_alone,
}  # fmt: skip


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write what pydicom would rather not."""
    monkeypatch.setattr(config.settings, "reading_validation_mode", config.IGNORE)
    monkeypatch.setattr(config.settings, "writing_validation_mode", config.IGNORE)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_words_of_a_big_endian_source_are_turned_round(syntax: str, tmp_path: Path) -> None:
    source = making.small(64, 64)
    with_words(source)
    source.file_meta.TransferSyntaxUID = UID(syntax)
    if syntax == ExplicitVRBigEndian:
        source.PixelData = swapped(source.PixelData)
        source[0x60003000].value = swapped(OVERLAY)
        source.VOILUTSequence[0]["LUTData"].value = swapped(TABLE.tobytes())
    path = tmp_path / "source.dcm"
    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    pydicom.dcmwrite(path, source, implicit_vr=implicit, little_endian=little, enforce_file_format=True)
    made = {item.kind: making.read(item) for item in made_of(path)}
    enhanced, state = made[ResultKind("ENHANCED")], made[ResultKind("GSPS")]
    assert enhanced[0x60003000].value == OVERLAY
    assert enhanced.VOILUTSequence[0].LUTData == TABLE.tobytes()
    assert state.SoftcopyVOILUTSequence[0].VOILUTSequence[0].LUTData == TABLE.tobytes()


def test_a_lut_over_negative_values_stays_one_in_the_presentation_state(tmp_path: Path) -> None:
    source = making.small(64, 64)
    with_words(source)
    source.RescaleSlope, source.RescaleIntercept = "1", "-1024"
    del source.VOILUTSequence[0].LUTDescriptor
    source.VOILUTSequence[0].add_new("LUTDescriptor", "SS", [4096, -1000, 16])
    source.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian  # which does not say that it was SS
    path = tmp_path / "source.dcm"
    source.save_as(path, implicit_vr=True, little_endian=True)
    state = next(making.read(i) for i in making.flagged(path, [ResultKind("GSPS")]))
    table = state.SoftcopyVOILUTSequence[0].VOILUTSequence[0]
    assert (table["LUTDescriptor"].VR, list(table.LUTDescriptor)) == ("SS", [4096, -1000, 16])


def test_a_slope_without_an_intercept_is_in_the_presentation_state(tmp_path: Path) -> None:
    """Without it the window, which is in the modality's units, would show something else than was judged."""
    path = making.write(making.small(64, 64), tmp_path / "source.dcm", with_values(RescaleSlope="2"))
    (state,) = map(making.read, making.flagged(path, [ResultKind("GSPS")]))
    assert (state.RescaleSlope, state.RescaleIntercept) == (2, 0)


def test_measuring_goes_by_the_calibrated_spacing_where_there_is_one(tmp_path: Path) -> None:
    both = with_values(ImagerPixelSpacing=[0.2, 0.2], PixelSpacing=[0.15, 0.15])
    path = making.write(making.small(64, 64), tmp_path / "source.dcm", both)
    seg, state = map(making.read, making.flagged(path, [ResultKind("SEG"), ResultKind("GSPS")]))
    assert seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing == [0.15, 0.15]
    assert state.DisplayedAreaSelectionSequence[0].PresentationPixelSpacing == [0.15, 0.15]
    film = making.write(making.small(64, 64), tmp_path / "film.dcm", with_values(NominalScannedPixelSpacing=[0.1, 0.1]))
    seg = making.read(making.flagged(film, [ResultKind("SEG")])[0])
    assert seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing == [0.1, 0.1]


def test_files_name_the_implementation_that_the_associations_name(tmp_path: Path) -> None:
    for item in made_of(making.write(making.small(64, 64), tmp_path / "source.dcm")):
        meta = making.read(item).file_meta
        assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
        assert meta.ImplementationVersionName == IMPLEMENTATION_VERSION_NAME


def test_a_derived_image_is_not_the_authorized_original(tmp_path: Path) -> None:
    source = making.small(64, 64)
    original = copy.deepcopy(source)
    original.SOPInstanceStatus, original.SOPAuthorizationDateTime = "AO", "20260101120000"
    path = making.write(original, tmp_path / "source.dcm")
    pixels = making.radiograph(path)
    (made,) = [i for i in making.flagged(path, [ResultKind("ENHANCED")], pixels) if i.kind == ResultKind("ENHANCED")]
    assert not {"SOPInstanceStatus", "SOPAuthorizationDateTime"} & set(making.read(made).dir())
    assert "SOPInstanceStatus" in pydicom.dcmread(path)


@pytest.mark.more
@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("case", WILD)
def test_everything_is_made_whatever_the_sender_wrote(case: str, tmp_path: Path) -> None:
    def change(dataset: Dataset) -> None:
        WILD[case](dataset)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID

    path = making.write(making.small(64, 64), tmp_path / "source.dcm", change)
    assert {item.kind for item in made_of(path)} == set(KINDS)


@pytest.mark.more
@pytest.mark.usefixtures("lenient")
def test_what_cannot_be_said_is_not_repeated(tmp_path: Path) -> None:
    def made(case: str, kind: ResultKind) -> FileDataset:
        path = making.write(making.small(64, 64), tmp_path / "source.dcm", WILD[case])
        return next(making.read(item) for item in made_of(path) if item.kind == kind)

    assert made("lossy ratio of many digits", ResultKind("SEG")).LossyImageCompressionRatio == pytest.approx(9.6999998)
    assert made("lossy method in lower case", ResultKind("SEG")).LossyImageCompressionMethod == "JPEG"
    assert not made("orientation in words", ResultKind("SC")).PatientOrientation
    assert "ShutterShape" not in made("shutter at half a pixel", ResultKind("GSPS"))
    assert not made("position indicator in Japanese", ResultKind("SEG")).PositionReferenceIndicator
    assert "SoftcopyVOILUTSequence" not in made("a window that is no number", ResultKind("GSPS"))
    assert made("no modality", ResultKind("ENHANCED")).Modality == "OT"
    placed = made("frame of reference with a leading zero", ResultKind("SEG"))
    assert placed.FrameOfReferenceUID == IN_SPACE["FrameOfReferenceUID"]


UNREADABLE = {
    "a time zone in four bytes of six": (0x00080201, "UL", b"-0400 "),
    "a code that ends within an item": (0x00081032, "SQ", b"\xfe\xff"),
    "a number without an end": (0x00200013, "IS", b"1e400 "),
    "an orientation in words of two bytes": (0x00200020, "US", b"L\\F"),
    "a birth date in two words": (0x00100030, "UL", b"196001"),
    "a sex in words": (0x00100040, "US", b"M"),
    "a study date as a number": (0x00080020, "FD", b"20261120"[:6]),
    "a series number that is half a double": (0x00200011, "FD", b"1 "),
}


@pytest.mark.more
@pytest.mark.parametrize("case", UNREADABLE)
def test_a_value_that_contradicts_its_vr_costs_no_object(case: str, tmp_path: Path) -> None:
    """Written as no library would: pydicom raises an error of its own for each when it is read."""

    def change(dataset: Dataset) -> None:
        dataset.TimezoneOffsetFromUTC, dataset.PatientOrientation = "-0400", ["L", "F"]
        dataset.ProcedureCodeSequence = Sequence([Dataset()])
        dataset.PatientBirthDate, dataset.PatientSex, dataset.StudyDate = "19600101", "M", "20261120"
        dataset.InstanceNumber = dataset.SeriesNumber = 1

    path = making.write(making.small(64, 64), tmp_path / "source.dcm", change)
    path.write_bytes(replace_element(path.read_bytes(), *UNREADABLE[case]))
    made = {item.kind: item for item in made_of(path)}
    assert set(made) == set(KINDS)

    note = tmp_path / "note.dcm"
    note.write_bytes(made[ResultKind("KOS")].data)
    accepted = making.disposition(Verdict.ACCEPT)
    assert withdraw_key_object(note, making.assessment(), accepted, ReportSettings()) is not None
    confirmation = Confirmation("maria", making.ASSESSED_AT, "111210")
    assert rejection_note([path], making.assessment(), confirmation).kind == "REJECTION"
    enhanced = making.enhanced(making.radiograph(path), "nlm+clahe")
    assert make_enhanced(path, enhanced, InstanceDigest("ab" * 32)).kind == "ENHANCED"


@pytest.mark.more
def test_pixels_that_are_not_square_are_not_in_the_picture_either(tmp_path: Path) -> None:
    def aspect(**values: object) -> object:
        path = making.write(making.small(64, 64), tmp_path / "source.dcm", with_values(**values))
        (capture,) = making.flagged(path, [ResultKind("SC")], making.radiograph(path))
        return making.read(capture).get("PixelAspectRatio")

    assert aspect(ImagerPixelSpacing=[0.3, 0.2]) == [3, 2]
    assert aspect(PixelAspectRatio=[4, 5]) == [4, 5]
    assert aspect(ImagerPixelSpacing=[0.2, 0.2]) is None
    assert aspect() is None
