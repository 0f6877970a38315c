"""Code streams that are written anew decode to the same pixels, and what cannot be taken apart is refused."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended, parse_fragments
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, RLELossless

from miqa_node.dicom.bytes.uncompressed import uncompress
from miqa_node.dicom.pixels.pixel_data import frames_of
from miqa_node.errors import DecodeError
from miqa_training.deidentify.bulk import may_stay
from miqa_training.deidentify.dataset import DeidentificationMethod
from miqa_training.deidentify.files import deidentify_files
from miqa_training.deidentify.streams import jpeg, jpeg2000, rle
from miqa_training.deidentify.streams.frames import with_pixels_only
from miqa_training.deidentify.values import Secrets
from tests.packages.training.deidentify import places

LEAST_SHARE = 0.95
FOLDERS = (Path(pydicom.__file__).parent / "data" / "test_files", Path(str(files("data_store") / "data")))
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def shown(path: Path) -> NDArray[Any] | None:
    """Pixels of a compressed file; None if no codec can read them."""
    with suppress(DecodeError):
        pixels: NDArray[Any] = pydicom.dcmread(BytesIO(uncompress(path.read_bytes()))).pixel_array
        return pixels
    return None


def compressed() -> list[Path]:
    """Compressed images of pydicom and pydicom-data."""
    paths = []
    for path in sorted(path for folder in FOLDERS for path in folder.rglob("*") if path.is_file()):
        try:
            ds = pydicom.dcmread(path)
        except InvalidDicomError:
            continue
        if "PixelData" in ds and "TransferSyntaxUID" in ds.file_meta and ds.file_meta.TransferSyntaxUID.is_encapsulated:
            paths.append(path)
    return paths


@pytest.mark.more
def test_all_compressed_images_of_pydicom_show_the_same_pixels(tmp_path: Path) -> None:
    paths = compressed()
    assert len(paths) > 50
    method = DeidentificationMethod(Secrets(b"a key of the test, 16 or more"))
    outcomes = deidentify_files([(path, Path()) for path in paths], tmp_path, method)
    refused = [outcome for outcome in outcomes if outcome.written is None]
    assert len(refused) <= (1 - LEAST_SHARE) * len(paths), refused
    compared = 0
    for outcome in outcomes:
        before = shown(outcome.source)
        if outcome.written is not None and before is not None:
            assert np.array_equal(np.asarray(shown(outcome.written)), before), outcome.source.name
            again = with_pixels_only(pydicom.dcmread(outcome.written), uncompress)
            assert again.PixelData == pydicom.dcmread(outcome.written).PixelData
            compared += 1
    assert compared >= LEAST_SHARE * len(paths)


HUE = np.dstack([np.add.outer(np.arange(64), np.arange(80) * n) % 256 for n in (1, 2, 3)]).astype(np.uint8)
DEEP = (HUE[..., 0].astype(np.uint16) << 4) | 5


def camera(picture: NDArray[np.uint8], **options: Any) -> bytes:
    """A JPEG as a camera writes it: EXIF, a colour profile, XMP, and a second picture behind its end."""
    out = BytesIO()
    data = {"exif": places.exif(0x013B), "icc_profile": places.profile(), "comment": places.TEXT, **options}
    Image.fromarray(picture).save(out, "JPEG", **data)
    return out.getvalue() + out.getvalue()


@pytest.mark.parametrize(
    "options",
    [{}, {"quality": 95, "subsampling": 0}, {"subsampling": 2, "optimize": True}, {"progressive": True},
     {"restart_marker_blocks": 3}, {"restart_marker_rows": 1, "progressive": True}, {"quality": 1}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("picture", [HUE, HUE[..., 0]], ids=["colour", "grey"])
def test_photographs_of_cameras_are_written(picture: NDArray[np.uint8], options: dict[str, Any]) -> None:
    stream = camera(picture, **options)
    written = jpeg.rewritten(stream)
    assert np.array_equal(np.array(Image.open(BytesIO(written))), np.array(Image.open(BytesIO(stream))))
    assert len(written) < len(stream) / 2
    assert Image.open(BytesIO(written)).info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density",
                                                        "progressive", "progression"}  # fmt: skip
    assert jpeg.rewritten(written) == written


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("lossless", [True, False])
def test_jpeg_of_more_bits(bits: int, *, lossless: bool) -> None:
    if bits == 16 and not lossless:
        return
    pixels = HUE[..., 0].copy() if bits == 8 else DEEP
    stream = bytes(imagecodecs.jpeg8_encode(pixels, bitspersample=bits, lossless=lossless))
    written = jpeg.rewritten(stream[:2] + places.segment(0xFE, places.TEXT) + stream[2:] + places.TEXT)
    assert places.TEXT not in written
    assert np.array_equal(imagecodecs.jpeg8_decode(written), imagecodecs.jpeg8_decode(stream))


@pytest.mark.parametrize(
    "pixels", [HUE, HUE[..., 0], DEEP, DEEP & 0x0FFF], ids=["colour", "grey", "16 bits", "12 bits"]
)
@pytest.mark.parametrize("level", [0, 3])
def test_jpeg_ls(pixels: NDArray[Any], level: int) -> None:
    stream = bytes(imagecodecs.jpegls_encode(pixels, level=level))
    written = jpeg.rewritten(places.behind_start(stream, places.segment(0xFE, places.TEXT)) + places.TEXT)
    assert places.TEXT not in written
    assert np.array_equal(imagecodecs.jpegls_decode(written), imagecodecs.jpegls_decode(stream))


@pytest.mark.parametrize("pixels", [HUE, HUE[..., 0], DEEP], ids=["colour", "grey", "16 bits"])
@pytest.mark.parametrize(
    "options",
    [{}, {"irreversible": True, "quality_layers": [40]}, {"tile_size": (32, 32), "plt": True}, {"num_resolutions": 1},
     {"precinct_size": (32, 32), "codeblock_size": (16, 16)}, {"progression": "RPCL", "quality_layers": [20, 5]}],
    ids=str,
)  # fmt: skip
def test_jpeg_2000(pixels: NDArray[Any], options: dict[str, Any]) -> None:
    for bare in (True, False):
        out = BytesIO()
        Image.fromarray(pixels).save(out, "JPEG2000", no_jp2=bare, comment="Wunderlich7", **options)
        stream = out.getvalue()
        written = jpeg2000.rewritten(stream + places.TEXT)
        assert written.startswith(b"\xff\x4f\xff\x51")
        assert places.TEXT not in written
        assert np.array_equal(imagecodecs.jpeg2k_decode(written), imagecodecs.jpeg2k_decode(stream))
        assert jpeg2000.rewritten(written) == written


@pytest.mark.parametrize("pixels", [HUE, HUE[..., 0], DEEP], ids=["colour", "grey", "16 bits"])
@pytest.mark.parametrize("parts", [{}, {"tlm": True, "tilepart": "r"}], ids=["plain", "with lengths"])
def test_high_throughput_jpeg_2000(pixels: NDArray[Any], parts: dict[str, Any]) -> None:
    stream = bytes(imagecodecs.htj2k_encode(pixels))
    if parts:
        at = stream.find(b"\xff\x90")
        length = at + 2 + int.from_bytes(stream[at + 6 : at + 10], "big")
        entry = struct.pack(">BBHL", 0, 0x60, 0, length)
        stream = places.before_tiles(stream, places.segment(0x55, entry), places.segment(0x64, b"\0\1" + places.TEXT))
    written = jpeg2000.rewritten(stream)
    assert places.TEXT not in written
    assert np.array_equal(imagecodecs.htj2k_decode(written), imagecodecs.htj2k_decode(stream))
    at, first = written.find(b"\xff\x55"), written.find(b"\xff\x90")
    assert (0 < at < first) == bool(parts)
    if parts:
        assert int.from_bytes(written[at + 8 : at + 12], "big") == len(written) - 2 - first, "counted again"


@pytest.mark.parametrize(
    "data",
    [bytes(512), bytes(range(256)) * 2, b"\1\2\3" + bytes(300) + b"\4" * 209, b"\7" * 257 + bytes(range(255))],
    ids=["flat", "literal", "mixed", "ends in runs"],
)
def test_rle_runs_that_go_on_behind_the_pixels_end_there(data: bytes) -> None:
    from pydicom.pixels.encoders.native import _encode_segment

    header = struct.pack("<16L", 1, 64, *[0] * 14)
    whole = header + bytes(_encode_segment(data, 512))
    for pixels in (512, 511, 257, 256, 130, 129, 128, 3, 1):
        written = rle.rewritten(whole, pixels)
        assert unpacked(written[64:], pixels) == data[:pixels]


def unpacked(runs: bytes, pixels: int) -> bytes:
    """What the runs say (PS3.5 G.3.2), which is no more than these pixels and one byte of padding."""
    out, at = b"", 0
    while len(out) < pixels:
        head = runs[at]
        out += runs[at + 1 : at + 2 + head] if head < 128 else runs[at + 1 : at + 2] * (257 - head)
        at += head + 2 if head < 128 else 2
    assert runs[at:] in {b"", b"\0"}
    assert len(out) == pixels
    return out


JPEG, J2K, RLE = places.jpeg(), places.j2k(), places.rle()


@pytest.mark.parametrize(
    ("stream", "why"),
    [(JPEG[:-2], "end"), (JPEG[:200], "end"), (b"Wunderlich" + JPEG, "begin"), (JPEG[:2] + b"text" + JPEG[2:], "end"),
     (places.behind_start(JPEG, places.segment(0xDE, bytes(5))), "segment DE"),
     (places.behind_start(JPEG, places.segment(0xDD, places.TEXT)), "segment DD of 11"),
     (places.behind_start(JPEG, places.segment(0xF0, places.TEXT)), "segment F0"),
     (places.behind_start(JPEG, places.segment(0xC4, b"\0")), "cut off"),
     (places.behind_start(JPEG, places.segment(0xC0, b"")), "segment C0 of 0"),
     (places.behind_start(JPEG, places.segment(0xCC, places.TEXT[:10])), "segment CC of 10"),
     (JPEG[:-2] + places.segment(0xDA, b"") + JPEG[-2:], "segment DA of 0"),
     (JPEG[:-2] + JPEG[2:], "several frames")],
)  # fmt: skip
def test_a_jpeg_that_cannot_be_taken_apart(stream: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        jpeg.rewritten(stream)


@pytest.mark.parametrize(
    ("stream", "why"),
    [(J2K[:-40], "cut off"), (J2K[:60], "damaged"), (b"text" + J2K, "damaged"), (J2K[:-2] + places.TEXT, "between"),
     (places.before_tiles(J2K, places.segment(0x61, places.TEXT)), "segment 61"),
     (places.before_tiles(J2K, places.segment(0x52, places.TEXT)), "segment 52 of 11"),
     (places.before_tiles(J2K, places.segment(0x5F, places.TEXT)), "segment 5F of 11"),
     (places.jp2().replace(b"colr", b"pclr"), "maps samples")],
)  # fmt: skip
def test_a_jpeg_2000_that_cannot_be_taken_apart(stream: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        jpeg2000.rewritten(stream)


@pytest.mark.parametrize(
    ("frame", "why"),
    [(RLE[:40], "header"), (RLE[:-400], "cut off"), (b"\x10" + RLE[1:], "places"), (bytes(64) + RLE[64:], "places"),
     (RLE[:4] + b"\x20" + RLE[5:], "places")],
)  # fmt: skip
def test_an_rle_frame_that_cannot_be_taken_apart(frame: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        rle.rewritten(frame, places.GREY.size)


def test_tables_of_offsets_fit_the_frames() -> None:
    frames = [JPEG, places.behind_start(JPEG, places.segment(0xFE, places.TEXT)) + places.TEXT, JPEG]
    ds = places.image(places.JPEG, *frames)
    ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(frames)
    for one in (ds, places.image(places.JPEG, *frames)):
        written = with_pixels_only(one, uncompress)
        offsets = parse_fragments(written.PixelData)[1][1:]  # behind the basic table
        assert [frame.rstrip(b"\0") for frame in frames_of(written)] == [jpeg.rewritten(JPEG)] * len(frames)
        if "ExtendedOffsetTable" in written:
            table = np.frombuffer(written.ExtendedOffsetTable, "<u8")
            assert np.array_equal(table + offsets[0], offsets)
            lengths = np.frombuffer(written.ExtendedOffsetTableLengths, "<u8")
            assert lengths.tolist() == [len(frame) for frame in frames_of(written)]


def test_frames_that_are_missing_or_of_no_codec_are_refused() -> None:
    ds = places.image(places.JPEG, JPEG, JPEG)
    ds.NumberOfFrames = 3
    with pytest.raises(ValueError, match="2 fragments for 3 frames"):
        with_pixels_only(ds, uncompress)
    with pytest.raises(ValueError, match="no codec"):
        with_pixels_only(places.image(UID("1.2.840.10008.1.2.4.100"), b"\0\0\1\xb3 video"), uncompress)
    native = places.image()
    native.PixelData = encapsulate([JPEG])
    native["PixelData"].is_undefined_length = True
    with pytest.raises(ValueError, match="fragments"):
        with_pixels_only(native, uncompress)


def test_a_colour_profile_that_everybody_has_stays() -> None:
    profile = (files("highdicom") / "_icc_profiles" / "sRGB_v4_ICC_preference.icc").read_bytes()
    written = jpeg.rewritten(places.jpeg(icc_profile=profile))
    assert Image.open(BytesIO(written)).info["icc_profile"] == profile
    ds = places.image(grey=False)
    ds.ICCProfile = profile
    assert may_stay(ds, ds["ICCProfile"], 0)
    for other in (profile + places.TEXT, profile.replace(b"\0I\0n\0t", b"\0I\0n\0g"), profile[:-4], b""):
        ds.ICCProfile = other
        assert not may_stay(ds, ds["ICCProfile"], 0)


@pytest.mark.parametrize(
    ("descriptor", "data", "stays"),
    [([4, 0, 8], bytes(4), True), ([3, 0, 8], bytes(4), True), ([4, 0, 16], b"\xff" * 8, True),
     ([4, 0, 12], b"\xff\x0f" * 4, True), ([4, 0, 12], b"\xff\x1f" * 4, False), ([4, 0, 16], bytes(10), False),
     ([4, 0, 16], bytes(6), False), ([0, 0, 16], bytes(1 << 17), True), ([4, 0, 32], bytes(8), False),
     ([4, 0], bytes(8), False), (None, bytes(8), False)],
)  # fmt: skip
def test_a_lookup_table_has_the_entries_and_bits_of_its_descriptor(
    descriptor: list[int] | None, data: bytes, *, stays: bool
) -> None:
    ds = Dataset()
    if descriptor is not None:
        ds.LUTDescriptor = descriptor
    for vr, value in (("OW", data), ("US", np.frombuffer(data, "<u2").tolist())):
        if vr == "OW" or descriptor is None or descriptor[-1] > 8:
            ds.add_new("LUTData", vr, value)
            assert may_stay(ds, ds["LUTData"], 1) == stays


def test_rle_of_many_segments_has_no_other_byte() -> None:
    ds = places.image(grey=False)
    ds.compress(RLELossless, generate_instance_uid=False)
    (frame,) = frames_of(ds)
    assert rle.rewritten(frame + places.TEXT, places.GREY.size) == rle.rewritten(frame, places.GREY.size)
    assert np.array_equal(with_pixels_only(ds, uncompress).pixel_array, places.PIXELS)


@pytest.mark.more
@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_stream_is_refused_or_shows_what_it_showed(seed: int) -> None:
    chance = np.random.default_rng(seed)
    streams = (camera(HUE), camera(HUE, progressive=True), J2K, places.jp2(), RLE)
    for _ in range(150):
        stream = bytearray(streams[chance.integers(len(streams))])
        start = int(chance.integers(2, min(len(stream), 700)))
        stream[start : start + int(chance.integers(0, 3))] = chance.bytes(int(chance.integers(0, 3)))
        data = bytes(stream)
        with suppress(ValueError):
            if data.startswith(b"\xff\xd8"):
                compare(imagecodecs.jpeg8_decode, data, jpeg.rewritten(data))
            elif data.startswith(RLE[:2]):
                rle.rewritten(data, places.GREY.size)
            else:
                compare(imagecodecs.jpeg2k_decode, data, jpeg2000.rewritten(data))


def compare(decode: Callable[[bytes], NDArray[Any]], stream: bytes, copy: bytes) -> None:
    """The copy shows what the stream does, if that can be decoded."""
    try:
        before = decode(stream)
    except RuntimeError:
        return
    assert np.array_equal(before, decode(copy))
