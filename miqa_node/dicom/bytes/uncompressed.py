"""Converts an object of any syntax to Explicit VR Little Endian, which every peer can read (PS3.5 10.1)."""

from __future__ import annotations

import warnings
import zlib
from io import BytesIO

import numpy as np
from pydicom import DataElement, Dataset, dcmread, dcmwrite
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import decompress
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from miqa_node.dicom.elements import find_encoding
from miqa_node.dicom.pixels.codestream import mend_sequential_scan
from miqa_node.dicom.pixels.decoders import SYNTAXES
from miqa_node.dicom.pixels.pixel_data import frames_of
from miqa_node.errors import DecodeError, MiqaError

MAX_FILE_BYTES = 160_000_000
"""An image of imaging.max_pixels has 128 MB of 16-bit pixels; the file that comes back is held by the node itself."""
CHUNK_BYTES = 1 << 20
_NATIVE = (ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian)
WORD_BYTES = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
"""Values that pydicom keeps as bytes in the order of the file (PS3.5 6.2); it converts all other numbers."""


def can_uncompress(transfer_syntax_uid: str) -> bool:
    """Whether the syntax is compressed and can be decoded here."""
    return transfer_syntax_uid in SYNTAXES and UID(transfer_syntax_uid).is_encapsulated


def can_convert(transfer_syntax_uid: str) -> bool:
    """Whether :func:`uncompress` accepts the syntax: compressed pixels, Implicit VR, big endian, or deflated."""
    return can_uncompress(transfer_syntax_uid) or transfer_syntax_uid in _NATIVE


def uncompress(file: bytes) -> bytes:
    """The DICOM file with the same object in Explicit VR Little Endian; colours become RGB.

    The SOP Instance UID stays, as no information is lost. Text keeps its encoding.

    Raises
    ------
    DecodeError
        The pixels cannot be decoded, or a deflated data set is larger than MAX_FILE_BYTES.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _refuse_bomb(file)
            return _written(_plain(dcmread(BytesIO(file))))
    except (MiqaError, MemoryError, OSError):
        raise
    except Exception as error:  # a foreign data set's values are parsed when they are written: any error is possible
        raise DecodeError("The object cannot be given uncompressed ({name}).", name=type(error).__name__) from error


def _plain(ds: Dataset) -> Dataset:
    if ds.file_meta.TransferSyntaxUID in _NATIVE:
        if ds.file_meta.TransferSyntaxUID == ExplicitVRBigEndian:
            ds.walk(_swap)
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        return ds
    syntax = SYNTAXES.get(str(ds.file_meta.TransferSyntaxUID))
    if syntax is None or "PixelData" not in ds:
        raise DecodeError("Objects in {name} cannot be given uncompressed.", name=ds.file_meta.TransferSyntaxUID.name)
    ds.file_meta.TransferSyntaxUID = syntax.runner.UID  # for a syntax that pydicom lacks, the UID of its substitute
    _drop_offsets(ds)
    failures = []
    for plugin in syntax.plugins:
        try:
            decompress(ds, decoding_plugin=plugin.label, generate_instance_uid=False)
        except Exception as error:  # noqa: BLE001 - codecs raise whatever they like
            failures.append(type(error).__name__)
        else:
            return ds
    raise DecodeError(
        "The pixels cannot be decoded for a peer that decodes nothing: {failures}.", failures=", ".join(failures)
    )


def _drop_offsets(ds: Dataset) -> None:
    """Make each frame one fragment without any table: pydicom believes tables that are wrong (PS3.5 A.4)."""
    ds.PixelData = encapsulate([mend_sequential_scan(frame) for frame in frames_of(ds)], has_bot=False)
    for table in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        ds.pop(table, None)


def _refuse_bomb(file: bytes) -> None:
    """Inflate a deflated data set once without keeping it: the libraries would keep all of it at once."""
    encoding = find_encoding(lambda offset, count: file[offset : offset + count])
    if encoding.transfer_syntax_uid != DeflatedExplicitVRLittleEndian:
        return
    inflater, packed, size = zlib.decompressobj(-zlib.MAX_WBITS), file[encoding.offset :], 0
    while packed and not inflater.eof:
        try:
            size += len(inflater.decompress(packed, CHUNK_BYTES))
        except zlib.error as error:
            raise DecodeError("The deflated data set is damaged.") from error
        if size > MAX_FILE_BYTES:
            raise DecodeError("The object inflates to more than {max_file_bytes} bytes.", max_file_bytes=MAX_FILE_BYTES)
        packed = inflater.unconsumed_tail


def _swap(ds: Dataset, element: DataElement) -> None:
    """Reverse the bytes of each word. Pixels of 32 bits are words of 4 bytes, as for decoders."""
    size = WORD_BYTES.get(element.VR, 1)
    if element.keyword == "PixelData" and element.VR == "OW":
        size = max(size, int(ds.get("BitsAllocated") or 0) // 8)
    if size > 1 and element.value and len(element.value) % size == 0:
        element.value = np.frombuffer(element.value, f">u{size}").astype(f"<u{size}").tobytes()


def _written(ds: Dataset) -> bytes:
    out = BytesIO()
    dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue()
