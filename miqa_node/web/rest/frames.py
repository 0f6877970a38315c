"""WADO-RS of pixels (PS3.18 10.4.1.1): frames, rendered pictures, thumbnails and bulk data of the node's results."""

from __future__ import annotations

import io
import re
import uuid
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

import cv2
import numpy as np
from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames
from pydicom.filereader import read_file_meta_info
from pydicom.tag import Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from miqa_node.domain.image import Radiograph
from miqa_node.errors import DecodeError
from miqa_node.imaging.uncompressed import can_uncompress
from miqa_node.store.result_index import ResultLocation
from miqa_node.web.access import Reader
from miqa_node.web.page import Page
from miqa_node.web.problems import responses
from miqa_node.web.rest.accept import OCTETS, accepted, not_acceptable
from miqa_node.web.rest.dicomweb import Uid, one_result, unless_known
from miqa_node.web.services import Services, WebServices

MAX_FRAMES = 1000
THUMBNAIL_SIDE = 200
JPEG, PNG = "image/jpeg", "image/png"
_INSTANCE = "/studies/{study_uid}/series/{series_uid}/instances/{instance_uid}"
_errors = responses(400, 401, 403, 404, 406, 422, 503)

FrameList = Annotated[str, Path(pattern=r"^[0-9]{1,9}(,[0-9]{1,9})*$", description="Numbers of frames, from 1.")]
TagPath = Annotated[str, Path(pattern=r"^[0-9A-Fa-f]{8}(/[0-9]{1,4}/[0-9A-Fa-f]{8}){0,8}$")]
Side = Annotated[str, Query(pattern=r"^[0-9]{1,4},[0-9]{1,4}$", description="Width and height to fit into.")]

router = APIRouter(prefix="/api/dicom-web", tags=["dicomweb"])


@router.get(_INSTANCE + "/frames/{frames}", summary="Pixels of frames", responses=_errors)
def retrieve_frames(
    request: Request, services: Services, _who: Reader, study_uid: Uid, series_uid: Uid, instance_uid: Uid,
    frames: FrameList,
) -> Response:  # fmt: skip
    """Frames as application/octet-stream, uncompressed; as they are kept, for a client that accepts any syntax."""
    location = one_result(services, study_uid, series_uid, instance_uid)
    return unless_known(request, [location], lambda: _frames(request, services, location, frames))


def _frames(request: Request, services: WebServices, location: ResultLocation, frames: str) -> Response:
    ds = _whole(services, location)
    if "PixelData" not in ds:
        raise HTTPException(HTTPStatus.NOT_FOUND, "The object has no frames.")
    numbers = [int(number) for number in frames.split(",")]
    count = int(ds.get("NumberOfFrames") or 1)
    if len(numbers) > MAX_FRAMES or not all(1 <= number <= count for number in numbers):
        raise HTTPException(HTTPStatus.NOT_FOUND, f"The object has frames from 1 to {count}.")
    syntax = UID(ds.file_meta.TransferSyntaxUID)
    for one in accepted(request):
        is_stored = one.syntax in ("*", syntax) and _is_encapsulated(syntax)
        if not (one.covers(OCTETS) or (is_stored and one.media_type.startswith("image/"))):
            continue
        if is_stored:
            parts = list(generate_frames(ds.PixelData, number_of_frames=count))
            kind = one.media_type if re.fullmatch(r"image/[a-z0-9-]+", one.media_type) else OCTETS
            return _multipart([parts[number - 1] for number in numbers], f"{kind}; transfer-syntax={syntax}")
        if one.syntax in ("", "*", "1.2.840.10008.1.2.1") and (not _is_encapsulated(syntax) or can_uncompress(syntax)):
            plain = _plain(services, ds, location)
            return _multipart([_plain_frame(plain, number) for number in numbers], OCTETS)
    raise not_acceptable(f'multipart/related; type="{OCTETS}", uncompressed, or with transfer-syntax={syntax}')


def _is_encapsulated(syntax: UID) -> bool:
    """Whether frames are compressed; assumed for a syntax that pydicom does not know."""
    return not syntax.is_transfer_syntax or syntax.is_encapsulated


def _plain(services: WebServices, ds: Dataset, location: ResultLocation) -> Dataset:
    syntax = UID(ds.file_meta.TransferSyntaxUID)
    return ds if not _is_encapsulated(syntax) and syntax.is_little_endian else _uncompressed(services, location)


def _whole(services: WebServices, location: ResultLocation) -> Dataset:
    """The object; a deflated one is inflated in a worker process, within its limits."""
    path = services.objects.local_path(location.object_key)
    if read_file_meta_info(path).get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        return _uncompressed(services, location)
    return dcmread(path)


def _uncompressed(services: WebServices, location: ResultLocation) -> Dataset:
    return dcmread(io.BytesIO(services.uncompress(services.objects.get(location.object_key))))


def _plain_frame(ds: Dataset, number: int) -> bytes:
    """One frame; with one bit per pixel, it is re-aligned to a byte boundary (PS3.5 8.1.1)."""
    bits = ds.Rows * ds.Columns * ds.SamplesPerPixel * ds.BitsAllocated
    first = (number - 1) * bits
    if bits % 8 == 0:
        return bytes(ds.PixelData[first // 8 : (first + bits) // 8])
    unpacked = np.unpackbits(np.frombuffer(ds.PixelData, np.uint8), bitorder="little")[first : first + bits]
    return np.packbits(unpacked, bitorder="little").tobytes()


@router.get(_INSTANCE + "/bulkdata/{tag:path}", summary="A long binary value", responses=_errors)
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
    except (KeyError, IndexError, TypeError):
        raise HTTPException(HTTPStatus.NOT_FOUND, "The object has no such value.") from None
    if not isinstance(value, bytes):
        raise HTTPException(HTTPStatus.NOT_FOUND, "The value is not binary; the metadata hold it.")
    return _multipart([value], OCTETS) if best.multipart else Response(value, media_type=OCTETS)


@router.get(_INSTANCE + "/rendered", summary="The object as a picture", responses=_errors)
def retrieve_rendered(
    request: Request, services: Services, _who: Reader, study_uid: Uid, series_uid: Uid, instance_uid: Uid,
    viewport: Side = "9999,9999",
) -> Response:  # fmt: skip
    """Its first frame as JPEG or PNG."""
    return _rendered(request, services, one_result(services, study_uid, series_uid, instance_uid), 1, viewport)


@router.get(_INSTANCE + "/frames/{frames}/rendered", summary="A frame as a picture", responses=_errors)
def retrieve_rendered_frame(
    request: Request, services: Services, _who: Reader, study_uid: Uid, series_uid: Uid, instance_uid: Uid,
    frames: Annotated[int, Path(ge=1, le=10**6)], viewport: Side = "9999,9999",
) -> Response:  # fmt: skip
    """The same of one frame."""
    return _rendered(request, services, one_result(services, study_uid, series_uid, instance_uid), frames, viewport)


@router.get(_INSTANCE + "/thumbnail", summary="The object as a small picture", responses=_errors)
def retrieve_thumbnail(
    request: Request, services: Services, _who: Reader, study_uid: Uid, series_uid: Uid, instance_uid: Uid
) -> Response:
    """At most 200 pixels wide and high."""
    side = f"{THUMBNAIL_SIDE},{THUMBNAIL_SIDE}"
    return _rendered(request, services, one_result(services, study_uid, series_uid, instance_uid), 1, side)


def _rendered(request: Request, services: WebServices, location: ResultLocation, frame: int, viewport: str) -> Response:
    return unless_known(request, [location], lambda: _drawn(request, services, location, frame, viewport))


def _drawn(request: Request, services: WebServices, location: ResultLocation, frame: int, viewport: str) -> Response:
    ranges = accepted(request)
    media_type = next((kind for one in ranges for kind in (JPEG, PNG) if one.covers(kind)), None)
    if media_type is None:
        raise not_acceptable(f"{JPEG} or {PNG}")
    try:
        radiograph = services.decode_frame(services.objects.local_path(location.object_key), frame - 1)
    except DecodeError as error:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"There is no picture of this object: {error}") from error
    width, height = (max(1, int(side)) for side in viewport.split(","))
    return Response(_picture(radiograph, width, height, media_type), media_type=media_type)


def _picture(radiograph: Radiograph, width: int, height: int, media_type: str) -> bytes:
    """An 8-bit picture scaled down to the viewport, never enlarged."""
    deep = radiograph.display if radiograph.colour is None else cv2.cvtColor(radiograph.colour, cv2.COLOR_RGB2BGR)
    rows, columns = deep.shape[:2]
    scale = min(1.0, width / columns, height / rows)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    small = deep if scale == 1.0 else cv2.resize(deep, size, interpolation=cv2.INTER_AREA)
    shown = (small.astype(np.uint16, copy=False) >> 8).astype(np.uint8)
    _, data = cv2.imencode(".jpg" if media_type == JPEG else ".png", shown)
    return bytes(data.tobytes())


def _multipart(parts: Sequence[bytes], media_type: str) -> Response:
    boundary = uuid.uuid4().hex
    body = b"".join(f"--{boundary}\r\nContent-Type: {media_type}\r\n\r\n".encode() + part + b"\r\n" for part in parts)
    kind = re.split(r";", media_type)[0]
    return Response(
        body + f"--{boundary}--\r\n".encode(), media_type=f'multipart/related; type="{kind}"; boundary={boundary}'
    )


PAGE = Page(router, rest=True)
