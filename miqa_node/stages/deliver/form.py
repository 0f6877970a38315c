"""Converts an object to the form that a destination requires: transfer syntax and character set of its profile.

The SOP Instance UID stays, because the content of the object does not change.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from io import BytesIO

import structlog
from pydicom import dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from miqa_node.dicom.bytes.uncompressed import can_convert
from miqa_node.errors import DeliveryRefusedError
from miqa_node.stages.deliver.kinds.base import (
    DeliveryContext,
    DestinationConfig,
    ObjectsConfig,
    split_file,
    without_compression,
)
from miqa_node.stages.deliver.rewriting import as_implicit_vr, in_character_set

log = structlog.get_logger(__name__)


def in_form(config: DestinationConfig, file: bytes, context: DeliveryContext) -> bytes:
    """The DICOM file in the destination's ``character_set`` and ``transfer_syntaxes``; events stay unchanged.

    If the destination's character set lacks a character of the file, the file keeps its own set.

    Raises
    ------
    DeliveryError, DeliveryRefusedError
        The destination takes no compressed pixels, and they cannot be decoded: now (DeliveryError), or ever.
    """
    if not isinstance(config, ObjectsConfig):
        return file
    if config.character_set is not None:
        file = _in_character_set(file, config.character_set.split("\\"), config.name, context)
    if config.transfer_syntaxes is not None:
        file = _in_syntax(file, config.transfer_syntaxes, context)
    return file


def _in_syntax(file: bytes, syntaxes: Sequence[str], context: DeliveryContext) -> bytes:
    """In its own syntax if the destination allows it, else uncompressed: Explicit VR if allowed, else Implicit VR.

    Uncompressed objects are deflated if the destination lists that syntax first: a segmentation shrinks to a tenth.
    """
    syntax, data_set = split_file(file)
    if syntax == ExplicitVRLittleEndian and syntaxes[0] == DeflatedExplicitVRLittleEndian:
        return _with_data_set(file, DeflatedExplicitVRLittleEndian, _deflated(data_set))
    if syntax in syntaxes:
        return file
    if syntax != ExplicitVRLittleEndian:
        if not can_convert(syntax):
            name = UID(syntax).name
            raise DeliveryRefusedError("transfer_syntaxes leave out {name}, which the node cannot convert.", name=name)
        file = without_compression(file, context)
    if ExplicitVRLittleEndian in syntaxes:
        return file
    _, data_set = split_file(file)
    return _with_data_set(file, ImplicitVRLittleEndian, as_implicit_vr(data_set))


def _deflated(data_set: bytes) -> bytes:
    """Deflated, without a zlib header and with an even length (PS3.5 A.5)."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = deflater.compress(data_set) + deflater.flush()
    return deflated + b"\0" * (len(deflated) % 2)


def _with_data_set(file: bytes, syntax: str, data_set: bytes) -> bytes:
    meta = dcmread(BytesIO(file), specific_tags=[]).file_meta
    meta.TransferSyntaxUID = UID(syntax)
    out = DicomBytesIO()
    write_file_meta_info(out, meta, enforce_standard=True)
    return b"\0" * 128 + b"DICM" + out.getvalue() + data_set


def _in_character_set(file: bytes, sets: Sequence[str], destination: str, context: DeliveryContext) -> bytes:
    syntax, data_set = split_file(file)
    if syntax == DeflatedExplicitVRLittleEndian:
        file = without_compression(file, context)
        syntax, data_set = split_file(file)
    if syntax in (ImplicitVRLittleEndian, ExplicitVRBigEndian):
        return file  # the node creates none
    try:
        return _with_data_set(file, syntax, in_character_set(data_set, sets))
    except UnicodeError:
        log.info("sent in its own character set", destination=destination)
        return file
