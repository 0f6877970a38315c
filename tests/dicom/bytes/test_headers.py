"""Headers are read from whatever writers produce, quickly, and lead to no path or patient name by accident."""

from __future__ import annotations

import io
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from miqa_node.core.domain.instance import Header
from miqa_node.core.taxonomy.anatomy import PhantomNames, anatomy_of
from miqa_node.dicom.bytes.headers import read_header, read_spacing_mm
from miqa_node.errors import DataSetError
from miqa_node.stages.units.kinds import is_image, is_projection

CR = "1.2.840.10008.5.1.4.1.1.1"
CHARSET_FILES = Path(pydicom.__file__).parent / "data" / "charset_files"
SEG = "1.2.840.10008.5.1.4.1.1.66.4"


def make(path: Path, syntax: str = ExplicitVRLittleEndian, *, enforce: bool = True, **elements: object) -> Path:
    """Write a small CR with the given elements; None leaves one out."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(syntax)
    meta.MediaStorageSOPClassUID = UID(CR)
    meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    ds = FileDataset(
        path,
        {},
        file_meta=meta,
        preamble=b"\0" * 128,
        is_implicit_VR=syntax == ImplicitVRLittleEndian,
        is_little_endian=syntax != ExplicitVRBigEndian,
    )
    values: dict[str, object] = {
        "SOPClassUID": CR,
        "SOPInstanceUID": "1.2.3",
        "StudyInstanceUID": "1.2",
        "SeriesInstanceUID": "1.2.1",
        "Modality": "CR",
        "PatientName": "Doe^Jane",
        "PatientID": "4711",
        "Rows": 4,
        "Columns": 4,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "PixelData": bytes(32),
    }
    for keyword, value in (values | elements).items():
        if value is not None:
            setattr(ds, keyword, value)
    ds.save_as(path, enforce_file_format=enforce)
    return path


@contextmanager
def measured_memory() -> Iterator[Callable[[], int]]:
    """Gives the most memory that Python held at once in the block, in bytes."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_reads_a_real_chest_radiograph(samples: Path) -> None:
    header, study = read_header(samples / "RG1_UNCR.dcm")
    assert (header.modality, header.body_part_examined, header.view_position) == ("CR", "CHEST", "PA")
    assert (header.rows, header.columns, header.bits_stored) == (1955, 1841, 15)
    assert header.photometric_interpretation == "MONOCHROME1"
    assert header.has_pixels
    assert header.has_voi
    assert header.number_of_frames == 1
    assert is_image(header)
    assert is_projection(header)
    assert study.study_instance_uid == header.study_instance_uid


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_every_native_syntax_gives_the_same_header(tmp_path: Path, syntax: str) -> None:
    header, study = read_header(
        make(tmp_path / "a.dcm", syntax, ExposureIndex="412.5", WindowCenter="40", WindowWidth="80")
    )
    assert (header.rows, header.columns, header.bits_stored) == (4, 4, 12)
    assert header.exposure_index == 412.5
    assert header.has_voi
    assert header.transfer_syntax_uid == syntax
    assert study.patient_name == "Doe^Jane"


@pytest.mark.parametrize(
    ("exposure", "deviation", "expected"),
    [
        ("412.5", "-3.1", (412.5, -3.1)),
        ("1e300", "20240231", (None, None)),
        ("1e9", "100", (1e9, 100.0)),
        ("1e-300", "-1e-200", (0.0, 0.0)),
    ],
)
def test_exposure_indices_that_cannot_be_are_none(
    tmp_path: Path, exposure: str, deviation: str, expected: tuple[float | None, float | None]
) -> None:
    """Their sums and squares are kept for the analysis, and PostgreSQL refuses to compute those beyond its numbers."""
    header, _ = read_header(make(tmp_path / "a.dcm", ExposureIndex=exposure, DeviationIndex=deviation))
    assert (header.exposure_index, header.deviation_index) == expected


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_preamble_and_group_2_may_be_missing(tmp_path: Path, syntax: str) -> None:
    whole = make(tmp_path / "a.dcm", syntax).read_bytes()
    length = int.from_bytes(whole[140:144], "little")
    headless = tmp_path / "b.dcm"
    headless.write_bytes(whole[144 + length :])
    header, _ = read_header(headless)
    assert (header.rows, header.modality, header.transfer_syntax_uid) == (4, "CR", syntax)
    without_preamble = tmp_path / "c.dcm"
    without_preamble.write_bytes(whole[132:])
    assert read_header(without_preamble)[0].rows == 4


def test_values_with_the_wrong_representation_are_understood(tmp_path: Path) -> None:
    whole = make(tmp_path / "a.dcm").read_bytes()
    rows = b"\x28\x00\x10\x00US\x02\x00\x04\x00"
    assert rows in whole
    as_text = tmp_path / "b.dcm"
    as_text.write_bytes(whole.replace(rows, b"\x28\x00\x10\x00IS\x02\x00" + b"16"))
    assert read_header(as_text)[0].rows == 16
    garbage = tmp_path / "c.dcm"
    garbage.write_bytes(whole.replace(rows, b"\x28\x00\x10\x00DS\x02\x00" + b"1A"))
    assert read_header(garbage)[0].rows == 0


def test_a_declared_syntax_that_contradicts_the_bytes_does_not_win(tmp_path: Path) -> None:
    whole = make(tmp_path / "a.dcm", ExplicitVRLittleEndian).read_bytes()
    path = tmp_path / "b.dcm"
    path.write_bytes(whole.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0"))
    assert read_header(path)[0].rows == 4


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Not a DICOM data set"),
        (b"<html><body>404</body></html>" * 20, "Not a DICOM data set"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "Not a DICOM data set"),
        (bytes(1000), "Not a DICOM data set"),
        (bytes(128) + b"DICM", "Not a DICOM data set"),
    ],
)
def test_what_is_not_dicom_is_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(DataSetError, match=reason):
        read_header(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID"])
def test_a_uid_that_could_be_a_path_is_refused(tmp_path: Path, keyword: str) -> None:
    path = make(tmp_path / "a.dcm", **dict[str, Any]({keyword: "../../etc/passwd"}))
    with pytest.raises(DataSetError, match=keyword):
        read_header(path)


def test_missing_instance_uid_falls_back_to_group_2_and_then_fails(tmp_path: Path) -> None:
    header, _ = read_header(make(tmp_path / "a.dcm", SOPInstanceUID=None, SOPClassUID=None))
    assert (header.sop_instance_uid, header.sop_class_uid) == ("1.2.3", CR)
    whole = (tmp_path / "a.dcm").read_bytes()
    (tmp_path / "b.dcm").write_bytes(whole[144 + int.from_bytes(whole[140:144], "little") :])
    with pytest.raises(DataSetError, match="SOPClassUID"):
        read_header(tmp_path / "b.dcm")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "file", [path for path in CHARSET_FILES.glob("*.dcm") if "chrSQ" not in path.name], ids=lambda path: path.name
)
def test_patient_names_come_in_their_character_set(file: Path) -> None:
    _, study = read_header(file)
    expected = str(pydicom.dcmread(file).PatientName).rstrip("=")
    assert study.patient_name == expected


@pytest.mark.parametrize(
    ("charset", "encoded", "expected"),
    [
        # PS3.5 K.2; the codec of Python leaves the escape sequences in the text
        ("\\ISO 2022 IR 58", b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab", "Zhang^XiaoDong=张^小东"),
        ("ISO_IR 203", b"\xbcuvre^Jean", "Œuvre^Jean"),
        ("\\ISO 2022 IR 203", b"\x1b-b\xbcuvre^Jean", "Œuvre^Jean"),
        # declared without the code extension that these sets need
        ("ISO_IR 149", "Hong^Gildong=洪^吉洞=홍^길동".encode("euc_kr"), "Hong^Gildong=洪^吉洞=홍^길동"),
        ("ISO_IR 149", b"Hong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce", "Hong=洪^吉"),
        ("ISO_IR 58", "Zhang^San=张^三".encode("gb2312"), "Zhang^San=张^三"),
        ("ISO 2022 IR 13\\ISO 2022 IR 87", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田"),
    ],
)
def test_every_character_set_of_the_standard_is_read(
    charset: str, encoded: bytes, expected: str, tmp_path: Path
) -> None:
    """PS3.3 C.12.1.1.2."""
    path = make(tmp_path / "a.dcm", SpecificCharacterSet=charset.split("\\"), PatientName="X" * len(encoded))
    path.write_bytes(path.read_bytes().replace(b"X" * len(encoded), encoded))
    assert read_header(path)[1].patient_name == expected
    assert str(pydicom.dcmread(path).PatientName) == expected


def test_kanji_are_read_where_jis_x_0208_is_declared_without_code_extension(tmp_path: Path) -> None:
    """The writer of pydicom would refuse it, so the bytes are exchanged."""
    name, declared = b"Yamada=\x1b$B;3ED\x1b(J", b"ISO_IR 87 "
    path = make(tmp_path / "a.dcm", SpecificCharacterSet="ISO_IR 100", PatientName="X" * len(name))
    path.write_bytes(path.read_bytes().replace(b"X" * len(name), name).replace(b"ISO_IR 100", declared))
    assert read_header(path)[1].patient_name == "Yamada=山田"


def test_view_and_region_codes_stand_in_for_empty_elements(tmp_path: Path) -> None:
    view, region = Dataset(), Dataset()
    view.CodeValue, view.CodingSchemeDesignator, view.CodeMeaning = "272479007", "SCT", "postero-anterior"
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "43799004", "SCT", "Chest"
    path = make(tmp_path / "a.dcm", ViewCodeSequence=Sequence([view]), AnatomicRegionSequence=Sequence([region]))
    header, _ = read_header(path)
    assert (header.view_position, header.body_part_examined) == ("PA", "CHEST")


def test_who_made_the_image_where_and_with_which_detector(tmp_path: Path) -> None:
    elements: dict[str, Any] = {
        "OperatorsName": ["Meier^Anna", "Huber^Eva"],
        "PerformedLocation": "Room 3",
        "DeviceSerialNumber": "S9",
    }
    header, study = read_header(make(tmp_path / "a", **elements))
    assert study.operators_name == "Meier^Anna"
    assert (header.performed_location, header.detector_id) == ("Room 3", "S9")
    assert "Meier" not in str(header)
    header, _ = read_header(make(tmp_path / "b", **elements, DetectorID="D7"))
    assert header.detector_id == "D7"


def test_spacing_prefers_the_detector_and_needs_to_be_positive(tmp_path: Path) -> None:
    path = make(tmp_path / "a.dcm", ImagerPixelSpacing=[0.2, 0.1], PixelSpacing=[0.5, 0.5])
    assert read_header(path)[0].pixel_spacing_mm == (0.2, 0.1)
    assert read_spacing_mm(path) == (0.2, 0.1)
    assert read_header(make(tmp_path / "b.dcm", ImagerPixelSpacing=[0, 0]))[0].pixel_spacing_mm is None


COLLIMATOR: dict[str, Any] = {
    "CollimatorShape": "RECTANGULAR",
    "CollimatorLeftVerticalEdge": 11,
    "CollimatorRightVerticalEdge": 200,
    "CollimatorUpperHorizontalEdge": -4,
    "CollimatorLowerHorizontalEdge": 300,
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (11, 200, -4, 300)),
        ({"CollimatorShape": ["RECTANGULAR", "CIRCULAR"]}, (11, 200, -4, 300)),
        ({"CollimatorShape": "CIRCULAR"}, ()),
        ({"CollimatorLowerHorizontalEdge": None}, ()),
        ({"CollimatorLeftVerticalEdge": 200}, ()),
        ({"CollimatorRightVerticalEdge": 70000}, ()),
    ],
    ids=["rectangle", "two shapes", "circle", "an edge is missing", "nothing between", "beyond any image"],
)
def test_a_collimator_is_a_rectangle_with_all_its_edges(
    changes: dict[str, Any], expected: tuple[int, ...], tmp_path: Path
) -> None:
    assert read_header(make(tmp_path / "a.dcm", **COLLIMATOR | changes))[0].collimator_edges == expected


def test_enhanced_multiframe_headers_look_into_functional_groups(samples: Path) -> None:
    header, _ = read_header(samples / "eCT_Supplemental.dcm")
    assert header.pixel_spacing_mm == pytest.approx((0.388672, 0.388672))
    assert header.has_voi
    assert header.number_of_frames == 2
    assert not is_projection(header)


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_acquisition_time_takes_the_best_element(tmp_path: Path) -> None:
    path = make(tmp_path / "a.dcm", AcquisitionDate="20260102", AcquisitionTime="030405.123", ContentDate="20200101")
    assert read_header(path)[0].acquired_at == datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - scanner's local time
    assert read_header(make(tmp_path / "b.dcm", ContentDate="20261399"))[0].acquired_at is None


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"AcquisitionDate": "20260102", "AcquisitionTime": "0930"}, datetime(2026, 1, 2, 9, 30)),  # noqa: DTZ001
        ({"AcquisitionDate": "20260102", "AcquisitionTime": "09"}, datetime(2026, 1, 2, 9)),  # noqa: DTZ001
        ({"AcquisitionDateTime": "202601020930+0900"}, datetime(2026, 1, 2, 9, 30)),  # noqa: DTZ001
        ({"AcquisitionDate": "2026.01.02", "AcquisitionTime": "09:30:15"}, datetime(2026, 1, 2, 9, 30, 15)),  # noqa: DTZ001
        ({"AcquisitionTime": "110112.30"}, None),
    ],
)
def test_times_may_end_with_hours_or_minutes(
    elements: dict[str, Any], expected: datetime | None, tmp_path: Path
) -> None:
    """PS3.5 6.2: "0930" is half past nine, not midnight."""
    assert read_header(make(tmp_path / "a.dcm", **elements))[0].acquired_at == expected


@pytest.mark.parametrize(
    ("elements", "offset_s"),
    [
        ({"AcquisitionDateTime": "202601020930+0900"}, 32400),
        ({"AcquisitionDateTime": "20260102093000.123-0330", "TimezoneOffsetFromUTC": "+0100"}, -12600),
        ({"AcquisitionDate": "20260102", "AcquisitionTime": "0930", "TimezoneOffsetFromUTC": "+0000"}, 0),
        ({"AcquisitionDate": "20260102", "AcquisitionTime": "0930", "TimezoneOffsetFromUTC": "+9900"}, None),
        ({"AcquisitionDate": "20260102", "AcquisitionTime": "0930"}, None),
        ({"TimezoneOffsetFromUTC": "+0100"}, None),
    ],
)
def test_an_offset_from_utc_belongs_to_the_time(elements: dict[str, Any], offset_s: int | None, tmp_path: Path) -> None:
    """A suffix of the value comes before Timezone Offset From UTC (PS3.5 6.2, DT)."""
    assert read_header(make(tmp_path / "a.dcm", **elements))[0].utc_offset_s == offset_s


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"QualityControlImage": "YES"}, (True, False)),
        ({"QualityControlImage": "BOTH"}, (True, False)),
        ({"QualityControlSubject": "YES"}, (True, False)),
        ({"PatientID": "QC-17"}, (True, True)),
        ({"PatientName": "Cube^Water"}, (True, False)),
        ({"PatientName": "Leeds^Norma"}, (False, True)),
        ({"StudyDescription": "QA hospital, chest"}, (False, True)),
        ({"ProtocolName": "ACR Chest PA"}, (False, True)),
        ({"SeriesDescription": "Flat field calibration"}, (False, True)),
        ({"PatientName": "Aquaro^Maria", "PatientID": "QA1X"}, (False, False)),
        ({}, (False, False)),
    ],
)
def test_words_are_hints_and_elements_and_the_sites_names_are_proof_of_a_test_object(
    tmp_path: Path, elements: dict[str, Any], expected: tuple[bool, bool]
) -> None:
    site = anatomy_of({}, {}, PhantomNames(("QC-*",), ("cube^*",)))
    header, _ = read_header(make(tmp_path / "a.dcm", **elements), anatomy=site)
    assert (header.quality_control, header.named_phantom) == expected
    assert not any(word in repr(header) for word in ("QC-", "Aquaro", "Norma"))


@pytest.mark.parametrize(("value", "scheme"), [("113681", "DCM"), ("R-FE0C7", "SRT"), ("706342009", "SCT")])
def test_a_phantom_as_region_is_a_test_object(value: str, scheme: str, tmp_path: Path) -> None:
    region = Dataset()
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = value, scheme, "Phantom"
    assert read_header(make(tmp_path / "a.dcm", AnatomicRegionSequence=Sequence([region])))[0].quality_control


def _header(**changes: Any) -> Header:
    values: dict[str, Any] = {
        "sop_class_uid": CR,
        "sop_instance_uid": "1",
        "series_instance_uid": "1",
        "study_instance_uid": "1",
        "transfer_syntax_uid": ExplicitVRLittleEndian,
        "modality": "CR",
        "rows": 9,
        "columns": 9,
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "photometric_interpretation": "MONOCHROME2",
        "has_pixels": True,
    }
    return Header(**(values | changes))


STORAGE = "1.2.840.10008.5.1.4.1.1."


@pytest.mark.parametrize(
    ("changes", "image", "projection"),
    [
        ({}, True, True),
        ({"sop_class_uid": STORAGE + "1.1", "modality": "DX"}, True, True),
        ({"sop_class_uid": STORAGE + "1.2", "modality": "MG"}, True, True),
        ({"sop_class_uid": STORAGE + "12.1", "modality": "XA"}, True, True),
        ({"sop_class_uid": STORAGE + "12.1", "modality": "XA", "number_of_frames": 40}, True, False),
        ({"sop_class_uid": STORAGE + "13.1.3", "modality": "MG", "number_of_frames": 60}, True, False),
        ({"sop_class_uid": STORAGE + "2", "modality": "CT", "image_type": ("LOCALIZER",)}, True, False),
        ({"sop_class_uid": STORAGE + "7", "modality": "RG"}, True, True),
        ({"sop_class_uid": STORAGE + "7", "modality": "OT"}, True, False),
        ({"sop_class_uid": STORAGE + "7", "modality": "CR", "photometric_interpretation": "RGB"}, True, False),
        ({"sop_class_uid": "1.3.46.670589.11.0.0.12.1", "modality": "DX"}, True, True),
        ({"sop_class_uid": SEG, "modality": "SEG"}, False, False),
        ({"sop_class_uid": SEG, "modality": "CR"}, False, False),
        ({"sop_class_uid": STORAGE + "481.2", "modality": "RTDOSE"}, False, False),
        ({"sop_class_uid": STORAGE + "481.1", "modality": "RTIMAGE"}, True, False),
        ({"sop_class_uid": STORAGE + "88.34", "modality": "SR", "has_pixels": False}, False, False),
        ({"sop_class_uid": STORAGE + "104.1", "modality": "DOC", "has_pixels": False}, False, False),
        ({"rows": 0}, False, False),
    ],
)  # fmt: skip
def test_kinds_of_objects(changes: dict[str, object], *, image: bool, projection: bool) -> None:
    header = _header(**changes)
    assert (is_image(header), is_projection(header)) == (image, projection)


def test_headers_before_large_private_elements_are_read_without_them(tmp_path: Path) -> None:
    ds = Dataset()
    ds.add_new(0x00290010, "LO", "MAKER")
    ds.add_new(0x00291001, "OB", bytes(3 << 20))
    path = make(tmp_path / "a.dcm")
    whole = pydicom.dcmread(path)
    whole.update(ds)
    whole.save_as(path)
    with measured_memory() as most_bytes:
        header, _ = read_header(path)
    assert header.has_pixels
    assert most_bytes() < 1 << 20, "of 3 MiB"


def test_endless_nesting_is_refused(tmp_path: Path) -> None:
    whole = make(tmp_path / "a.dcm", PixelData=None).read_bytes()
    nested = io.BytesIO()
    for _ in range(200):
        nested.write(b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff")
    path = tmp_path / "b.dcm"
    path.write_bytes(whole[: 144 + int.from_bytes(whole[140:144], "little")] + nested.getvalue())
    with pytest.raises(DataSetError):
        read_header(path)


@pytest.mark.more
def test_deflated_data_sets_are_inflated_only_as_far_as_needed(tmp_path: Path) -> None:
    whole = make(tmp_path / "a.dcm").read_bytes()
    length = int.from_bytes(whole[140:144], "little")
    meta = whole[: 144 + length].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    grown = meta.replace(b"UI\x14\x00" + b"1.2.840.10008.1.2.1.99", b"UI\x16\x00" + b"1.2.840.10008.1.2.1.99")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = packer.compress(whole[144 + length :]) + packer.compress(bytes(200 << 20)) + packer.flush()
    path = tmp_path / "deflated.dcm"
    path.write_bytes(grown + bomb)
    with measured_memory() as most_bytes:
        header, _ = read_header(path)
    assert most_bytes() < 32 << 20, "of 200 MiB"
    assert (header.rows, header.transfer_syntax_uid) == (4, "1.2.840.10008.1.2.1.99")
    assert header.has_pixels
