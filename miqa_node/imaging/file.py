"""Reads one file that a person named, DICOM or picture, as the image that every stage works on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from miqa_node.domain.image import Radiograph
from miqa_node.domain.instance import Header
from miqa_node.errors import DecodeError
from miqa_node.imaging.decode import Decoder
from miqa_node.imaging.headers import read_header
from miqa_node.imaging.kinds import is_image
from miqa_node.imaging.picture import is_picture, read_picture


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A decoded file; ``is_dicom`` is False for PNG and JPEG, whose header is made from the caller's arguments."""

    header: Header
    radiograph: Radiograph
    is_dicom: bool


def read_image_file(
    path: Path, decoder: Decoder, *, modality: str = "DX", body_part: str = "CHEST", view: str = "PA"
) -> ImageFile:
    """A DICOM, PNG or JPEG file; modality, body part and view describe pictures, which have no header.

    Raises
    ------
    UnreadableError
        The file is neither DICOM nor a picture, it is DICOM but no image, or its pixels cannot be decoded.
    """
    if is_picture(path):
        return ImageFile(*read_picture(path, modality=modality, body_part=body_part, view=view), is_dicom=False)
    header, _ = read_header(path)
    if not is_image(header):
        raise DecodeError("The object is not an image.")
    return ImageFile(header, decoder.decode(path), is_dicom=True)
