"""Frames: which codec, which bits, which colours, whatever the header forgot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless

from miqa_node.dicom.pixels.codestream import mend_sequential_scan, transfer_syntax_of
from miqa_node.dicom.pixels.frame import Frame, decode_frame
from miqa_node.errors import DecodeError
from tests.stages.assess.making import chest_dataset

LIMIT = 10**9


def pydicom_file(name: str) -> Path:
    return Path(pydicom.__file__).parent / "data" / "test_files" / name


def with_syntax(path: Path, to: Path, syntax: str) -> Path:
    """The file with another Transfer Syntax UID, which pydicom itself would refuse to write."""
    whole = path.read_bytes()
    old = str(pydicom.dcmread(path).file_meta.TransferSyntaxUID).encode()
    old += b"\0" * (len(old) % 2)
    new = syntax.encode() + b"\0" * (len(syntax) % 2)
    head = b"\x02\x00\x10\x00UI"
    before, after = whole.split(head + len(old).to_bytes(2, "little") + old)
    length = int.from_bytes(before[140:144], "little") + len(new) - len(old)
    before = before[:140] + length.to_bytes(4, "little") + before[144:]
    to.write_bytes(before + head + len(new).to_bytes(2, "little") + new + after)
    return to


def changed(path: Path, to: Path, **elements: object) -> Path:
    ds = pydicom.dcmread(path)
    for keyword, value in elements.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    ds.save_as(to)
    return to


def decode(path: Path, frame: int = 0) -> Frame:
    return decode_frame(path, frame, LIMIT)


def test_a_12_bit_jpeg_with_a_lossless_scan_header_is_mended() -> None:
    frame = decode(pydicom_file("JPEG-lossy.dcm"))
    plain = decode(pydicom_file("JPEG2000.dcm"))  # the same picture, compressed otherwise
    assert frame.stored.shape == plain.stored.shape
    assert np.corrcoef(frame.stored.ravel(), plain.stored.ravel())[0, 1] > 0.95
    assert frame.decoder.startswith("imagecodecs ")


def test_mending_leaves_other_frames_alone(samples: Path) -> None:
    for name in ("JPGLosslessP14SV1_1s_1f_8b.dcm", "JPEG-LL.dcm"):
        encoded = next(generate_frames(pydicom.dcmread(samples / name).PixelData, number_of_frames=1))
        assert mend_sequential_scan(encoded) == encoded
    for nothing in (b"", b"\xff\xd8", b"\xff\xd8\xff\xda\x00\x02", b"\xff\xd8" + b"\xff" * 50):
        assert mend_sequential_scan(nothing) == nothing


def test_a_wrong_transfer_syntax_is_corrected_by_the_codestream(samples: Path, tmp_path: Path) -> None:
    ds = pydicom.dcmread(samples / "RG3_J2KR.dcm")
    ds.file_meta.TransferSyntaxUID = JPEGLSLossless
    ds.save_as(tmp_path / "a.dcm")
    frame = decode(tmp_path / "a.dcm")
    assert np.array_equal(frame.stored, decode(samples / "RG3_UNCR.dcm").stored)
    assert "taken as 1.2.840.10008.1.2.4.91" in frame.steps[1]
    assert transfer_syntax_of(b"no codestream", JPEGLSLossless) == JPEGLSLossless
    assert transfer_syntax_of(b"\xff\x4f\xff\x51", JPEG2000Lossless) == JPEG2000Lossless


def test_frames_are_counted_from_zero_and_must_exist(samples: Path) -> None:
    path = samples / "emri_small_jpeg_2k_lossless.dcm"
    whole = pydicom.dcmread(samples / "emri_small.dcm").pixel_array
    for index in (0, 3, 9):
        assert np.array_equal(decode(path, index).stored, whole[index])
    assert decode(path).frames == 10
    with pytest.raises(DecodeError, match="10 frames"):
        decode(path, 10)
    with pytest.raises(DecodeError, match="10 frames"):
        decode(path, -1)


def test_fragments_of_a_single_frame_are_joined_whatever_the_offset_table_says(samples: Path, tmp_path: Path) -> None:
    ds = pydicom.dcmread(samples / "RG3_J2KR.dcm")
    encoded = next(generate_frames(ds.PixelData, number_of_frames=1))
    ds.PixelData = encapsulate([encoded], fragments_per_frame=7, has_bot=False)
    ds["PixelData"].is_undefined_length = True
    ds.save_as(tmp_path / "a.dcm")
    assert np.array_equal(decode(tmp_path / "a.dcm").stored, decode(samples / "RG3_UNCR.dcm").stored)


def test_unused_high_bits_are_removed_but_padding_is_found_before(tmp_path: Path) -> None:
    ds = pydicom.dcmread(pydicom_file("CT_small.dcm"))
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 12, 11, 0
    del ds.PixelPaddingValue
    ds.add_new("PixelPaddingValue", "US", 0xF830)
    for keyword in ("SmallestImagePixelValue", "LargestImagePixelValue", "WindowCenter", "WindowWidth"):
        if keyword in ds:
            delattr(ds, keyword)
    stored = np.arange(128 * 128, dtype=np.uint16).reshape(128, 128) % 4096
    raw = stored | 0x5000  # an overlay of old in the unused bits
    raw[:10] = 0xF830
    ds.PixelData = raw.tobytes()
    ds.save_as(tmp_path / "a.dcm")
    frame = decode(tmp_path / "a.dcm")
    assert "4 unused high bits removed" in frame.steps
    assert frame.valid is not None
    assert not frame.valid[:10].any()
    assert frame.valid[10:].all()
    assert np.array_equal(frame.stored[10:], stored[10:])
    assert not frame.display[:10].any()
    assert frame.stored_range == (0, 4095)


def test_padding_is_also_found_where_only_the_used_bits_say_it(tmp_path: Path) -> None:
    """PS3.3 C.7.5.1.1.2: codecs give 12 signed bits without extending their sign; overlays of old fill the rest."""
    ds = pydicom.dcmread(pydicom_file("CT_small.dcm"))
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 12, 11, 1
    del ds.PixelPaddingValue
    ds.add_new("PixelPaddingValue", "SS", -2000)
    values = np.linspace(-1000, 1000, 128 * 128).astype(np.int16).reshape(128, 128)
    values[:10] = -2000
    for unused in (0, 0x8000):
        ds.PixelData = (values.view(np.uint16) & 0x0FFF | unused).tobytes()
        ds.save_as(tmp_path / "a.dcm")
        frame = decode(tmp_path / "a.dcm")
        assert np.array_equal(frame.stored, values)
        assert frame.valid is not None
        assert not frame.valid[:10].any()
        assert frame.valid[10:].all()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_voi_lut_over_negative_values_is_one_in_implicit_vr_too(syntax: str, tmp_path: Path) -> None:
    """PS3.3 C.11.2.1.1: its first input is that of the modality's output, which Pixel Representation does not know."""
    ds = pydicom.dcmread(pydicom_file("CT_small.dcm"))
    ds.PixelRepresentation, ds.RescaleSlope, ds.RescaleIntercept = 0, "1", "-1024"
    for keyword in ("SmallestImagePixelValue", "LargestImagePixelValue", "PixelPaddingValue"):
        if keyword in ds:
            delattr(ds, keyword)
    item = pydicom.Dataset()
    item.add_new("LUTDescriptor", "SS", [2001, -1000, 16])
    item.add_new("LUTData", "OW", np.linspace(0, 65535, 2001).astype("<u2").tobytes())
    ds.VOILUTSequence = [item]
    ds.PixelData = np.full((128, 128), 1024, np.uint16).tobytes()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.save_as(tmp_path / "a.dcm", implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True)
    assert np.unique(decode(tmp_path / "a.dcm").display).tolist() == [32767]  # 0 HU, in the middle of the table


def test_signed_values_keep_their_sign_when_high_bits_are_removed(tmp_path: Path) -> None:
    ds = pydicom.dcmread(pydicom_file("CT_small.dcm"))
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 12, 11, 1
    values = np.linspace(-2048, 2047, 128 * 128).astype(np.int16).reshape(128, 128)
    ds.PixelData = (values & 0x0FFF).tobytes()
    ds.save_as(tmp_path / "a.dcm")
    frame = decode(tmp_path / "a.dcm")
    assert frame.stored_range == (-2048, 2047)
    assert np.array_equal(frame.stored, values)


def test_values_above_high_bit_position_are_shifted(tmp_path: Path) -> None:
    ds = pydicom.dcmread(pydicom_file("CT_small.dcm"))
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 12, 15, 0
    values = (np.arange(128 * 128) % 4096).astype(np.uint16).reshape(128, 128)
    ds.PixelData = (values << 4).tobytes()
    ds.save_as(tmp_path / "a.dcm")
    frame = decode(tmp_path / "a.dcm")
    assert "shifted right by 4 bits" in frame.steps
    assert np.array_equal(frame.stored, values)


def test_monochrome1_is_shown_inverted(samples: Path, tmp_path: Path) -> None:
    path = samples / "RG3_UNCR.dcm"
    inverted = decode(path)
    plain = decode(changed(path, tmp_path / "a.dcm", PhotometricInterpretation="MONOCHROME2"))
    assert np.array_equal(inverted.stored, plain.stored)
    assert np.abs(inverted.display.astype(int) + plain.display - 65535).max() <= 1
    assert "inverted to MONOCHROME2" in inverted.steps


@pytest.mark.parametrize(
    "name", ["SC_rgb.dcm", "SC_rgb_16bit.dcm", "SC_rgb_32bit.dcm", "SC_rgb_rle.dcm", "SC_rgb_jpeg.dcm"]
)
@pytest.mark.filterwarnings("ignore:Expected explicit VR")
def test_colour_becomes_luminance(name: str, samples: Path) -> None:
    path = samples / name if (samples / name).exists() else pydicom_file(name)
    frame = decode(path)
    rgb = pydicom.dcmread(path).pixel_array.astype(np.float64)
    bits = pydicom.dcmread(path).BitsStored
    expected = (rgb @ [0.299, 0.587, 0.114]) / (2.0**bits - 1)
    assert np.abs(frame.display / 65535.0 - expected).max() < 0.006
    assert frame.colour is not None
    assert np.abs(frame.colour / 65535.0 - rgb / (2.0**bits - 1)).max() < 1e-4
    assert "colour converted to luminance (Rec. 601)" in frame.steps


def test_palettes_are_applied(samples: Path) -> None:
    frame = decode(samples / "OBXXXX1A.dcm")
    assert frame.steps[1:] == ("palette applied", "colour converted to luminance (Rec. 601)")
    assert frame.display.max() > 30000


def test_palettes_of_bytes_in_words_are_no_darker(samples: Path, tmp_path: Path) -> None:
    ds = pydicom.dcmread(samples / "MR2_UNCR.dcm")
    ds.PhotometricInterpretation, ds.PixelData = "PALETTE COLOR", b"\xff\0" * (ds.Rows * ds.Columns)
    for colour in ("Red", "Green", "Blue"):
        ds.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [256, 0, 8])
        ds.add_new(f"{colour}PaletteColorLookupTableData", "OW", np.arange(256, dtype="<u2").tobytes())
    ds.save_as(tmp_path / "a.dcm")
    assert decode(tmp_path / "a.dcm").display.min() == 65535


@pytest.mark.parametrize(
    ("elements", "step"),
    [
        ({"PhotometricInterpretation": None}, "PhotometricInterpretation missing, taken as MONOCHROME2"),
        ({"SamplesPerPixel": None}, "SamplesPerPixel missing, taken as 1"),
        ({"BitsStored": None}, "BitsStored missing, taken as 16"),
        ({"PixelRepresentation": None}, "PixelRepresentation missing, taken as 0"),
        ({"BitsStored": 0}, "BitsStored 0, taken as 16"),
        ({"PhotometricInterpretation": "Monochrome2"}, "PhotometricInterpretation taken as MONOCHROME2"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_the_header_forgot_is_completed_and_said(
    tmp_path: Path, samples: Path, elements: dict[str, object], step: str
) -> None:
    frame = decode(changed(samples / "MR2_UNCR.dcm", tmp_path / "a.dcm", **elements))
    assert step in frame.steps
    assert frame.display.max() > 60000


@pytest.mark.parametrize("keyword", ["Rows", "Columns", "BitsAllocated"])
def test_what_cannot_be_guessed_is_an_error(tmp_path: Path, samples: Path, keyword: str) -> None:
    path = changed(samples / "MR2_UNCR.dcm", tmp_path / "a.dcm", **{keyword: None})
    with pytest.raises(DecodeError, match=keyword):
        decode(path)


@pytest.mark.parametrize(
    ("syntax", "reason"),
    [
        ("1.2.840.10008.1.2.4.100", "video"),
        ("1.2.840.10008.1.2.4.108", "HEVC"),
        ("1.2.840.10008.1.2.4.95", "JPIP"),
        ("1.2.840.10008.1.2.4.110", "JPEG XL"),
        ("1.2.999.1", "private"),
    ],
)
def test_syntaxes_that_are_not_decoded_say_why(tmp_path: Path, samples: Path, syntax: str, reason: str) -> None:
    path = with_syntax(samples / "RG3_J2KR.dcm", tmp_path / "a.dcm", syntax)
    path.write_bytes(path.read_bytes().replace(b"\xff\x4f\xff\x51", b"\x00\x00\x01\xb3"))
    with pytest.raises(DecodeError, match=reason):
        decode(path)


def test_errors_hold_nothing_of_the_patient(samples: Path, tmp_path: Path) -> None:
    ds = pydicom.dcmread(samples / "RG3_J2KR.dcm")
    ds.PatientName = "Secret^Name"
    ds.PixelData = encapsulate([b"\xff\x4f\xff\x51" + b"Secret^Name" * 10])
    ds.save_as(tmp_path / "Secret.dcm")
    with pytest.raises(DecodeError) as raised:
        decode(tmp_path / "Secret.dcm")
    assert "Secret" not in str(raised.value)
    assert "Send the object again" in str(raised.value)


def test_random_damage_is_always_a_decode_error(samples: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    path = tmp_path / "a.dcm"
    outcomes = {"decoded": 0, "refused": 0}
    for name in (
        "693_J2KR.dcm",
        "MR2_J2KR.dcm",
        "emri_small_RLE.dcm",
        "JPEG-LL.dcm",
        "emri_small_jpeg_ls_lossless.dcm",
    ):
        whole = bytearray((samples / name).read_bytes())
        for _ in range(6):
            damaged = whole.copy()
            for place in random.integers(200, len(damaged), 20):
                damaged[place] = random.integers(256)
            path.write_bytes(damaged[: random.integers(len(damaged) // 2, len(damaged))])
            try:
                frame = decode(path)
            except DecodeError:
                outcomes["refused"] += 1
            else:
                assert frame.display.shape == frame.stored.shape
                outcomes["decoded"] += 1
    assert outcomes["refused"] > 0


def test_headless_implicit_files_decode(samples: Path, tmp_path: Path) -> None:
    ds = pydicom.dcmread(samples / "MR2_UNCR.dcm")
    path = tmp_path / "a.dcm"
    ds.save_as(path)
    whole = path.read_bytes()
    path.write_bytes(whole[144 + int.from_bytes(whole[140:144], "little") :])
    frame = decode(path)
    assert np.array_equal(frame.stored, ds.pixel_array)
    assert f"transfer syntax missing, taken as {ExplicitVRLittleEndian}" in frame.steps


@pytest.mark.parametrize("place", [b"\x28\x00\x00\x01US", b"\x28\x00\x03\x01US", b"\x28\x00\x04\x00CS"])
def test_a_value_of_no_known_representation_is_the_fault_of_the_image(tmp_path: Path, place: bytes) -> None:
    chest_dataset(1).save_as(tmp_path / "image", enforce_file_format=True)
    content = (tmp_path / "image").read_bytes()
    assert place in content
    (tmp_path / "image").write_bytes(content.replace(place, place[:4] + b"TS"))
    with pytest.raises(DecodeError):
        decode_frame(tmp_path / "image", 0, 10**6)
