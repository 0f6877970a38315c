"""Compares two objects with one SOP Instance UID: the same image in another encoding, a worse copy, or another image.

A modality and a router often send the same image; archives convert it, complete its header, and some compress it with
loss without giving it a new UID. Runs in a child process, as all decoding does.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from miqa_node.core.domain.image import Radiograph
from miqa_node.dicom.bytes.head import raw_elements, read_head
from miqa_node.dicom.bytes.issuer import Issuer
from miqa_node.dicom.elements import read_elements
from miqa_node.errors import DataSetError, DecodeError

Decode = Callable[[Path, int], Radiograph]

_IDENTITY = ("PatientID", "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
_PHOTOMETRIC = "PhotometricInterpretation"
_TAGS = {
    int(tag_for_keyword(keyword) or 0)
    for keyword in (
        *_IDENTITY,
        _PHOTOMETRIC,
        "IssuerOfPatientID",
        "IssuerOfPatientIDQualifiersSequence",
        "SpecificCharacterSet",
        "LossyImageCompression",
        "NumberOfFrames",
    )
}
LOSSY_SYNTAXES = frozenset(
    f"1.2.840.10008.1.2.4.{number}"
    for number in (50, 51, 81, 91, 93, 100, 101, 102, 103, 104, 105, 106, 107, 108, 112, 203)
)
"""Transfer syntaxes that may lose something (PS3.5 A.4): JPEG, near-lossless JPEG-LS, JPEG 2000, MPEG, HTJ2K."""
LEAST_CORRELATION = 0.99
"""Of a copy with loss and its source at a quarter of their size, where noise that a codec removes does not count.
A second exposure of a patient who moved by a few millimetres has less."""
SHRINKING = 4
MAX_FRAMES = 5000

_CORRECTED_GROUPS = (0x0010, 0x0012, 0x0032, 0x0038, 0x0400)
_CORRECTED = {
    int(tag_for_keyword(keyword) or 0)
    for keyword in (
        "SpecificCharacterSet",
        "InstanceCreationDate",
        "InstanceCreationTime",
        "AccessionNumber",
        "ReferringPhysicianName",
        "InstitutionName",
        "StudyDescription",
        "StudyID",
        "RequestAttributesSequence",
        "TimezoneOffsetFromUTC",
        "RetrieveAETitle",
    )
}


class Likeness(StrEnum):
    """What the second of two objects is, compared with the first."""

    SAME = "same"
    """The same content; elements that archives correct may differ."""
    WORSE = "worse"
    """The same image, compressed with loss; also if both are."""
    BETTER = "better"
    """The same image without the loss of the first."""
    OTHER = "other"
    """Something else, or it cannot be told."""


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """What an object says of itself."""

    path: Path
    ds: Dataset
    syntax: str
    has_pixels: bool

    @classmethod
    def read(cls, path: Path) -> Self:
        """DataSetError if it is not DICOM."""
        elements = read_elements(path, _TAGS)
        ds = Dataset(raw_elements(elements))
        ds.set_original_encoding(elements.implicit, not elements.big_endian)
        return cls(path, ds, elements.transfer_syntax_uid, bool(elements.pixel_tag))

    def text(self, keyword: str) -> str:
        """A value as text, empty if absent."""
        return str(self.ds.get(keyword) or "").strip(" \0")

    @property
    def frames(self) -> int:
        """Their number."""
        return int(self.ds.get("NumberOfFrames") or 1)

    @property
    def is_lossy(self) -> bool:
        """Whether the pixels lost something, by the header or by a transfer syntax that allows it."""
        return self.text("LossyImageCompression") == "01" or self.syntax in LOSSY_SYNTAXES


def compare(first: Path, second: Path, decode: Decode) -> str:
    """The :class:`Likeness` of the second object."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library's, about values of other people's objects
            return _likeness(ObjectHead.read(first), ObjectHead.read(second), decode).value
    except (DataSetError, DecodeError, ValueError, TypeError):
        return Likeness.OTHER.value


def is_lossy(path: Path) -> bool:
    """See :attr:`ObjectHead.is_lossy`."""
    return ObjectHead.read(path).is_lossy


def _likeness(first: ObjectHead, second: ObjectHead, decode: Decode) -> Likeness:
    facts = [(one.has_pixels, one.frames) for one in (first, second)]
    if not _is_one_object(first, second) or facts[0] != facts[1] or first.frames > MAX_FRAMES:
        return Likeness.OTHER
    if not first.has_pixels:
        return Likeness.SAME if _content(first.path) == _content(second.path) else Likeness.OTHER
    if digest_of_pixels(first, decode) == digest_of_pixels(second, decode):
        return Likeness.SAME
    chosen = {0, first.frames // 2, first.frames - 1}
    if (first.is_lossy or second.is_lossy) and all(
        _are_alike(decode(first.path, number), decode(second.path, number)) for number in chosen
    ):
        return Likeness.BETTER if first.is_lossy and not second.is_lossy else Likeness.WORSE
    return Likeness.OTHER


def _is_one_object(first: ObjectHead, second: ObjectHead) -> bool:
    if any(first.text(keyword) != second.text(keyword) for keyword in _IDENTITY):
        return False
    return not Issuer.of(first.ds).contradicts(Issuer.of(second.ds))


def digest_of_pixels(head: ObjectHead, decode: Decode) -> str:
    """SHA-256 of the decoded pixels of all frames, whatever their encoding in the file."""
    digest = hashlib.sha256()
    for number in range(head.frames):
        frame = decode(head.path, number)
        pixels, kind = (frame.stored, head.text(_PHOTOMETRIC)) if frame.colour is None else (frame.colour, "colour")
        digest.update(f"{kind} {pixels.shape}".encode())
        digest.update(np.ascontiguousarray(pixels, dtype="<i4").tobytes())
    return digest.hexdigest()


def _are_alike(first: Radiograph, second: Radiograph) -> bool:
    """Whether one may be a copy of the other: stored values are converted to 8 bits, or the window is applied."""
    if first.shape != second.shape:
        return False
    pairs = ((first.stored, second.stored), (first.display, second.display))
    return any(_correlation(*pair) >= LEAST_CORRELATION for pair in pairs)


def _correlation(first: NDArray[np.integer], second: NDArray[np.integer]) -> float:
    deviations = [small - small.mean() for small in (_shrunk(first), _shrunk(second))]
    spread = float(np.sqrt((deviations[0] ** 2).sum() * (deviations[1] ** 2).sum()))
    return float((deviations[0] * deviations[1]).sum()) / spread if spread else 0.0


def _shrunk(values: NDArray[np.integer]) -> NDArray[np.float64]:
    rows, columns = (max(1, side // SHRINKING) for side in values.shape)
    small = cv2.resize(values.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
    return small.astype(np.float64)


def _content(path: Path) -> Dataset:
    """What an object without pixels says, without what archives correct and what is private."""
    ds = read_head(path, force=True)
    ds.remove_private_tags()
    for tag in list(ds.keys()):
        if tag.group in _CORRECTED_GROUPS or int(tag) in _CORRECTED:
            del ds[tag]
    return Dataset({element.tag: element for element in ds})
