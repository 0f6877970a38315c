"""Results are made of what senders really write: values that the standard forbids, and encodings of old."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import config
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian

from miqa_node.core.domain.delivery import ResultKind
from tests.damage import write_text
from tests.stages.report import making
from tests.stages.report.test_wild_values import KINDS, Change, made_of, with_values

LEADING_ZERO = "1.2.392.200036.9107.307.08.1"


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


IN_SPACE = {
    "FrameOfReferenceUID": "1.2.03.4",
    "ImagePositionPatient": [0, 0, 0],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "PixelSpacing": [0.5, 0.5],
}


LOSSY = {"LossyImageCompression": "01", "LossyImageCompressionMethod": "ISO_10918_1"}


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


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("case", WILD)
def test_everything_is_made_whatever_the_sender_wrote(case: str, tmp_path: Path) -> None:
    def change(dataset: Dataset) -> None:
        WILD[case](dataset)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID

    path = making.write(making.small(64, 64), tmp_path / "source.dcm", change)
    assert {item.kind for item in made_of(path)} == set(KINDS)


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
