"""Kinds of places in a DICOM file that can hold a word, each with a file that has it there and nowhere else."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import partial
from importlib import import_module
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from PIL import Image, ImageCms
from pydicom.data import get_testdata_file
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.tag import Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, RLELossless

from miqa_training.deidentify.profile import table

WORD = "Wunderlich7"
"""The word, whose letters are case-insensitive; in no header of what is planted into."""
JPEG, LOSSLESS, JPEG_LS, J2K, HTJ2K, JPEG_XL, DEFLATED = (
    UID(f"1.2.840.10008.1.2.{ending}") for ending in ("4.50", "4.70", "4.80", "4.90", "4.201", "4.110", "8.1")
)
TEXT = WORD.encode()
LONG = (TEXT + b" ") * 6
PIXELS = np.random.default_rng(75).integers(0, 255, (32, 48, 3)).astype(np.uint8)
GREY = PIXELS[..., 0].copy()
Place = Callable[[], FileDataset | bytes]
PLACES: dict[str, Place] = {}
"""Files with the word by the name of its place; bytes where no data set can say it."""


def place(name: str) -> Callable[[Place], Place]:
    """Add a place to the table."""

    def add(made: Place) -> Place:
        assert name not in PLACES
        PLACES[name] = made
        return made

    return add


def image(syntax: UID = ExplicitVRLittleEndian, *frames: bytes, grey: bool = True) -> FileDataset:
    """An image with compressed frames, or native without."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = syntax, UID("1.2.840.10008.5.1.4.1.1.77.1.4")
    meta.MediaStorageSOPInstanceUID = UID("1.2.276.0.75.5")
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = "1.2.276.0.75.2", "1.2.276.0.75.3", "XC"
    ds.PatientName, ds.PatientID = "Nobody^At^All", "PID-0815-X"
    ds.Rows, ds.Columns, ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 32, 48, 8, 8, 7, 0
    ds.SamplesPerPixel, ds.PhotometricInterpretation = (1, "MONOCHROME2") if grey else (3, "RGB")
    if not grey:
        ds.PlanarConfiguration = 0
    if len(frames) > 1:
        ds.NumberOfFrames = len(frames)
    native = (GREY if grey else PIXELS).tobytes()
    ds.PixelData = encapsulate(list(frames)) if frames else native
    if frames:
        ds["PixelData"].is_undefined_length = True
    return ds


def file_of(ds: FileDataset) -> bytes:
    """The file of a data set."""
    out = BytesIO()
    pydicom.dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue()


def segment(marker: int, content: bytes) -> bytes:
    """A marker segment of JPEG and JPEG 2000."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def jpeg(**options: object) -> bytes:
    """A grey baseline JPEG."""
    out = BytesIO()
    Image.fromarray(GREY).save(out, "JPEG", **options)
    return out.getvalue()


def behind_start(stream: bytes, *added: bytes) -> bytes:
    """A JPEG with segments behind its start."""
    return stream[:2] + b"".join(added) + stream[2:]


def exif(tag: int, *, gps: bool = False) -> bytes:
    """EXIF with the word in one tag."""
    data = Image.Exif()
    if gps:
        data.get_ifd(0x8825)[tag] = WORD
    else:
        data[tag] = WORD
    return data.tobytes()


def _headers() -> None:
    """An attribute of the profile for each value representation, plain and nested; what no table knows."""
    by_vr: dict[str, int] = {}
    for tag in table():
        if dictionary_has_tag(tag) and Tag(tag).group > 8:
            by_vr.setdefault(dictionary_VR(tag), tag)
    for vr, tag in sorted(by_vr.items()):
        if vr in {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT", "UR", "OB", "OW", "UN"}:
            PLACES[f"an element of VR {vr}"] = partial(_with, tag, vr)
    for vr, keyword in {"DA": "DateOfSecondaryCapture", "AS": "PatientAge", "TM": "TimeOfSecondaryCapture"}.items():
        PLACES[f"text in an element of VR {vr}"] = partial(_with, Tag(keyword), vr)
    for vr in ("OB", "OW", "OF", "OD", "OL", "OV", "UN", "LO", "UT"):
        PLACES[f"a private element of VR {vr}"] = partial(_with, 0x00191001, vr, private=True)


def _with(tag: int, vr: str, *, private: bool = False) -> FileDataset:
    ds = image()
    value = (TEXT + bytes(-len(TEXT) % 8)) if vr.startswith("O") or vr == "UN" else WORD
    if private:
        ds.add_new(0x00190010, "LO", "MAKER")
    ds.add(DataElement(tag, vr, value, validation_mode=pydicom.config.IGNORE))
    return ds


_headers()


@place("a nested element")
def _() -> FileDataset:
    ds, outer, inner = image(), Dataset(), Dataset()
    inner.PatientComments = WORD
    outer.ReferencedSeriesSequence = [inner]
    ds.SourceImageSequence = [outer]
    return ds


@place("a private sequence")
def _() -> FileDataset:
    ds, inner = image(), Dataset()
    inner.PatientComments = WORD
    ds.add_new(0x00190010, "LO", "MAKER")
    ds.add_new(0x00191002, "SQ", [inner])
    return ds


@place("the creator of a private block")
def _() -> FileDataset:
    ds = image()
    ds.add_new(0x00190010, "LO", WORD)
    return ds


@place("an element that no dictionary knows")
def _() -> FileDataset:
    ds = image()
    ds.add_new(0x00189FFE, "LO", WORD)
    return ds


@place("the file meta information")
def _() -> FileDataset:
    ds = image()
    ds.file_meta.SourceApplicationEntityTitle = WORD
    ds.file_meta.PrivateInformationCreatorUID, ds.file_meta.PrivateInformation = UID("1.2.3"), TEXT
    return ds


@place("the preamble")
def _() -> FileDataset:
    ds = image()
    ds.preamble = TEXT.ljust(128, b"\0")
    return ds


@place("the trailing padding of the data set")
def _() -> FileDataset:
    ds = image()
    ds.add_new(0xFFFCFFFC, "OB", TEXT + b"\0")
    return ds


@place("behind a deflated data set")
def _() -> bytes:
    ds = image(DeflatedExplicitVRLittleEndian)
    return file_of(ds) + TEXT


for _group, _tag, _vr in (
    ("curve data", 0x50003000, "OW"), ("audio of a curve", 0x5000200C, "OW"), ("overlay data", 0x60003000, "OW"),
    ("overlay comments", 0x60004000, "LT"), ("spectroscopy data", 0x56000020, "OF"),
    ("an encapsulated document", 0x00420011, "OB"), ("a message authentication code", 0x04000404, "OB"),
    ("coordinates of points", 0x00660016, "OF"), ("a value of a selector", 0x00720065, "OB"),
):  # fmt: skip
    PLACES[_group] = partial(_with, _tag, _vr)


@place("spare bits of overlay data")
def _() -> FileDataset:
    ds = image()
    ds.add_new(0x60000010, "US", 1)
    ds.add_new(0x60000011, "US", 8)
    ds.add_new(0x60003000, "OW", b"\xff\0" + TEXT + b"\0")
    return ds


@place("unused bits of pixels")
def _() -> FileDataset:
    ds = image()
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 8, 7
    words = GREY.astype(np.uint16)
    words.ravel()[: len(TEXT)] |= np.frombuffer(TEXT, np.uint8).astype(np.uint16) << 8
    ds.PixelData = words.tobytes()
    ds["PixelData"].VR = "OW"
    return ds


@place("an icon image")
def _() -> FileDataset:
    ds, icon = image(), Dataset()
    icon.Rows = icon.Columns = 4
    icon.PixelData = TEXT.ljust(16, b"\0")
    icon["PixelData"].VR = "OB"
    ds.IconImageSequence = [icon]
    return ds


@place("pixels of an item")
def _() -> FileDataset:
    ds, item = image(), Dataset()
    item.PixelData = TEXT.ljust(16, b"\0")
    item["PixelData"].VR = "OB"
    ds.SourceImageSequence = [item]
    return ds


@place("a waveform")
def _() -> FileDataset:
    ds, item = image(), Dataset()
    item.WaveformBitsAllocated = 8
    item.add_new("WaveformData", "OB", TEXT + b"\0")
    ds.WaveformSequence = [item]
    return ds


@place("behind native pixels")
def _() -> FileDataset:
    ds = image()
    ds.PixelData += TEXT + b"\0"
    return ds


def _table(data: bytes, entries: int = 8, bits: int = 12) -> FileDataset:
    ds, item = image(), Dataset()
    item.LUTDescriptor = [entries, 0, bits]
    item.add_new("LUTData", "OW", data)
    ds.VOILUTSequence = [item]
    return ds


PLACES["behind a lookup table"] = lambda: _table(bytes(16) + TEXT + b"\0")
PLACES["bits of a lookup table above its values"] = lambda: _table((TEXT * 2)[:16])
PLACES["a lookup table of another length"] = lambda: _table(TEXT + b"\0", 256)


def _palette(red: bytes, prefix: str = "") -> FileDataset:
    ds = image()
    ds.PhotometricInterpretation = "PALETTE COLOR"
    for colour in ("Red", "Green", "Blue"):
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 8])
        ds.add_new(f"{colour}PaletteColorLookupTableData", "OW", bytes(range(256)))
    ds[f"{prefix}RedPaletteColorLookupTableData"] = DataElement(f"{prefix}RedPaletteColorLookupTableData", "OW", red)
    return ds


PLACES["behind a palette"] = lambda: _palette(bytes(256) + TEXT + b"\0")
PLACES["behind a segmented palette"] = lambda: _palette(b"\0\xff" + bytes(255) + b"\0\1\0" + TEXT + b"\0", "Segmented")


def profile() -> bytes:
    """An ICC profile with the word in its description."""
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    wide = "sRGB built-in".encode("utf-16-be")
    assert wide in made
    return made.replace(wide, WORD.ljust(13).encode("utf-16-be"))


@place("the description of an ICC profile")
def _() -> FileDataset:
    ds = image(grey=False)
    ds.ICCProfile = profile() + b"\0" * (len(profile()) % 2)
    return ds


@place("the description of a JPEG's ICC profile")
def _() -> FileDataset:
    return image(JPEG, jpeg(icc_profile=profile()))


def _jpeg_with(added: bytes) -> FileDataset:
    return image(JPEG, behind_start(jpeg(), added))


_JPEG_PLACES = {
    "a JPEG comment": segment(0xFE, TEXT),
    "EXIF: the artist": segment(0xE1, exif(0x013B)),
    "EXIF: GPS": segment(0xE1, exif(0x001D, gps=True)),
    "EXIF: XPAuthor in UTF-16": segment(0xE1, b"Exif\0\0" + WORD.encode("utf-16-le")),
    "XMP": segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x>" + TEXT + b"</x>"),
    "IPTC": segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04" + TEXT),
    "a JFIF thumbnail": segment(0xE0, b"JFIF\0\1\2\0\0\1\0\1\2\2" + TEXT + b"\0"),
    "a JFIF extension": segment(0xE0, b"JFXX\0\x10" + TEXT),
    "numbers of a JFIF segment": segment(0xE0, b"JFIF\0" + TEXT[:7] + b"\0\0") + segment(0xEF, TEXT),
    "behind Adobe's colour transform": segment(0xEE, b"Adobe\0\x64\0\0\0\0\0" + TEXT),
    "a SPIFF header": segment(0xE8, b"SPIFF\0" + TEXT),
    "a maker's segment": segment(0xE9, TEXT),
    "a quantization table that nobody uses": segment(0xDB, b"\3" + LONG[:64]),
    "a Huffman table that nobody uses": segment(0xC4, b"\x13" + bytes(7) + bytes([len(TEXT)]) + bytes(8) + TEXT),
}
for _name, _segment in _JPEG_PLACES.items():
    PLACES[_name] = partial(_jpeg_with, _segment)


PLACES["behind the end of a JPEG"] = lambda: image(JPEG, jpeg() + TEXT)
PLACES["behind the end of a JPEG, another one"] = lambda: image(
    JPEG, jpeg() + behind_start(jpeg(), segment(0xFE, TEXT))
)


@place("a comment between the scans of a progressive JPEG")
def _() -> FileDataset:
    stream = jpeg(progressive=True)
    scan = stream.rfind(b"\xff\xda")
    return image(UID("1.2.840.10008.1.2.4.55"), stream[:scan] + segment(0xFE, TEXT) + stream[scan:])


@place("a comment of a lossless JPEG")
def _() -> FileDataset:
    ds = pydicom.dcmread(Path(str(import_module("data_store").__file__)).parent / "data" / "JPEG-LL.dcm")
    (frame,) = generate_frames(ds.PixelData, number_of_frames=1)
    ds.PixelData = encapsulate([behind_start(frame, segment(0xFE, TEXT))])
    return ds


PLACES["a comment of JPEG-LS"] = lambda: image(
    JPEG_LS, behind_start(bytes(imagecodecs.jpegls_encode(GREY)), segment(0xFE, TEXT))
)
PLACES["behind the end of JPEG-LS"] = lambda: image(JPEG_LS, bytes(imagecodecs.jpegls_encode(GREY)) + TEXT)


@place("a surplus fragment behind the last frame")
def _() -> FileDataset:
    ds = image(JPEG, jpeg(), jpeg(), TEXT + b"\0")
    ds.NumberOfFrames = 2
    ds.PixelData = encapsulate([jpeg(), jpeg(), TEXT + b"\0"], has_bot=False)
    return ds


@place("a surplus fragment behind the only frame")
def _() -> FileDataset:
    ds = image(JPEG, jpeg(), TEXT + b"\0")
    ds.NumberOfFrames = 1
    return ds


@place("the basic offset table")
def _() -> FileDataset:
    ds = image(JPEG, jpeg())
    ds.PixelData = b"\xfe\xff\0\xe0" + struct.pack("<L", 12) + TEXT + b"\0" + encapsulate([jpeg()], has_bot=False)[8:]
    return ds


@place("the extended offset table")
def _() -> FileDataset:
    ds = image(JPEG, jpeg(), jpeg())
    ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended([jpeg(), jpeg()])
    ds.ExtendedOffsetTableLengths += TEXT + bytes(5)
    return ds


def j2k() -> bytes:
    """A grey JPEG 2000 code stream."""
    return bytes(imagecodecs.jpeg2k_encode(GREY, codecformat="J2K", reversible=True))


def before_tiles(stream: bytes, *added: bytes) -> bytes:
    """A JPEG 2000 code stream with segments at the end of its main header."""
    at = stream.find(b"\xff\x90")
    return stream[:at] + b"".join(added) + stream[at:]


def in_tile(stream: bytes, added: bytes) -> bytes:
    """The same in the header of its only tile-part."""
    at = stream.find(b"\xff\x90")
    length = int.from_bytes(stream[at + 6 : at + 10], "big") + len(added)
    return stream[: at + 6] + length.to_bytes(4, "big") + stream[at + 10 : at + 12] + added + stream[at + 12 :]


PLACES["a comment of JPEG 2000"] = lambda: image(J2K, before_tiles(j2k(), segment(0x64, b"\0\1" + TEXT)))
PLACES["a comment of a tile-part"] = lambda: image(J2K, in_tile(j2k(), segment(0x64, b"\0\1" + TEXT)))
PLACES["lengths of packets"] = lambda: image(J2K, in_tile(j2k(), segment(0x58, b"\0" + TEXT)))
PLACES["steps of subbands that JPEG 2000 lacks"] = lambda: image(J2K, before_tiles(j2k(), _steps(j2k())))
PLACES["behind the end of JPEG 2000"] = lambda: image(J2K, j2k() + TEXT)
PLACES["a comment of HTJ2K"] = lambda: image(
    HTJ2K, before_tiles(bytes(imagecodecs.htj2k_encode(GREY)), segment(0x64, b"\0\1" + TEXT))
)


def _steps(stream: bytes) -> bytes:
    at = stream.find(b"\xff\x5c")
    return segment(0x5C, stream[at + 4 : at + 2 + int.from_bytes(stream[at + 2 : at + 4], "big")] + TEXT)


def box(kind: bytes, content: bytes) -> bytes:
    """A box of JP2 or JPEG XL."""
    return struct.pack(">L", len(content) + 8) + kind + content


def jp2(*boxes: bytes) -> bytes:
    """A JP2 file with boxes before its code stream."""
    size = struct.pack(">LLHBBBB", *GREY.shape, 1, 7, 7, 0, 0)
    header = box(b"jp2h", box(b"ihdr", size) + box(b"colr", b"\1\0\0\0\0\0\x11"))
    start = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    return start + header + b"".join(boxes) + box(b"jp2c", j2k())


PLACES["XML in a JP2 file"] = lambda: image(J2K, jp2(box(b"xml ", b"<x>" + TEXT + b"</x>")))
PLACES["a UUID box of a JP2 file"] = lambda: image(J2K, jp2(box(b"uuid", bytes(16) + TEXT)))
PLACES["behind a JP2 file"] = lambda: image(J2K, jp2() + box(b"xml ", TEXT))


def rle() -> bytes:
    """A frame of RLE with one segment."""
    ds = image()
    ds.compress(RLELossless, generate_instance_uid=False)
    return next(generate_frames(ds.PixelData, number_of_frames=1))


PLACES["behind a segment of RLE"] = lambda: image(RLELossless, rle() + TEXT + b"\0")
PLACES["offsets of segments that RLE lacks"] = lambda: image(RLELossless, rle()[:40] + TEXT + rle()[51:])
PLACES["before the segments of RLE"] = lambda: image(
    RLELossless, struct.pack("<LL", 1, 76) + bytes(56) + TEXT + b"\0" + rle()[64:]
)
PLACES["a surplus fragment of RLE"] = lambda: _one_frame(image(RLELossless, rle(), TEXT + b"\0"))


def _one_frame(ds: FileDataset) -> FileDataset:
    ds.NumberOfFrames = 1
    return ds


def deflated() -> bytes:
    """A deflated frame."""
    packing = zlib.compressobj(wbits=-15)
    return packing.compress(GREY.tobytes()) + packing.flush()


PLACES["behind a deflated frame"] = lambda: image(DEFLATED, deflated() + TEXT)


@place("XML in a JPEG XL file")
def _() -> FileDataset:
    stream = bytes(imagecodecs.jpegxl_encode(GREY, lossless=True, usecontainer=False))
    start = box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl \0\0\0\0jxl ")
    return image(JPEG_XL, start + box(b"xml ", b"<x>" + TEXT + b"</x>") + box(b"jxlc", stream))


def sample(name: str) -> Path:
    """A file of pydicom's."""
    return Path(str(get_testdata_file(name)))
