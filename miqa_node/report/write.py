"""Encodes a result as a DICOM file (PS3.10), the same bytes for the same data set."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.tag import BaseTag
from pydicom.uid import UID, ExplicitVRLittleEndian

from miqa_node.domain.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from miqa_node.report.elements import Element, encode_elements

SPELLINGS = str.maketrans({
    "–": "-", "—": "-", "−": "-", "≥": ">=", "≤": "<=", "×": "x", "·": "*", "°": " degrees",
    "ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss",
})  # fmt: skip
"""Characters with a usual spelling in ASCII."""
_NOT_IN_CODES = re.compile("[^A-Z0-9 _]")


def encode(
    own: Dataset, inherited: Mapping[BaseTag, Element], transfer_syntax_uid: str = ExplicitVRLittleEndian
) -> bytes:
    """The complete file. ``own`` must hold ASCII text only (:func:`ascii_text`).

    What the node adds is ASCII, which every character set that PS3.3 C.12.1.1.2 allows contains. So the declared
    set may be anything, even one that this machine has no codec for, and the inherited text stays as it was.
    """
    elements: dict[BaseTag, Element] = {**inherited, **{element.tag: element for element in own}}
    return b"\0" * 128 + b"DICM" + _file_meta(own, transfer_syntax_uid) + encode_elements(elements)


def ascii_text(text: str, limit: int | None = None) -> str:
    """``text`` in ASCII, cut to ``limit``: umlauts spelled out, accents dropped, other characters a question mark.

    Backslash and tilde are replaced too: they separate values, or are other characters in ISO_IR 13.

    >>> ascii_text("Aufnahme zu spät – ≥ 5 %")
    'Aufnahme zu spaet - >= 5 %'
    """
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", text).translate(SPELLINGS))
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    safe = plain.encode("ascii", "replace").decode("ascii").replace("\\", "/").replace("~", "-")
    return " ".join(safe.split())[:limit].strip()


def code_string(text: str) -> str:
    """``text`` as a Code String (PS3.5 6.2): some devices write forbidden characters into one.

    >>> code_string("jpeg-baseline")
    'JPEG_BASELINE'
    """
    return _NOT_IN_CODES.sub("_", ascii_text(text, 16).upper())


def _file_meta(own: Dataset, transfer_syntax_uid: str) -> bytes:
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = UID(own.SOPClassUID)
    meta.MediaStorageSOPInstanceUID = UID(own.SOPInstanceUID)
    meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    out = DicomBytesIO()
    write_file_meta_info(out, meta, enforce_standard=True)
    return out.getvalue()
