"""The enhanced image is a new object beside the source, with the source's patient, geometry and window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.output import default_kinds
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.stages.report.made import MadeObject
from miqa_node.stages.report.outputs.enhanced import make_enhanced
from miqa_node.stages.units.kinds import is_image, is_projection
from tests.stages.report import making

KEPT = (
    *("PatientName", "PatientID", "StudyInstanceUID", "StudyDate", "AccessionNumber", "FrameOfReferenceUID"),
    *("PixelSpacing", "ImagerPixelSpacing", "PatientOrientation", "WindowCenter", "WindowWidth", "AcquisitionDate"),
    *("PhotometricInterpretation", "Modality", "BodyPartExamined", "KVP", "Rows", "Columns", "BitsStored"),
)
DIGEST = InstanceDigest("ab" * 32)


def derived(source: Path, methods: str = "nlm+clahe") -> tuple[FileDataset, MadeObject]:
    made = make_enhanced(source, making.enhanced(making.radiograph(source), methods), DIGEST)
    return making.read(made), made


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def remarks(dataset: pydicom.Dataset) -> None:
        dataset.WindowCenter, dataset.WindowWidth = [12000.0], [9000.0]
        dataset.PixelSpacing = [0.2, 0.2]
        dataset.PixelSpacing = [0.2, 0.2]  # the sample says zero, which is not copied
        dataset.FrameOfReferenceUID = "1.2.826.0.1.3680043.8.498.9"
        dataset.add_new("SmallestImagePixelValue", "US", 1)
        dataset.ImageComments = "second exposure"
        dataset.Manufacturer, dataset.StationName = "Maker", "ROOM1"
        block = dataset.private_block(0x0011, "Maker 1", create=True)
        block.add_new(1, "LO", "kept")

    return making.write(making.small(), tmp_path_factory.mktemp("derived") / "source.dcm", remarks)


def test_identity_series_and_derivation_are_new(source: Path) -> None:
    made, _ = derived(source)
    original = pydicom.dcmread(source)
    assert made.SOPClassUID == original.SOPClassUID
    assert made.SOPInstanceUID != original.SOPInstanceUID
    assert made.SeriesInstanceUID != original.SeriesInstanceUID
    assert list(made.ImageType)[:2] == ["DERIVED", "SECONDARY"]
    assert "non-local means" in made.DerivationDescription
    assert "CLAHE" in made.DerivationDescription
    assert [item.CodeValue for item in made.DerivationCodeSequence] == ["113087", "CONTRAST_ENH"]
    (reference,) = made.SourceImageSequence
    assert reference.ReferencedSOPInstanceUID == original.SOPInstanceUID
    assert reference.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
    assert made.Manufacturer == "miqa-node"
    equipment, algorithm = made.ContributingEquipmentSequence
    assert (equipment.Manufacturer, equipment.StationName) == ("Maker", "ROOM1")
    assert equipment.PurposeOfReferenceCodeSequence[0].CodeValue == "109101"
    assert algorithm.ManufacturerModelName == "miqa-node", "none of the methods was learned"


def test_patient_study_geometry_window_and_private_elements_stay(source: Path) -> None:
    made, _ = derived(source)
    original = pydicom.dcmread(source)
    for keyword in KEPT:
        assert made.get(keyword) == original.get(keyword), keyword
    assert made[0x0011, 0x1001].value == "kept"
    assert "SmallestImagePixelValue" not in made
    assert "ImageComments" not in made


def test_a_spacing_of_zero_is_not_handed_on(tmp_path: Path) -> None:
    def no_spacing(dataset: pydicom.Dataset) -> None:
        dataset.PixelSpacing = [0.0, 0.0]

    made, _ = derived(making.write(making.small(), tmp_path / "source.dcm", no_spacing))
    assert "PixelSpacing" not in made


def test_the_pixels_are_the_enhanced_stored_values(source: Path) -> None:
    made, _ = derived(source, "nlm")
    copy = making.enhanced(making.radiograph(source), "nlm")
    assert np.array_equal(made.pixel_array, copy.image.stored)
    assert not np.array_equal(made.pixel_array, pydicom.dcmread(source).pixel_array)
    assert copy.difference.std() > 0


def test_without_a_window_it_gets_the_range_that_viewers_would_have_taken(tmp_path: Path) -> None:
    path = making.write(making.small(), tmp_path / "s.dcm", making.without("WindowCenter", "WindowWidth"))
    made, _ = derived(path)
    pixels = pydicom.dcmread(path).pixel_array
    low, high = float(pixels.min()), float(pixels.max())
    assert float(made.WindowCenter) - 0.5 - (float(made.WindowWidth) - 1) / 2 == pytest.approx(low)
    assert float(made.WindowCenter) - 0.5 + (float(made.WindowWidth) - 1) / 2 == pytest.approx(high)


def test_the_same_enhancement_is_the_same_file_and_another_one_another(source: Path) -> None:
    (_, first), (_, again), (_, other) = derived(source), derived(source), derived(source, "nlm")
    assert first.data == again.data
    assert first.sop_instance_uid != other.sop_instance_uid


def test_an_inverted_image_stays_inverted_and_signed_values_stay_signed(tmp_path: Path) -> None:
    def change(dataset: pydicom.Dataset) -> None:
        pixels = dataset.pixel_array.astype(np.int32)
        dataset.PhotometricInterpretation = "MONOCHROME1"
        dataset.PixelRepresentation, dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 1, 16, 16, 15
        dataset.PixelData = (pixels.max() - pixels - 500).astype(np.int16).tobytes()
        for keyword in ("WindowCenter", "WindowWidth", "SmallestImagePixelValue", "LargestImagePixelValue"):
            if keyword in dataset:
                delattr(dataset, keyword)

    path = making.write(making.small(), tmp_path / "s.dcm", change)
    made, _ = derived(path, "nlm")
    original = pydicom.dcmread(path)
    assert made.PhotometricInterpretation == "MONOCHROME1"
    assert made.pixel_array.dtype == original.pixel_array.dtype == np.int16
    difference = made.pixel_array.astype(float) - original.pixel_array
    assert abs(difference.mean()) < 0.01 * float(np.ptp(original.pixel_array))


@pytest.mark.parametrize("case", list(making.AWKWARD))
def test_it_can_be_made_of_awkward_headers(case: str, tmp_path: Path) -> None:
    path = making.write(making.small(64, 64), tmp_path / "s.dcm", making.AWKWARD[case])
    made, _ = derived(path, "clahe")
    assert made.StudyInstanceUID == pydicom.dcmread(path).StudyInstanceUID


def test_a_node_that_gets_it_back_does_not_start_a_new_round(source: Path, tmp_path: Path) -> None:
    _, made = derived(source)
    path = tmp_path / "back.dcm"
    path.write_bytes(made.data)
    header, _ = read_header(path)
    assert is_image(header)
    assert not is_projection(header)


def test_it_is_made_only_when_asked_for(source: Path) -> None:
    assert ResultKind("ENHANCED") not in default_kinds()
    kinds = {item.kind for item in making.flagged(source, default_kinds(), making.radiograph(source))}
    assert ResultKind("ENHANCED") not in kinds
    objects = making.flagged(source, [ResultKind("SR"), ResultKind("ENHANCED")], making.radiograph(source))
    assert [item.kind for item in objects] == [ResultKind("SR"), ResultKind("ENHANCED")]


def test_an_implicit_source_with_values_of_open_type_can_be_copied(tmp_path: Path) -> None:
    dataset = making.small(64, 64)
    dataset.add_new("PixelPaddingValue", "US", 4095)
    dataset.add_new("PixelPaddingRangeLimit", "US", 4090)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    path = tmp_path / "implicit.dcm"
    dataset.save_as(path, implicit_vr=True, little_endian=True)
    made, _ = derived(path, "clahe")
    assert made.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
    assert (made.PixelPaddingValue, made.PixelPaddingRangeLimit) == (4095, 4090)


def test_a_spacing_of_zero_is_not_copied(tmp_path: Path) -> None:
    path = making.write(making.small(64, 64), tmp_path / "s.dcm")
    assert list(pydicom.dcmread(path).PixelSpacing) == [0, 0]
    made, _ = derived(path, "clahe")
    assert "PixelSpacing" not in made
