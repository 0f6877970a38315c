"""The Accept header of WADO-RS (PS3.18 8.7.4 and 8.7.5): media types, and transfer syntaxes of DICOM and of frames."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import HTTPException, Request
from pydicom.uid import ExplicitVRLittleEndian

MAX_RANGES = 50
DICOM = "application/dicom"
OCTETS = "application/octet-stream"
RELATED = "multipart/related"


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One acceptable media type; of multipart/related, that of the parts. ``syntax`` is a UID, ``*`` or empty."""

    media_type: str
    multipart: bool
    syntax: str
    quality: float

    def covers(self, media_type: str) -> bool:
        """Whether a media type is within the range."""
        kind = self.media_type
        return kind in ("*/*", media_type) or (kind.endswith("/*") and media_type.startswith(kind[:-1]))


def accepted(request: Request) -> list[MediaRange]:
    """The accepted media ranges, best first; without a header, everything. 400 if the header is malformed."""
    accept = request.query_params.get("accept") or request.headers.get("accept") or "*/*"
    ranges = []
    for part in re.split(r",(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", accept)[:MAX_RANGES]:
        kind, *parameters = (piece.strip() for piece in re.split(r";(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", part))
        values = {key.strip().lower(): value.strip(' "') for key, _, value in (p.partition("=") for p in parameters)}
        multipart = kind.lower() == RELATED
        media_type = values.get("type", "*/*").lower() if multipart else kind.lower()
        try:
            quality = float(values.get("q", "1"))
        except ValueError:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "A quality value in Accept is not a number.") from None
        if media_type and quality > 0.0:
            ranges.append(MediaRange(media_type, multipart, values.get("transfer-syntax", ""), quality))
    return sorted(ranges, key=lambda one: -one.quality)


def choose_syntax(ranges: Sequence[MediaRange], held: str, decodable: bool) -> str:
    """The transfer syntax of the response: the stored one, or the default Explicit VR Little Endian.

    406 if the client accepts neither.
    """
    for one in ranges:
        if not one.covers(DICOM):
            continue
        if one.syntax in ("*", held):
            return held
        if one.syntax in ("", ExplicitVRLittleEndian) and (held == ExplicitVRLittleEndian or decodable):
            return str(ExplicitVRLittleEndian)
    raise not_acceptable(f'{RELATED}; type="{DICOM}" with transfer-syntax={ExplicitVRLittleEndian} or {held}')


def not_acceptable(offer: str) -> HTTPException:
    """406 with the available media types."""
    return HTTPException(HTTPStatus.NOT_ACCEPTABLE, f"This is given as {offer}.")
