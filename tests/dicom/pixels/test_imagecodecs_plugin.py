"""JPEG, JPEG-LS, HTJ2K: frames encoded here come back as they were, and broken ones are refused instead of filled."""

from __future__ import annotations

import base64
import io
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    HTJ2K,
    HTJ2KLossless,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from miqa_node.dicom.bytes.uncompressed import uncompress
from miqa_node.dicom.pixels.codestream import is_reversible
from miqa_node.dicom.pixels.decoders import SYNTAXES
from miqa_node.dicom.pixels.frame import Frame, decode_frame
from miqa_node.errors import DecodeError

FULL_PROGRESSION = "1.2.840.10008.1.2.4.55"
RAMP = np.add.outer(np.arange(32), 2 * np.arange(32)).astype(np.uint8)
ARITHMETIC = {  # the ramp at quality 95 by cjpeg of libjpeg-turbo, sequential and progressive: no encoder is at hand
    "1.2.840.10008.1.2.4.52": (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBwYGCAsICQoKCgoKBggLDAsK"
        "DAkKCgr/yQALCAAgACABAREA/8wABgAQEAX/2gAIAQEAAD8A/wDzWTGxXFyJQHoOMJL4ftRIoj77DjDTP94V7K+VI7ympLD6J1ENSxWBa+UXoijA"
        "d/u6xh1yJKvoaC/T66H/2Q=="
    ),
    "1.2.840.10008.1.2.4.56": (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBwYGCAsICQoKCgoKBggLDAsK"
        "DAkKCgr/ygALCAAgACABAREA/8wABAAQ/9oACAEBAAAAAf8A5qdUU4aEW89r2gj/zAAEEAX/2gAIAQEAAQUCFXHmBq0LGvvWauC9tDrgmP/MAAQQ"
        "Bf/aAAgBAQAGPwKw/8wABBAF/9oACAEBAAE/ISMYV28xtQUJiIQg/9oACAEBAAAAEEvG/8wABBAF/9oACAEBAAE/EKYQDoD/2Q=="
    ),
}
BY_PLANE = (  # the ramp, upside down and transposed as RGB in JPEG-LS, one scan for each colour: as above
    "/9j/9wARCAAgACADAREAAhEAAxEA/9oACAEBAAAAAL/32/92/3//f/7Sv/9//v9//3/P/3//ff9//3+//3//f/9//3//f/9//3//f/9//3//f/9/"
    "/3//f/9//3//f/9//3//f/9//3//f/9//3//f/9//3//f/9//3//f/9//3//f/9//3//f/9//3//f/9//3//f/9//3//f/9//3//f/9//3//f/9/"
    "/3//f/9/4P/aAAgBAgAAAAAAAL7f/3//f/9//zK//3/+X/9//3r/f/9/3/9//3//f/9//3//f/9//3//f/9//3//f/9//3//f/9//3//f/9//3//"
    "f/9//3//f/9//3//f/9//3//f/9//3//f/9//3//f/9//3//f/9//3//f/9//3//f/9//3//f/9//3//f/9//3//f/9//3//f/9//3//f/9/8P/a"
    "AAgBAwAAAACttv2//3/7f/9ppX//f/x//3//Yf9//3+f/3//ef9//3+//3//d/9//37/f/9/3/9//3v/f/9/f/9//2//f/99/3//f7//f/93/3//"
    "fv9//3/f/3//e/9//39//3//b/9//33/f/9/v/9//3f/f/9+/3//f9//f/97/3//f3//f/9v/3//ff9//3+//3//d/9//37/2Q=="
)


@pytest.fixture
def chest(samples: Path) -> NDArray[np.uint16]:
    """A part of a real radiograph, 15 bits."""
    return np.ascontiguousarray(pydicom.dcmread(samples / "RG1_UNCR.dcm").pixel_array[700:1000, 500:900])


def stored_as(folder: Path, frame: bytes | bytearray, syntax: str, like: NDArray[np.integer], bits: int) -> Path:
    """An object whose one frame is the encoded one, described as the array is."""
    ds = pydicom.dcmread(Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm")
    ds.Rows, ds.Columns = like.shape[:2]
    ds.SamplesPerPixel = 1 if like.ndim == 2 else 3
    ds.PhotometricInterpretation = "MONOCHROME2" if like.ndim == 2 else "RGB"
    if like.ndim == 3:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8 * like.itemsize, bits, bits - 1
    ds.PixelRepresentation = 1 if like.dtype.kind == "i" else 0
    for keyword in ("PixelPaddingValue", "SmallestImagePixelValue", "LargestImagePixelValue"):
        if keyword in ds:
            delattr(ds, keyword)
    ds.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    ds.PixelData = encapsulate([bytes(frame)])
    ds["PixelData"].is_undefined_length = True
    ds.save_as(folder / "a.dcm")
    return folder / "a.dcm"


def decode(path: Path) -> Frame:
    return decode_frame(path, 0, 10**9)


@pytest.mark.parametrize("predictor", range(1, 8))
def test_every_predictor_of_lossless_jpeg_gives_the_pixels_back(
    tmp_path: Path, chest: NDArray[np.uint16], predictor: int
) -> None:
    encoded = imagecodecs.jpeg8_encode(chest, bitspersample=16, lossless=True, predictor=predictor)
    syntax = JPEGLosslessSV1 if predictor == 1 else JPEGLossless
    frame = decode(stored_as(tmp_path, encoded, syntax, chest, 16))
    assert np.array_equal(frame.stored, chest)
    assert frame.decoder.startswith("imagecodecs ")
    assert np.array_equal(imagecodecs.jpegsof3_decode(encoded), chest)  # so the encoder did not err along with us


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_every_depth_of_lossless_jpeg_gives_the_pixels_back(
    tmp_path: Path, chest: NDArray[np.uint16], bits: int
) -> None:
    pixels = (chest >> max(0, 15 - bits)).astype(np.uint8 if bits == 8 else np.uint16)
    encoded = imagecodecs.jpeg8_encode(pixels, bitspersample=bits, lossless=True, predictor=1)
    wide = pixels.astype(np.uint16)  # 8-bit samples too may be declared in 16 allocated bits
    assert np.array_equal(decode(stored_as(tmp_path, encoded, JPEGLosslessSV1, wide, bits)).stored, pixels)


def test_12_bit_jpeg_is_near_the_original(tmp_path: Path, chest: NDArray[np.uint16]) -> None:
    pixels = chest >> 3
    encoded = imagecodecs.jpeg8_encode(pixels, level=98, bitspersample=12)
    frame = decode(stored_as(tmp_path, encoded, JPEGExtended12Bit, pixels, 12))
    assert np.abs(frame.stored.astype(int) - pixels).mean() < 8


def test_colours_of_lossless_jpeg_are_left_alone(tmp_path: Path) -> None:
    rgb = np.dstack([RAMP, RAMP[::-1], RAMP.T])
    encoded = imagecodecs.jpeg8_encode(rgb, lossless=True, predictor=1, colorspace="RGB", outcolorspace="RGB")
    frame = decode(stored_as(tmp_path, encoded, JPEGLosslessSV1, rgb, 8))
    assert np.abs(frame.stored - rgb @ [0.299, 0.587, 0.114]).max() <= 0.51


@pytest.mark.parametrize("syntax", ARITHMETIC)
def test_retired_arithmetic_processes_are_decoded(tmp_path: Path, syntax: str) -> None:
    frame = decode(stored_as(tmp_path, base64.b64decode(ARITHMETIC[syntax]), syntax, RAMP, 8))
    assert np.abs(frame.stored.astype(int) - RAMP).max() <= 1


def test_the_retired_progressive_process_is_decoded(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(RAMP).save(file, "JPEG", quality=95, progressive=True)
    frame = decode(stored_as(tmp_path, file.getvalue(), FULL_PROGRESSION, RAMP, 8))
    assert np.abs(frame.stored.astype(int) - RAMP).max() <= 2


@pytest.mark.parametrize("number", [58, 59, 66])
def test_retired_processes_without_a_decoder_say_so(tmp_path: Path, number: int) -> None:
    path = stored_as(tmp_path, b"\xff\xd8\xff\xd9", f"1.2.840.10008.1.2.4.{number}", RAMP, 8)
    with pytest.raises(DecodeError, match=r"retired.*no decoder"):
        decode(path)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
@pytest.mark.parametrize("lossless", [True, False])
def test_a_frame_that_is_cut_off_is_refused_and_not_filled(
    tmp_path: Path, chest: NDArray[np.uint16], share: float, lossless: bool
) -> None:
    pixels = chest >> 3
    encoded = imagecodecs.jpeg8_encode(pixels, bitspersample=12, lossless=lossless, predictor=1 if lossless else None)
    syntax = JPEGLosslessSV1 if lossless else JPEGExtended12Bit
    path = stored_as(tmp_path, encoded[: int(share * len(encoded))], syntax, pixels, 12)
    with pytest.raises(DecodeError, match="cut off"):
        decode(path)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95, 0.995])
def test_an_htj2k_frame_that_is_cut_off_is_refused_and_not_filled(
    tmp_path: Path, chest: NDArray[np.uint16], share: float
) -> None:
    encoded = imagecodecs.htj2k_encode(chest)
    path = stored_as(tmp_path, encoded[: int(share * len(encoded))], HTJ2KLossless, chest, 16)
    with pytest.raises(DecodeError, match="cut off"):
        decode(path)


def test_an_htj2k_frame_whose_decoder_fails_is_refused(tmp_path: Path, chest: NDArray[np.uint16]) -> None:
    """The decoder prints the error of OpenJPH and returns what it has; an unchanged frame is decoded afterwards."""
    encoded = bytearray(imagecodecs.htj2k_encode(chest))
    whole = stored_as(tmp_path, encoded, HTJ2KLossless, chest, 16)
    assert np.array_equal(decode(whole).stored, chest)
    encoded[encoded.find(b"\xff\x93") + 2] ^= 0xFF
    path = stored_as(tmp_path, encoded, HTJ2KLossless, chest, 16)
    with pytest.raises(DecodeError, match="damaged"):
        decode(path)


def test_a_decoder_that_panics_refuses_the_frame_and_spares_the_process(tmp_path: Path) -> None:
    """pylibjpeg-rle ends in a panic of Rust, no ``Exception``, where a run goes beyond its segment."""
    like, too_much = np.zeros((16, 16), np.uint16), (b"\x4f" + bytes(80)) * 4
    header = np.array([2, 64, 64 + len(too_much), *[0] * 13], "<u4").tobytes()
    with pytest.raises(DecodeError, match="index out of bounds"):
        decode(stored_as(tmp_path, header + too_much + too_much, RLELossless, like, 16))


@pytest.mark.parametrize("name", ["JPEG-LL.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm"])
def test_a_forgotten_end_marker_costs_nothing(tmp_path: Path, samples: Path, name: str) -> None:
    ds = pydicom.dcmread(samples / name)
    encoded = next(generate_frames(ds.PixelData, number_of_frames=1))
    ds.PixelData = encapsulate([encoded[: encoded.rindex(b"\xff\xd9")]])
    ds["PixelData"].is_undefined_length = True
    ds.save_as(tmp_path / "a.dcm")
    assert np.array_equal(decode(tmp_path / "a.dcm").stored, decode(samples / name).stored)


def test_a_frame_of_another_size_is_refused(tmp_path: Path, chest: NDArray[np.uint16]) -> None:
    encoded = imagecodecs.jpeg8_encode(chest, bitspersample=16, lossless=True, predictor=1)
    path = stored_as(tmp_path, encoded, JPEGLosslessSV1, chest.T, 16)  # as many pixels
    with pytest.raises(DecodeError, match="300 × 400 pixels, unlike the header"):
        decode(path)


def test_lossless_jpeg_ls_gives_the_pixels_back(tmp_path: Path, chest: NDArray[np.uint16]) -> None:
    for pixels in (chest, (chest >> 7).astype(np.uint8)):
        frame = decode(
            stored_as(tmp_path, imagecodecs.jpegls_encode(pixels), JPEGLSLossless, pixels, 8 * pixels.itemsize)
        )
        assert np.array_equal(frame.stored, pixels)
        assert frame.decoder.startswith("imagecodecs ")


def test_near_lossless_jpeg_ls_keeps_within_its_bound(tmp_path: Path, chest: NDArray[np.uint16]) -> None:
    encoded = imagecodecs.jpegls_encode(chest, level=3)
    frame = decode(stored_as(tmp_path, encoded, JPEGLSNearLossless, chest, 16))
    assert 0 < np.abs(frame.stored.astype(int) - chest).max() <= 3


def test_negative_values_of_jpeg_ls_stay_negative(tmp_path: Path, chest: NDArray[np.uint16]) -> None:
    """The codestream has no sign: it contains the bits that are stored (PS3.5 8.2.3)."""
    pixels = (chest.astype(np.int32) - 8192).astype(np.int16)
    frame = decode(stored_as(tmp_path, imagecodecs.jpegls_encode(pixels.view(np.uint16)), JPEGLSLossless, pixels, 16))
    assert np.array_equal(frame.stored, pixels)


def test_colours_of_jpeg_ls_may_follow_each_other_by_pixel_or_by_plane(tmp_path: Path) -> None:
    rgb = np.dstack([RAMP, RAMP[::-1], RAMP.T])
    for encoded in (imagecodecs.jpegls_encode(rgb), base64.b64decode(BY_PLANE)):
        frame = decode(stored_as(tmp_path, encoded, JPEGLSLossless, rgb, 8))
        assert np.abs(frame.stored - rgb @ [0.299, 0.587, 0.114]).max() <= 0.51


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95, 0.995])
def test_a_jpeg_ls_frame_that_is_cut_off_is_refused_and_not_filled(
    tmp_path: Path, chest: NDArray[np.uint16], share: float
) -> None:
    encoded = imagecodecs.jpegls_encode(chest)
    path = stored_as(tmp_path, encoded[: int(share * len(encoded))], JPEGLSLossless, chest, 16)
    with pytest.raises(DecodeError, match="damaged"):
        decode(path)


@pytest.mark.parametrize("syntax", [HTJ2KLossless, HTJ2K])
@pytest.mark.parametrize("signed", [False, True])
def test_lossless_htj2k_gives_the_pixels_back(
    tmp_path: Path, chest: NDArray[np.uint16], signed: bool, syntax: str
) -> None:
    pixels = (chest.astype(np.int32) - 8192).astype(np.int16) if signed else chest
    encoded = imagecodecs.htj2k_encode(pixels, reversible=True)
    frame = decode(stored_as(tmp_path, encoded, syntax, pixels, 16))
    assert np.array_equal(frame.stored, pixels)
    assert frame.decoder.startswith("imagecodecs ")
    other, _ = SYNTAXES[syntax].runner.as_array(
        pydicom.dcmread(tmp_path / "a.dcm"), decoding_plugin="pylibjpeg"
    )  # OpenJPEG, which shares no code with OpenJPH
    assert np.array_equal(other, pixels)


@pytest.mark.parametrize("syntax", [HTJ2KLossless, HTJ2K])
def test_white_stays_white_in_lossy_htj2k(tmp_path: Path, syntax: str) -> None:
    """OpenJPH would wrap what overshoots white around to black, so OpenJPEG decodes what is not reversible."""
    checks = np.zeros((128, 128), np.uint8)
    checks[::3, ::5] = 255
    checks[40:90, 40:90] = 255
    encoded = imagecodecs.htj2k_encode(checks, level=0.05, reversible=False)
    wrapped = imagecodecs.htj2k_decode(encoded)
    assert (np.abs(wrapped.astype(int) - checks) > 200).any(), "the trap is gone: OpenJPH may decode lossy frames too"
    frame = decode(stored_as(tmp_path, encoded, syntax, checks, 8))
    assert frame.decoder.startswith("pylibjpeg-openjpeg ")
    assert (frame.stored[40:90, 40:90] > 150).all()


def test_reversibility_is_read_from_the_main_header(chest: NDArray[np.uint16]) -> None:
    assert is_reversible(bytes(imagecodecs.htj2k_encode(chest, reversible=True)))
    assert is_reversible(bytes(imagecodecs.jpeg2k_encode(chest, level=0, codecformat="jp2")))
    assert not is_reversible(bytes(imagecodecs.htj2k_encode(chest, level=0.01, reversible=False)))
    for nothing in (b"", b"\xff\x4f\xff\x51", b"\xff\x4f\xff\x51" + b"\0" * 50, b"\xff\x4f\xff\x51\0\x02\xff\x90"):
        assert not is_reversible(nothing)


@pytest.mark.parametrize("number", [110, 112])
def test_jpeg_xl_is_decoded(tmp_path: Path, chest: NDArray[np.uint16], number: int) -> None:
    syntax = f"1.2.840.10008.1.2.4.{number}"
    encoded = imagecodecs.jpegxl_encode(chest, lossless=True)
    path = stored_as(tmp_path, encoded, syntax, chest, 15)
    assert np.array_equal(decode(path).stored, chest)
    plain = pydicom.dcmread(io.BytesIO(uncompress(path.read_bytes())))
    assert np.array_equal(plain.pixel_array, chest)
    with pytest.raises(DecodeError, match="damaged"):
        decode(stored_as(tmp_path, encoded[: len(encoded) // 2], syntax, chest, 15))
    with pytest.raises(DecodeError, match="unlike the header"):
        decode(stored_as(tmp_path, encoded, syntax, chest[:-1], 15))


def test_a_jpeg_packed_as_jpeg_xl_keeps_its_colours(tmp_path: Path) -> None:
    colours = np.repeat(np.stack([RAMP, RAMP[::-1], RAMP.T], axis=-1), 4, axis=0)[:32]
    jpeg = imagecodecs.jpeg8_encode(colours, level=98)
    path = stored_as(tmp_path, imagecodecs.jpegxl_encode_jpeg(jpeg), "1.2.840.10008.1.2.4.111", colours, 8)
    expected = imagecodecs.jpeg8_decode(jpeg) @ [0.299, 0.587, 0.114]
    assert np.abs(decode(path).stored - expected).max() <= 4


def test_deflated_frames_are_decoded(tmp_path: Path, chest: NDArray[np.uint16]) -> None:
    syntax = "1.2.840.10008.1.2.8.1"

    def deflated(pixels: NDArray[np.integer]) -> bytes:
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return packer.compress(pixels.tobytes()) + packer.flush()

    path = stored_as(tmp_path, deflated(chest), syntax, chest, 15)
    assert np.array_equal(decode(path).stored, chest)
    assert np.array_equal(pydicom.dcmread(io.BytesIO(uncompress(path.read_bytes()))).pixel_array, chest)
    for wrong in (deflated(chest)[:-500], deflated(chest[:-1]), deflated(np.zeros(10**6, np.uint16)), b"no stream"):
        with pytest.raises(DecodeError, match="damaged"):
            decode(stored_as(tmp_path, wrong, syntax, chest, 15))
