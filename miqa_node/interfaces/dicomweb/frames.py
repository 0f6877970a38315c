"""WADO-RS of pixels (PS3.18 10.4.1.1): frames, rendered pictures, thumbnails and bulk data of the node's results."""

from __future__ import annotations

import io
import re
import uuid
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path as FilePath
from typing import Annotated

import numpy as np
from fastapi import APIRouter, HTTPException, Path, Request, Response
from pydicom import Dataset, dcmread
from pydicom.filereader import read_file_meta_info
from pydicom.tag import Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from miqa_node.core.language.phrase import Phrase
from miqa_node.dicom.bytes.numbers import single_number
from miqa_node.dicom.bytes.uncompressed import can_uncompress
from miqa_node.dicom.pixels.pixel_data import frame_bits, frames_of
from miqa_node.errors import DecodeError
from miqa_node.interfaces.dicomweb.accept import OCTETS, RELATED, accepted, is_encapsulated, not_acceptable, stored_form
from miqa_node.interfaces.dicomweb.dicomweb import (
    RETRIEVAL_ERRORS,
    Uid,
    add_warnings,
    one_result,
    read_object,
    unless_known,
)
from miqa_node.interfaces.dicomweb.rendering import (
    JPEG,
    PNG,
    AskedRendering,
    AskedThumbnail,
    Rendering,
    Viewport,
    picture,
)
from miqa_node.interfaces.web.access import Reader
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import responses
from miqa_node.interfaces.web.services import Services, WebServices
from miqa_node.runtime.store.result_index import ResultLocation

MAX_FRAMES = 1000
THUMBNAIL_SIDE = 200
_INSTANCE = "/studies/{study_uid}/series/{series_uid}/instances/{instance_uid}"
_pixels = responses(304, *RETRIEVAL_ERRORS, media=(RELATED,))
_values = responses(*RETRIEVAL_ERRORS, media=(OCTETS, RELATED))
_pictures = responses(304, *RETRIEVAL_ERRORS, media=(JPEG, PNG))

FrameList = Annotated[str, Path(pattern=r"^[0-9]{1,9}(,[0-9]{1,9})*$", description="Numbers of frames, from 1.")]
TagPath = Annotated[str, Path(pattern=r"^[0-9A-Fa-f]{8}(/[0-9]{1,4}/[0-9A-Fa-f]{8}){0,8}$")]

router = APIRouter(prefix="/api/dicom-web", tags=["dicomweb"], default_response_class=Response)


@router.get(_INSTANCE + "/frames", summary="Pixels of all frames", responses=_pixels)
def retrieve_all_frames(
    request: Request, services: Services, _who: Reader, study_uid: Uid, series_uid: Uid, instance_uid: Uid
) -> Response:
    """The value of the pixels' BulkDataURI: every frame, in the forms of the next."""
    location = one_result(services, study_uid, series_uid, instance_uid)
    return unless_known(request, [location], lambda: _frames(request, services, location, None))


@router.get(_INSTANCE + "/frames/{frames}", summary="Pixels of frames", responses=_pixels)
def retrieve_frames(
    request: Request, services: Services, _who: Reader, study_uid: Uid, series_uid: Uid, instance_uid: Uid,
    frames: FrameList,
) -> Response:  # fmt: skip
    """Frames as application/octet-stream, uncompressed; as they are kept, for a client that accepts any syntax."""
    location = one_result(services, study_uid, series_uid, instance_uid)
    numbers = [int(number) for number in frames.split(",")]
    return unless_known(request, [location], lambda: _frames(request, services, location, numbers))


def _frames(
    request: Request, services: WebServices, location: ResultLocation, numbers: Sequence[int] | None
) -> Response:
    ds = _whole(services, location)
    if not _has_pixels(ds):
        raise HTTPException(HTTPStatus.NOT_FOUND, "The object has no frames.")
    count = int(single_number(ds, "NumberOfFrames") or 1)
    if numbers is None:
        numbers = range(1, count + 1)
    elif len(numbers) > MAX_FRAMES or not all(1 <= number <= count for number in numbers):
        raise HTTPException(HTTPStatus.NOT_FOUND, Phrase("The object has frames from 1 to {count}.", count=count))
    held = UID(ds.file_meta.TransferSyntaxUID)
    damage = ""
    for one in accepted(request):
        try:
            if kind := stored_form(one, held):
                parts = _stored_frames(ds)
                return _multipart([parts[number - 1] for number in numbers], f"{kind}; transfer-syntax={held}")
            if one.covers(OCTETS) and one.syntax in ("", "*", ExplicitVRLittleEndian) and _has_plain_form(held):
                plain = _plain(services, ds, location)
                return _multipart([_plain_frame(plain, number) for number in numbers], OCTETS)
        except DecodeError as error:
            damage = f" {error}"
    offer = not_acceptable(f'multipart/related; type="{OCTETS}", uncompressed, or with transfer-syntax={held}')
    raise HTTPException(offer.status_code, Phrase("{detail}{damage}", detail=offer.detail, damage=damage))


def _stored_frames(ds: Dataset) -> list[bytes]:
    try:
        return frames_of(ds)
    except Exception as error:  # damaged fragments raise any error
        raise DecodeError(
            "The fragments of the pixel data are incomplete ({name}).", name=type(error).__name__
        ) from error


def _has_plain_form(syntax: UID) -> bool:
    return not is_encapsulated(syntax) or can_uncompress(syntax)


def _plain(services: WebServices, ds: Dataset, location: ResultLocation) -> Dataset:
    syntax = UID(ds.file_meta.TransferSyntaxUID)
    return ds if not is_encapsulated(syntax) and syntax.is_little_endian else _uncompressed(services, location)


def _whole(services: WebServices, location: ResultLocation) -> Dataset:
    """The object; a deflated one is inflated in a worker process, within its limits. DecodeError if it is damaged."""

    def read(path: FilePath) -> Dataset:
        if read_file_meta_info(path).get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            return _uncompressed(services, location)
        return dcmread(path)

    return read_object(services, location, read)


def _has_pixels(ds: Dataset) -> bool:
    with suppress(Exception):  # what pydicom cannot read has no pixels
        return isinstance(ds.get("PixelData"), bytes)
    return False


def _uncompressed(services: WebServices, location: ResultLocation) -> Dataset:
    return dcmread(io.BytesIO(services.uncompress(services.objects.get(location.object_key))))


def _plain_frame(ds: Dataset, number: int) -> bytes:
    """One frame; with one bit per pixel, it is re-aligned to a byte boundary (PS3.5 8.1.1)."""
    try:
        bits = frame_bits(ds, len(ds.PixelData), int(single_number(ds, "NumberOfFrames") or 1))
    except Exception as error:  # pydicom reads a value at its first use, and raises many for what it cannot read
        raise DecodeError("The description of the pixels cannot be read.") from error
    first = (number - 1) * bits
    if not 0 < first + bits <= 8 * len(ds.PixelData):
        raise DecodeError("The pixel data are shorter than the header says.")
    if bits % 8 == 0:
        return bytes(ds.PixelData[first // 8 : (first + bits) // 8])
    unpacked = np.unpackbits(np.frombuffer(ds.PixelData, np.uint8), bitorder="little")[first : first + bits]
    return np.packbits(unpacked, bitorder="little").tobytes()


@router.get(_INSTANCE + "/bulkdata/{tag:path}", summary="A long binary value", responses=_values)
def retrieve_bulk_data(
    request: Request, services: Services, _who: Reader, study_uid: Uid, series_uid: Uid, instance_uid: Uid, tag: TagPath
) -> Response:
    """The value that a BulkDataURI of the metadata names, as application/octet-stream."""
    location = one_result(services, study_uid, series_uid, instance_uid)
    ranges = accepted(request)
    best = next((one for one in ranges if one.covers(OCTETS)), None)
    if best is None:
        raise not_acceptable(OCTETS)
    item = _whole(services, location)
    steps = tag.split("/")
    try:
        for sequence, index in zip(steps[:-1:2], steps[1::2], strict=True):
            item = item[Tag(int(sequence, 16))].value[int(index)]
        value = item[Tag(int(steps[-1], 16))].value
    except Exception:  # noqa: BLE001 - besides those of a wrong path, any that pydicom raises for a damaged value
        raise HTTPException(HTTPStatus.NOT_FOUND, "The object has no such value.") from None
    if not isinstance(value, bytes):
        raise HTTPException(HTTPStatus.NOT_FOUND, "The value is not binary; the metadata hold it.")
    return _multipart([value], OCTETS) if best.multipart else Response(value, media_type=OCTETS)


@router.get(_INSTANCE + "/rendered", summary="The object as a picture", responses=_pictures)
def retrieve_rendered(
    request: Request, services: Services, _who: Reader, study_uid: Uid, series_uid: Uid, instance_uid: Uid,
    rendering: AskedRendering,
) -> Response:  # fmt: skip
    """Its first frame as JPEG or PNG."""
    return _rendered(request, services, one_result(services, study_uid, series_uid, instance_uid), 1, rendering)


@router.get(_INSTANCE + "/frames/{frames}/rendered", summary="A frame as a picture", responses=_pictures)
def retrieve_rendered_frame(
    request: Request, services: Services, _who: Reader, study_uid: Uid, series_uid: Uid, instance_uid: Uid,
    frames: Annotated[int, Path(ge=1, le=10**6)], rendering: AskedRendering,
) -> Response:  # fmt: skip
    """The same of one frame."""
    return _rendered(request, services, one_result(services, study_uid, series_uid, instance_uid), frames, rendering)


@router.get(_INSTANCE + "/thumbnail", summary="The object as a small picture", responses=_pictures)
def retrieve_thumbnail(
    request: Request, services: Services, _who: Reader, study_uid: Uid, series_uid: Uid, instance_uid: Uid,
    rendering: AskedThumbnail,
) -> Response:  # fmt: skip
    """At most 200 pixels wide and high, or as large as the viewport."""
    if rendering.viewport is None:
        rendering = Rendering(Viewport(THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return _rendered(request, services, one_result(services, study_uid, series_uid, instance_uid), 1, rendering)


def _rendered(
    request: Request, services: WebServices, location: ResultLocation, frame: int, rendering: Rendering
) -> Response:
    response = unless_known(request, [location], lambda: _drawn(request, services, location, frame, rendering))
    add_warnings(request, response, rendering.warnings)
    return response


def _drawn(
    request: Request, services: WebServices, location: ResultLocation, frame: int, rendering: Rendering
) -> Response:
    ranges = accepted(request)
    media_type = next((kind for one in ranges for kind in (JPEG, PNG) if one.covers(kind)), None)
    if media_type is None:
        raise not_acceptable(f"{JPEG} or {PNG}")
    path = services.objects.local_path(location.object_key)
    try:
        drawn = picture(services.decode_frame(path, frame - 1), path, rendering, media_type)
    except DecodeError as error:
        raise HTTPException(
            HTTPStatus.NOT_FOUND, Phrase("There is no picture of this object: {error}", error=error)
        ) from error
    return Response(drawn, media_type=media_type)


def _multipart(parts: Sequence[bytes], media_type: str) -> Response:
    boundary = uuid.uuid4().hex
    body = b"".join(f"--{boundary}\r\nContent-Type: {media_type}\r\n\r\n".encode() + part + b"\r\n" for part in parts)
    kind = re.split(r";", media_type)[0]
    return Response(
        body + f"--{boundary}--\r\n".encode(), media_type=f'multipart/related; type="{kind}"; boundary={boundary}'
    )


PAGE = Page(router, rest=True)
