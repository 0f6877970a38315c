"""The Accept header of WADO-RS (PS3.18 8.7.4 and 8.7.5): media types, and transfer syntaxes of DICOM and of frames."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import HTTPException, Request
from pydicom.uid import UID, ExplicitVRLittleEndian

from miqa_node.core.language.phrase import Phrase

MAX_RANGES = 50
DICOM = "application/dicom"
OCTETS = "application/octet-stream"
RELATED = "multipart/related"
IMAGE_TYPES: dict[str, str] = {
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    **{f"1.2.840.10008.1.2.4.{number}": "image/jpeg" for number in (50, 51, 57, 70)},
    **{f"1.2.840.10008.1.2.4.{number}": "image/jls" for number in (80, 81)},
    **{f"1.2.840.10008.1.2.4.{number}": "image/jp2" for number in (90, 91)},
    **{f"1.2.840.10008.1.2.4.{number}": "image/jpx" for number in (92, 93)},
    **{f"1.2.840.10008.1.2.4.{number}": "image/jphc" for number in (201, 202, 203)},
    **{f"1.2.840.10008.1.2.4.{number}": "image/jxl" for number in (110, 111, 112)},
}
"""The media type of compressed frames by transfer syntax (PS3.18 table 8.7.3-2)."""


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One acceptable media type; of multipart/related, that of the parts. ``syntax`` is a UID, ``*`` or empty.

    ``refused`` are the media types and ranges with the quality 0 (RFC 9110 12.4.2), which take from wider ranges.
    """

    media_type: str
    multipart: bool
    syntax: str
    quality: float
    refused: frozenset[str] = frozenset()

    def covers(self, media_type: str) -> bool:
        """Whether a media type is within the range, and not refused by a more specific one (RFC 9110 12.5.1)."""
        names = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
        if self.media_type not in names:
            return False
        return self.refused.isdisjoint(names[: names.index(self.media_type)])


def accepted(request: Request) -> list[MediaRange]:
    """The accepted media ranges, best first; without a header, everything. 400 if the header is malformed."""
    # In an address a plus sign is itself; only in forms it stands for a space.
    parameter = request.query_params.get("accept", "").replace("/dicom ", "/dicom+")
    accept = parameter or request.headers.get("accept") or "*/*"
    ranges: list[tuple[str, bool, str, float]] = []
    refused: set[str] = set()
    for part in re.split(r",(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", accept)[:MAX_RANGES]:
        kind, *parameters = (piece.strip() for piece in re.split(r";(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", part))
        values = {key.strip().lower(): value.strip(' "') for key, _, value in (p.partition("=") for p in parameters)}
        multipart = kind.lower() == RELATED
        media_type = values.get("type", "*/*").lower() if multipart else kind.lower()
        try:
            quality = float(values.get("q", "1"))
        except ValueError:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "A quality value in Accept is not a number.") from None
        syntax = values.get("transfer-syntax", "")
        if media_type and quality > 0.0:
            ranges.append((media_type, multipart, syntax, quality))
        elif not syntax:
            refused.add(media_type)
    return sorted((MediaRange(*one, frozenset(refused)) for one in ranges), key=lambda one: -one.quality)


def require(request: Request, *media_types: str) -> None:
    """406 unless the client accepts the first of the media types, which is sent, or names one of the others for it."""
    sent, *others = media_types
    if not any(one.covers(sent) or (one.media_type in others and sent not in one.refused) for one in accepted(request)):
        raise not_acceptable(sent)


def choose_syntax(ranges: Sequence[MediaRange], held: str, *, convertible: bool) -> str:
    """The transfer syntax of the response: the stored one, or the default Explicit VR Little Endian.

    A client that names no syntax gets the default, and what cannot be converted as it is stored. 406 if the client
    accepts neither.
    """
    for one in ranges:
        if not one.covers(DICOM):
            continue
        if one.syntax in ("*", held) or (one.syntax == "" and not convertible):
            return held
        if one.syntax in ("", ExplicitVRLittleEndian) and convertible:
            return str(ExplicitVRLittleEndian)
    raise not_acceptable(f'{RELATED}; type="{DICOM}" with transfer-syntax={ExplicitVRLittleEndian} or {held}')


def stored_form(one: MediaRange, held: UID) -> str:
    """The media type of stored, compressed frames if the range covers them; else an empty string.

    An image type names its transfer syntaxes by itself; octets are compressed only for who asks for the syntax.
    """
    if not is_encapsulated(held):
        return ""
    image = IMAGE_TYPES.get(held, "")
    if one.syntax in ("", "*", held) and one.media_type != "*/*" and one.covers(image):
        return image
    return OCTETS if one.syntax in ("*", held) and one.covers(OCTETS) else ""


def is_encapsulated(syntax: UID) -> bool:
    """Whether frames are compressed; assumed for a syntax that pydicom does not know."""
    return not syntax.is_transfer_syntax or syntax.is_encapsulated


def not_acceptable(offer: str) -> HTTPException:
    """406 with the available media types."""
    return HTTPException(HTTPStatus.NOT_ACCEPTABLE, Phrase("This is given as {offer}.", offer=offer))
