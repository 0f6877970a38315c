"""Pixels of stored originals for the viewers of pages, decoded once and kept for a while."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from fastapi import HTTPException, Response

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.errors import DecodeError, RemovedError
from miqa_node.interfaces.web.renders import Render
from miqa_node.interfaces.web.services import WebServices
from miqa_node.stages.units.rows import instances

MAX_AGE_S = 3600
"""A picture never changes, but it should not stay long in the cache of a shared machine."""
KEPT = {"cache-control": f"private, max-age={MAX_AGE_S}"}
MAX_FRAME = 1_000_000


def original_key(services: WebServices, digest: str) -> str:
    """The key of an original; RemovedError if it is gone."""
    with services.database.begin() as transaction:
        instance = instances.load(transaction, InstanceDigest(digest))
    if instance.removal is not None:
        raise RemovedError(instance.removal.sentence)
    return instance.object_key


def decoded(services: WebServices, key: str, frame: int) -> Radiograph:
    """One frame of an original."""
    path = services.objects.local_path(key)
    return services.decode_frame(path, frame) if frame else services.decode(path)


def render_of(
    services: WebServices, name: str, decode: Callable[[], Radiograph], *, frame: int = 0, full: bool = False
) -> Render:
    """What is kept under a name, else made of decoded pixels; 422 if they cannot be decoded."""
    try:
        return services.renders.get(name, decode, frame=frame, full=full)
    except DecodeError as error:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error


def pixels_answer(render: Render) -> Response:
    """Its values for the canvas; X-Size gives rows and columns of the render and of the image."""
    size = f"{render.rows} {render.columns} {render.source_rows} {render.source_columns}"
    headers = {**KEPT, "content-encoding": "gzip", "x-size": size, "vary": "accept-encoding"}
    return Response(render.data, media_type="application/octet-stream", headers=headers)
