"""The values of a CT slice for the viewer of a study: those of its own window are cut off beyond lung or bone."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Response

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.dicom.bytes.head import read_head
from miqa_node.dicom.pixels.grayscale import VoiWindow, read_grayscale, render
from miqa_node.errors import DecodeError, RemovedError
from miqa_node.interfaces.web.access import Reader
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.services import Services, WebServices
from miqa_node.stages.units.rows import instances

WHOLE = VoiWindow(1024.0, 4096.0, "LINEAR_EXACT")
"""From air, −1024 HU, as 0 to 3072 HU as 65,535: 16 steps for each unit. viewer.js has the windows in it."""
MAX_FRAME = 1_000_000

router = APIRouter()


@router.get("/images/{digest}/hounsfield")
def hounsfield(
    services: Services,
    _who: Reader,
    digest: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")],
    frame: Annotated[int, Query(ge=0, le=MAX_FRAME)] = 0,
    full: Annotated[bool, Query()] = False,
) -> Response:
    """Like the pixels of an image, with the values of the modality (PS3.3 C.11.1) in the window :data:`WHOLE`."""
    with services.database.begin() as transaction:
        instance = instances.load(transaction, InstanceDigest(digest))
    if instance.removal is not None:
        raise RemovedError(instance.removal.sentence)
    try:
        shown = services.renders.get(
            f"{digest}-hu", lambda: _in_whole(services, instance.object_key, frame), frame=frame, full=full
        )
    except DecodeError as error:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    size = f"{shown.rows} {shown.columns} {shown.source_rows} {shown.source_columns}"
    headers = {"cache-control": "private, max-age=3600", "content-encoding": "gzip", "x-size": size}
    return Response(shown.data, media_type="application/octet-stream", headers={**headers, "vary": "accept-encoding"})


def _in_whole(services: WebServices, key: str, frame: int) -> Radiograph:
    path = services.objects.local_path(key)
    decoded = services.decode_frame(path, frame) if frame else services.decode(path)
    scale = replace(read_grayscale(read_head(path), frame), voi=WHOLE)
    return replace(decoded, display=render(decoded.stored, scale, decoded.valid))


PAGE = Page(router, Permission.READ, programs=True)
