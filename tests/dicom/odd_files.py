"""Files as broken writers, old devices and anonymised archives make them; each has something odd about it.

Everything in them is made here. With each goes what the node says of it: JUDGED, or the beginning of its reason.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataelem import DataElement
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.filebase import DicomFileLike
from pydicom.filewriter import write_file_meta_info
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEGLossless,
    RLELossless,
)

from miqa_selftest.encodings import ENCODINGS, encoded
from tests.stages.assess.making import chest_dataset

JUDGED = "judged"
NOT_AN_IMAGE = "The object is not an image."
NO_PIXELS = "The object has no pixel data, or they are cut off."
NOT_DICOM = "Not a DICOM"
DAMAGED = "The "
UNKNOWN = "Transfer syntax"
CUT_OFF = "The data set breaks off in front of its Study Instance UID."

HEAD = 128 + 4
NUMBERS = iter(range(1, 1_000_000))


@dataclass(frozen=True)
class OddFile:
    """A file, and the beginning of what is said of it."""

    name: str
    data: bytes
    said: str = JUDGED
    received: str = ""
    """The same where a node says something else, as it needs the UIDs of study and series."""


def image(**changes: Any) -> Dataset:
    """A small radiograph under UIDs of its own."""
    ds = chest_dataset(next(NUMBERS))
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.FileMetaInformationGroupLength = 0  # is computed when the file is written
    return ds


def without(*keywords: str, **changes: Any) -> Dataset:
    ds = image(**changes)
    for keyword in keywords:
        del ds[keyword]
    return ds


def written(ds: Dataset) -> bytes:
    out = BytesIO()
    dcmwrite(out, ds, enforce_file_format=False)
    return out.getvalue()


def in_syntax(ds: Dataset, name: str) -> bytes:
    [encoding] = [one for one in ENCODINGS if one.syntax == UID(name)]
    return encoded(ds, encoding)


def split(file: bytes) -> tuple[bytes, bytes]:
    """What stands before the data set, and the data set."""
    length = struct.unpack_from("<L", file, HEAD + 8)[0]
    end = HEAD + 12 + length
    return file[:end], file[end:]


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if vr in (b"OB", b"OW", b"SQ", b"UN", b"UT"):
        return head + vr + struct.pack("<HL", 0, len(value)) + value
    return head + vr + struct.pack("<H", len(value)) + value


def insert(file: bytes, tag: int, raw: bytes) -> bytes:
    """The file with raw bytes before the first element of a higher tag."""
    before, data = split(file)
    at = 0
    while at < len(data):
        group, number, vr, short = struct.unpack_from("<HH2sH", data, at)
        if (group << 16 | number) > tag:
            break
        long = vr in (b"OB", b"OW", b"SQ", b"UN", b"UT", b"OF")
        at += 12 + struct.unpack_from("<L", data, at + 8)[0] if long else 8 + short
    return before + data[:at] + raw + data[at:]


def headers() -> Iterator[OddFile]:
    """What stands before the data set."""
    plain = written(image())
    yield OddFile("no preamble", split(written(image()))[1])
    yield OddFile("no preamble, implicit", split(in_syntax(image(), "1.2.840.10008.1.2"))[1])
    yield OddFile("no preamble, big endian", split(in_syntax(image(), "1.2.840.10008.1.2.2"))[1])
    yield OddFile("preamble, no DICM", plain[:128] + written(image())[HEAD:], NOT_DICOM)
    yield OddFile("DICM without preamble", written(image())[128:])
    yield OddFile("group 2 without preamble", written(image())[HEAD:])
    yield OddFile("preamble of a TIFF", b"II*\0\x08\0\0\0" + bytes(120) + written(image())[128:])
    meta, data = split(written(image()))
    yield OddFile("no group 2", meta[:HEAD] + data)
    yield OddFile("group length too long", _group_length(written(image()), 5000))
    yield OddFile("group length 0", _group_length(written(image()), 0))
    meta, data = split(written(image()))
    yield OddFile("no group length", meta[:HEAD] + meta[HEAD + 12 :] + data)
    ds = image()
    del ds.file_meta.TransferSyntaxUID
    ds.set_original_encoding(False, True)
    yield OddFile("no transfer syntax", _written_plain(ds))
    ds = image()
    ds.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3.4.5.6.7")
    yield OddFile("group 2 of another object", written(ds))
    ds = image()
    meta, data = split(in_syntax(ds, "1.2.840.10008.1.2"))
    yield OddFile("implicit, declared explicit", split(written(ds))[0] + data)
    ds = image()
    yield OddFile("explicit, declared implicit", split(in_syntax(ds, "1.2.840.10008.1.2"))[0] + split(written(ds))[1])
    yield OddFile("group 2 in implicit VR", _implicit_meta(image()))
    meta, data = split(written(image()))
    yield OddFile("private element in group 2", _with_private_meta(meta) + data)
    yield OddFile("empty", b"", NOT_DICOM)
    yield OddFile("only a preamble", bytes(128) + b"DICM", NOT_DICOM)
    yield OddFile("a web page", b"<html><body>Proxy error</body></html>" * 100, NOT_DICOM)


def syntaxes() -> Iterator[OddFile]:
    """Transfer syntaxes, retired and private ones among them."""
    for encoding in ENCODINGS:
        yield OddFile(f"in {encoding.syntax.name}", encoded(image(), encoding))
    _, data = split(written(image()))
    zipped = _meta_of(image(), "1.2.840.10008.1.2.1.99")
    yield OddFile("deflated with a zlib head", zipped + zlib.compress(data))
    yield OddFile("deflated, cut off", zipped + _deflate(data)[:-400], DAMAGED)
    yield OddFile("declared deflated, is not", zipped + split(written(image()))[1])
    ds = image()
    big = split(in_syntax(ds, "1.2.840.10008.1.2"))[1]
    swapped = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
    yield OddFile(
        "GE private, pixels in big endian",
        _meta_of(ds, "1.2.840.113619.5.2") + big.replace(ds.PixelData, swapped),
        UNKNOWN,
    )
    ds = image()
    yield OddFile("Philips private", _meta_of(ds, "1.3.46.670589.33.1.4.1") + split(written(ds))[1], UNKNOWN)
    ds = image()
    yield OddFile("unknown syntax, plain pixels", _meta_of(ds, "1.2.3.4.5") + split(written(ds))[1], UNKNOWN)
    ds = image()
    yield OddFile(
        "Papyrus 3", _meta_of(ds, "1.2.840.10008.1.20") + split(in_syntax(ds, "1.2.840.10008.1.2"))[1], UNKNOWN
    )
    ds = image()
    yield OddFile("native pixels, declared RLE", _meta_of(ds, str(RLELossless)) + split(written(ds))[1])
    ds = image()
    wrong = in_syntax(ds, "1.2.840.10008.1.2.4.80")
    yield OddFile("JPEG-LS, declared JPEG lossless", _meta_of(ds, str(JPEGLossless)) + split(wrong)[1])


def values() -> Iterator[OddFile]:
    """Elements that are missing, empty, wrong or strange."""
    for keyword in ("Study", "Series"):
        without_uid = written(without(f"{keyword}InstanceUID"))
        yield OddFile(f"no {keyword}InstanceUID", without_uid, received=f"The object has no {keyword} Instance UID.")
    for keyword in ("Rows", "Columns", "BitsAllocated"):
        yield OddFile(f"no {keyword}", written(without(keyword)), "The object")
    for keyword in ("SamplesPerPixel", "PhotometricInterpretation", "BitsStored", "HighBit", "PixelRepresentation"):
        yield OddFile(f"no {keyword}", written(without(keyword)))
    for keyword in ("Modality", "PatientID", "PatientName", "StudyDate"):
        yield OddFile(f"no {keyword}", written(without(keyword)))
    yield OddFile("no pixels", written(without("PixelData")), NOT_AN_IMAGE)
    yield OddFile("empty pixels", written(image(PixelData=b"")), DAMAGED)
    yield OddFile("half the pixels", written(image(PixelData=image().PixelData[:9000])), DAMAGED)
    yield OddFile("pixels and 7 bytes more", written(image(PixelData=image().PixelData + bytes(8))))
    yield OddFile("number of frames empty", written(image(NumberOfFrames=None)))
    yield OddFile("bits stored above allocated", written(image(BitsStored=20)))
    yield OddFile("high bit wrong", written(image(HighBit=15)))
    yield OddFile("lower case photometric", written(image(PhotometricInterpretation="monochrome2")))
    yield OddFile("MONOCHROME1", written(image(PhotometricInterpretation="MONOCHROME1")))
    signed = image(PixelRepresentation=1, BitsStored=16, HighBit=15)
    signed.PixelData = (np.frombuffer(signed.PixelData, "<u2").astype(np.int16) - 2000).tobytes()
    yield OddFile("signed pixels", written(signed))
    signed = image(PixelRepresentation=1)
    yield OddFile("12 bits signed", written(signed))
    uid = "ANON-0001.2_b"
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        ds = image()
        ds[keyword] = DataElement(keyword, "UI", uid + keyword[:3], validation_mode=0)
        if keyword == "SOPInstanceUID":
            ds.file_meta["MediaStorageSOPInstanceUID"] = DataElement(0x00020003, "UI", uid + "SOP", validation_mode=0)
        yield OddFile(f"letters in {keyword}", written(ds))
    ds = image()
    ds["StudyInstanceUID"] = DataElement("StudyInstanceUID", "UI", "1.02.03", validation_mode=0)
    yield OddFile("leading zeros in a UID", written(ds))
    ds = image()
    yield OddFile("character set unknown", _raw_text(ds, b"ISO_IR 999 ", b"M\xfcller^Zo\xeb"))
    ds = image()
    yield OddFile("character set missing", _raw_text(ds, b"", b"M\xfcller^Zo\xeb "))
    ds = image()
    yield OddFile("UTF-8 that is Latin-1", _raw_text(ds, b"ISO_IR 192", b"M\xfcller^Zo\xeb "))
    for sets, name in (
        ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎"), ("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동"),
        ("GB18030", "Wang^XiaoDong=王^小东"), ("ISO_IR 127", "قباني^لنزار"), ("ISO_IR 144", "Люкceмбypг"),
        ("ISO_IR 126", "Διονυσιος"), ("ISO_IR 138", "שרון^דבורה"), ("ISO_IR 166", "สมชาย^ใจดี"),
        ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    ):  # fmt: skip
        yield OddFile(f"name in {sets}", written(image(SpecificCharacterSet=sets.split("\\"), PatientName=name)))


def structures() -> Iterator[OddFile]:
    """Lengths, sequences and nesting."""
    plain = written(image())
    yield OddFile("cut off in the header", plain[: len(plain) // 40 + HEAD], "")
    yield OddFile("cut off in the pixels", written(image())[:-2000], DAMAGED)
    odd = element(0x00104000, b"LT", b"odd")
    yield OddFile("odd length value", insert(written(image()), 0x00104000, odd))
    yield OddFile("zero length sequence", insert(written(image()), 0x00081140, element(0x00081140, b"SQ", b"")))
    for depth in (1, 12):
        nested = b""
        for _ in range(depth):
            nested = (
                struct.pack("<HH2sHL", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
                + struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
                + nested
                + struct.pack("<HHLHHL", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
            )
        yield OddFile(f"undefined lengths, {depth} deep", insert(written(image()), 0x00081140, nested))
    unknown = (
        struct.pack("<HH2sHL", 0x0009, 0x1010, b"UN", 0, 0xFFFFFFFF)
        + struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
        + struct.pack("<HHL", 0x0008, 0x0060, 2) + b"CR"
        + struct.pack("<HHLHHL", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    )  # fmt: skip
    yield OddFile("sequence of VR UN in implicit", insert(written(image()), 0x00091010, unknown))
    yield OddFile("private without creator", insert(written(image()), 0x00091010, element(0x00091010, b"LO", b"ab")))
    yield OddFile("sequence without its end", insert(written(image()), 0x00081140, nested[:-8]), CUT_OFF)
    implicit = struct.pack("<HHL", 0x0018, 0x1000, 4) + b"1234"
    yield OddFile("one element in implicit VR", insert(written(image()), 0x00181000, implicit))
    yield OddFile("value longer than the file", insert(written(image()), 0x00104000,
        struct.pack("<HH2sHL", 0x0010, 0x4000, b"UT", 0, 0x7FFFFFF0)), CUT_OFF)  # fmt: skip
    ds = image()
    before, data = split(written(ds))
    yield OddFile("group length in each group", before + element(0x00080000, b"UL", struct.pack("<L", 4)) + data)
    yield OddFile("padding behind the pixels", written(image()) + element(0xFFFCFFFC, b"OB", bytes(64)))
    yield OddFile("zeros behind the data set", written(image()) + bytes(512))
    tail = insert(written(image()), 0x00081140, element(0x00081140, b"SQ", b"\xfe\xff\x00\xe0\xff\x00\x00\x00"))
    yield OddFile("item longer than its sequence", tail, "")
    yield OddFile("elements out of order", before + element(0x00104000, b"LT", b"late") + split(written(image()))[1])
    ds = image()
    ds.ReferencedImageSequence = Sequence([Dataset()])
    yield OddFile("an empty item", written(ds))


def pixels() -> Iterator[OddFile]:
    """Kinds of pixels, and how they are packed."""
    ds = image(PhotometricInterpretation="PALETTE COLOR", BitsAllocated=8, BitsStored=8, HighBit=7, Modality="US")
    ds.PixelData = bytes(range(96)) * 120
    for colour in ("Red", "Green", "Blue"):
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(ds, f"{colour}PaletteColorLookupTableData", np.arange(256, dtype="<u2").tobytes())
    yield OddFile("palette", written(ds))
    ds = image(PhotometricInterpretation="PALETTE COLOR", BitsAllocated=8, BitsStored=8, HighBit=7, Modality="US")
    ds.PixelData = bytes(96 * 120)
    yield OddFile("palette without a table", written(ds), "")
    ds = image(BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=b"\x55" * (96 * 120 // 8))
    ds["PixelData"].VR = "OB"
    yield OddFile("1 bit", written(ds))
    ds = without("PixelData", BitsAllocated=32, BitsStored=32, HighBit=31)
    ds.FloatPixelData = np.zeros(96 * 120, "<f4").tobytes()
    yield OddFile("32-bit float", written(ds), "The pixels are floating-point numbers")
    ds = image(BitsAllocated=32, BitsStored=32, HighBit=31)
    ds.PixelData = np.arange(96 * 120, dtype="<u4").tobytes()
    yield OddFile("32 bits", written(ds))
    ds = image(BitsAllocated=12, BitsStored=12, PixelData=image().PixelData[: 96 * 120 * 3 // 2])
    yield OddFile("12 bits packed", written(ds), "")
    for planar in (0, 1):
        ds = image(PhotometricInterpretation="RGB", SamplesPerPixel=3, BitsAllocated=8, BitsStored=8, HighBit=7,
                   PlanarConfiguration=planar, PixelData=bytes(96 * 120 * 3), Modality="ES")  # fmt: skip
        yield OddFile(f"RGB, planar configuration {planar}", written(ds))
    ds = image(PhotometricInterpretation="YBR_FULL_422", SamplesPerPixel=3, BitsAllocated=8, BitsStored=8,
               HighBit=7, PlanarConfiguration=0, Modality="US")  # fmt: skip
    ds.PixelData = bytes([90, 120, 128, 128]) * (96 * 120 // 2)
    yield OddFile("YBR_FULL_422 uncompressed", written(ds))
    many = image()
    yield OddFile("multi-frame without NumberOfFrames", written(image(PixelData=many.PixelData * 3)))
    many = image(NumberOfFrames=3)
    many.PixelData *= 3
    yield OddFile("multi-frame CR", written(many))
    yield OddFile("more frames declared than there are", written(image(NumberOfFrames=9)), DAMAGED)
    for name, frames, fragments, table in (
        ("fragments without a table", 1, 4, False), ("a fragment per frame, no table", 3, 1, False),
        ("frames in fragments with a table", 3, 3, True),
    ):  # fmt: skip
        yield OddFile(name, _fragmented(frames, fragments, table=table))
    yield OddFile("extended offset table", _extended())
    whole = in_syntax(image(), "1.2.840.10008.1.2.5")
    yield OddFile("no sequence delimiter", whole[:-8])
    yield OddFile("encapsulated with a length", _with_length(in_syntax(image(), "1.2.840.10008.1.2.5")))
    yield OddFile("encapsulated, cut off", in_syntax(image(), "1.2.840.10008.1.2.4.90")[:-600], DAMAGED)
    yield from more_pixels()
    yield OddFile("window of width 0", written(image(WindowCenter=0, WindowWidth=0)))
    yield OddFile("rescale slope 0", written(image(RescaleSlope=0, RescaleIntercept=0)))
    yield OddFile("spacing 0", written(image(PixelSpacing=[0, 0])))


def more_pixels() -> Iterator[OddFile]:
    """Colour spaces, overlays, offset tables and number of frames that contradict what follows."""
    overlay = image()
    marked = np.frombuffer(overlay.PixelData, "<u2").copy()
    marked[::7] |= 0x8000
    overlay.PixelData = marked.tobytes()
    for tag, vr, value in (
        (0x60000010, "US", overlay.Rows), (0x60000011, "US", overlay.Columns), (0x60000040, "CS", "G"),
        (0x60000050, "SS", [1, 1]), (0x60000100, "US", 16), (0x60000102, "US", 15),
    ):  # fmt: skip
        overlay.add_new(tag, vr, value)
    yield OddFile("overlay in the highest bit", written(overlay))
    for model in ("YBR_ICT", "YBR_RCT", "RGB"):
        ds = image(PhotometricInterpretation=model, SamplesPerPixel=3, BitsAllocated=8, BitsStored=8, HighBit=7,
                   PlanarConfiguration=0, Modality="ES")  # fmt: skip
        colour = np.tile(np.arange(96, dtype=np.uint8)[None, :, None], (120, 1, 3))
        stream = imagecodecs.jpeg2k_encode(colour, level=0, codecformat="j2k", reversible=True, mct=model != "RGB")
        ds.Rows, ds.Columns = colour.shape[:2]
        ds.PixelData = encapsulate([bytes(stream)])
        yield OddFile(f"JPEG 2000, {model}", _encapsulated(ds, 1))
    frame = next(generate_frames(dcmread(BytesIO(in_syntax(image(), "1.2.840.10008.1.2.4.90"))).PixelData,
                                 number_of_frames=1))  # fmt: skip
    ds = image(PixelData=encapsulate([frame], has_bot=True))
    ds.PixelData = ds.PixelData[:8] + struct.pack("<L", 4000) + ds.PixelData[12:]
    yield OddFile("offset table that points nowhere", _encapsulated(ds, 1))
    ds = image(PixelData=encapsulate([frame, frame]))
    yield OddFile("one frame declared, two there", _encapsulated(ds, 1))
    ds, icon = without("PixelData"), Dataset()
    icon.Rows = icon.Columns = 8
    icon.SamplesPerPixel, icon.PhotometricInterpretation, icon.PixelRepresentation = 1, "MONOCHROME2", 0
    icon.BitsAllocated, icon.BitsStored, icon.HighBit, icon.PixelData = 8, 8, 7, bytes(64)
    icon["PixelData"].VR = "OB"
    ds.IconImageSequence = Sequence([icon])
    yield OddFile("pixels in the icon only", written(ds), NOT_AN_IMAGE)
    ds = image()
    ds.IconImageSequence = Sequence([icon])
    yield OddFile("icon in front of the pixels", written(ds))
    for bits in (4, 2):
        ds = image(BitsAllocated=bits, BitsStored=bits, HighBit=bits - 1, PixelData=bytes(96 * 120 * bits // 8))
        yield OddFile(f"{bits} bits", written(ds), "")
    ds = without("PixelData", BitsAllocated=64, BitsStored=64, HighBit=63)
    ds.DoubleFloatPixelData = np.zeros(96 * 120, "<f8").tobytes()
    yield OddFile("64-bit float", written(ds), "The pixels are floating-point numbers")
    yield OddFile("number of frames 0", written(image(NumberOfFrames=0)))
    word = element(0x00280008, b"IS", b"one ")
    yield OddFile("number of frames is a word", insert(written(image()), 0x00280008, word), "")
    yield OddFile("Rows 0", written(image(Rows=0)), "The object")


def more_values() -> Iterator[OddFile]:
    """Value representations that are not those of the dictionary, repeated elements, and long values."""
    ds = without("Rows")
    yield OddFile("Rows as UL", insert(written(ds), 0x00280010, element(0x00280010, b"UL", struct.pack("<L", 96))), "")
    ds = without("Rows")
    yield OddFile("Rows as IS", insert(written(ds), 0x00280010, element(0x00280010, b"IS", b"96")), "")
    ds = without("Modality")
    yield OddFile("Modality as LO", insert(written(ds), 0x00080060, element(0x00080060, b"LO", b"CR")))
    ds = without("Modality")
    yield OddFile("Modality as UN", insert(written(ds), 0x00080060, element(0x00080060, b"UN", b"CR")))
    ds = without("PixelSpacing") if "PixelSpacing" in image() else image()
    raw = element(0x00280030, b"DS", b"0,14\\0,14 ")
    yield OddFile("decimal comma", insert(written(ds), 0x00280030, raw))
    ds = image()
    second = element(0x0020000D, b"UI", b"1.2.3.4.5.999 ")
    yield OddFile("two study UIDs", insert(written(ds), 0x0020000D, second), "")
    long = image()
    long.ImageComments = "x" * 60_000
    yield OddFile("comment of 60,000 letters", written(long))
    long = image()
    long["PatientID"] = DataElement("PatientID", "LO", "9" * 5000, validation_mode=0)
    yield OddFile("patient ID of 5,000 digits", written(long))
    long = image()
    long["PatientName"] = DataElement("PatientName", "PN", "A" * 2000, validation_mode=0)
    yield OddFile("name of 2,000 letters", written(long))
    ds = image()
    ds["StudyDate"] = DataElement("StudyDate", "DA", "31.12.2026", validation_mode=0)
    ds["StudyTime"] = DataElement("StudyTime", "TM", "noon", validation_mode=0)
    yield OddFile("dates and times as words", written(ds))
    yield OddFile("NUL bytes in the name", _raw_text(image(), b"ISO_IR 100", b"Doe\0^Jane\0"))
    yield OddFile("escape sequence without its set", _raw_text(image(), b"ISO_IR 100", b"Doe\x1b$B^Jane "))


def others() -> Iterator[OddFile]:
    """Objects that are no images."""
    yield OddFile("secondary capture", written(image(SOPClassUID=UID("1.2.840.10008.5.1.4.1.1.7"))))
    yield OddFile("private SOP class", written(image(SOPClassUID=UID("1.2.3.4.5.6"))))
    yield OddFile("SOP class from the future", written(image(SOPClassUID=UID("1.2.840.10008.5.1.4.1.1.999.9"))))
    yield OddFile("SOP class of a service", written(image(SOPClassUID=UID("1.2.840.10008.1.1"))), "")
    for name, sop_class, modality in (
        ("structured report", "1.2.840.10008.5.1.4.1.1.88.11", "SR"),
        ("key objects", "1.2.840.10008.5.1.4.1.1.88.59", "KO"),
        ("presentation state", "1.2.840.10008.5.1.4.1.1.11.1", "PR"),
        ("structure set", "1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT"),
    ):
        ds = without("PixelData", "Rows", "Columns", SOPClassUID=UID(sop_class), Modality=modality)
        yield OddFile(name, written(ds), NOT_AN_IMAGE)
    for name, number in (("segmentation", 4), ("label map", 7)):
        ds = image(SOPClassUID=UID(f"1.2.840.10008.5.1.4.1.1.66.{number}"), Modality="SEG")
        yield OddFile(name, written(ds), NOT_AN_IMAGE)
    ds = without("PixelData", "Rows", "Columns", SOPClassUID=UID("1.2.840.10008.5.1.4.1.1.104.1"), Modality="DOC")
    ds.EncapsulatedDocument, ds.MIMETypeOfEncapsulatedDocument = b"%PDF-1.4 ", "application/pdf"
    yield OddFile("PDF", written(ds), NOT_AN_IMAGE)


def odd_files() -> list[OddFile]:
    return [*headers(), *syntaxes(), *values(), *more_values(), *structures(), *pixels(), *others()]


def _written_plain(ds: Dataset) -> bytes:
    out = BytesIO()
    dcmwrite(out, ds, implicit_vr=False, little_endian=True, enforce_file_format=False)
    return out.getvalue()


def _group_length(file: bytes, length: int) -> bytes:
    return file[: HEAD + 8] + struct.pack("<L", length) + file[HEAD + 12 :]


def _implicit_meta(ds: Dataset) -> bytes:
    def plain(tag: int, value: bytes) -> bytes:
        return struct.pack("<HHL", 2, tag, len(value)) + value

    syntax = str(ExplicitVRLittleEndian).encode() + b"\0"
    return bytes(128) + b"DICM" + plain(0x10, syntax) + split(written(ds))[1]


def _with_private_meta(meta: bytes) -> bytes:
    return _group_length(meta + element(0x00020100, b"UI", b"1.2.3\0") + element(0x00020102, b"OB", b"ab"), 500)


def _meta_of(ds: Dataset, syntax: str) -> bytes:
    """Preamble and group 2 with a syntax that the data set behind it need not have."""
    ds = dcmread(BytesIO(written(ds)))
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    out = BytesIO()
    out.write(bytes(128) + b"DICM")
    write_file_meta_info(DicomFileLike(out), ds.file_meta, enforce_standard=True)
    return out.getvalue()


def _deflate(data: bytes) -> bytes:
    raw = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return raw.compress(data) + raw.flush()


def _raw_text(ds: Dataset, sets: bytes, name: bytes) -> bytes:
    del ds.PatientName
    file = insert(written(ds), 0x00100010, element(0x00100010, b"PN", name))
    return insert(file, 0x00080005, element(0x00080005, b"CS", sets)) if sets else file


def _fragmented(frames: int, fragments: int, *, table: bool) -> bytes:
    ds = image()
    stream = dcmread(BytesIO(in_syntax(ds, "1.2.840.10008.1.2.4.90"))).PixelData
    frame = next(generate_frames(stream, number_of_frames=1))
    ds.PixelData = encapsulate([frame] * frames, fragments_per_frame=fragments, has_bot=table)
    return _encapsulated(ds, frames)


def _extended() -> bytes:
    ds = image()
    frame = next(
        generate_frames(dcmread(BytesIO(in_syntax(ds, "1.2.840.10008.1.2.4.90"))).PixelData, number_of_frames=1)
    )
    ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended([frame] * 2)
    return _encapsulated(ds, 2)


def _encapsulated(ds: Dataset, frames: int) -> bytes:
    if frames > 1:
        ds.NumberOfFrames = frames
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    ds.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.90")
    return written(ds)


def _with_length(file: bytes) -> bytes:
    """Pixel data of a defined length that are nevertheless encapsulated."""
    at = file.rindex(b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff")
    value = file[at + 12 :]
    return file[: at + 8] + struct.pack("<L", len(value)) + value
