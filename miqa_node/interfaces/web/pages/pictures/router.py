"""Pictures for the pages: previews, full-resolution pixels, and the location of each finding."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

import cv2
import numpy as np
from fastapi import APIRouter, HTTPException, Path, Query, Response
from fastapi.responses import JSONResponse
from numpy.typing import NDArray

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.image import PREDICTION, SaliencyMap, SaliencyMaps
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.errors import NotFoundError, RemovedError
from miqa_node.interfaces.web.access import Reader
from miqa_node.interfaces.web.full_pixels import KEPT, MAX_FRAME, decoded, original_key, pixels_answer, render_of
from miqa_node.interfaces.web.html.landmark_layer import landmark_layer
from miqa_node.interfaces.web.newest import newest_maps
from miqa_node.interfaces.web.outlines import outlines
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.services import Services, WebServices
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.stages.units.rows import instances

MAP_NAME = rf"^([a-z_]{{1,64}}|{PREDICTION}[a-z][a-z0-9-]{{0,63}}-\d+\.\d+\.\d+)$"
"""A finding, ``anomaly``, ``landmarks``, or a package's prediction."""
LANDMARKS = "landmarks"
PATCH_PX = 128

Digest = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]

router = APIRouter()


@router.get("/previews/{digest}.png")
def preview(services: Services, _who: Reader, digest: Digest) -> Response:
    """The small preview of an image, stored by the pipeline."""
    try:
        data = Artifacts(services.objects).preview(InstanceDigest(digest))
    except RemovedError:
        raise
    except NotFoundError as error:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no preview: the image was not decoded.") from error
    return Response(data, media_type="image/png", headers=KEPT)


@router.get("/images/{digest}/pixels")
def pixels(
    services: Services,
    _who: Reader,
    digest: Digest,
    frame: Annotated[int, Query(ge=0, le=MAX_FRAME)] = 0,
    full: Annotated[bool, Query()] = False,
) -> Response:
    """Presentation values for the canvas; X-Size gives rows and columns of the render and of the image.

    ``full`` returns every pixel of the image, for display at 1:1.
    """
    key = original_key(services, digest)
    return pixels_answer(render_of(services, digest, lambda: decoded(services, key, frame), frame=frame, full=full))


@router.get("/images/{digest}/patch.png")
def patch(
    services: Services,
    _who: Reader,
    digest: Digest,
    x: Annotated[float, Query(ge=0.0, le=1.0)] = 0.5,
    y: Annotated[float, Query(ge=0.0, le=1.0)] = 0.5,
) -> Response:
    """A square of the image's own pixels around (x, y), fractions of width and height, with stretched contrast.

    Noise and blur are visible only in single pixels, which a display of the whole image does not show.
    """
    key = original_key(services, digest)
    render = render_of(services, digest, lambda: decoded(services, key, 0), full=True)
    return Response(render.patch(x, y, PATCH_PX), media_type="image/png", headers=KEPT)


@router.get("/images/{digest}/outlines")
def finding_outlines(services: Services, _who: Reader, digest: Digest) -> JSONResponse:
    """The present findings, with outlines if they have a place."""
    with services.database.begin() as transaction:
        assessment = instances.load_assessment(transaction, InstanceDigest(digest))
    if assessment is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "The image was not assessed yet.")
    try:
        maps = newest_maps(services, digest)
    except NotFoundError:
        maps = SaliencyMaps()
    drawn = outlines(assessment, maps, services.settings.assess.saliency_threshold)
    return JSONResponse([one.document() for one in drawn], headers=KEPT)


@router.get("/images/{digest}/maps/{name}.png")
def saliency(
    services: Services, _who: Reader, digest: Digest, name: Annotated[str, Path(pattern=MAP_NAME)]
) -> Response:
    """The map of a finding or prediction, or the anatomical points: an 8-bit PNG over the whole image."""
    values = _points(services, digest) if name == LANDMARKS else _map(services, digest, name)
    if values is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "Nothing shows where that was seen.")
    return Response(bytes(cv2.imencode(".png", values)[1].tobytes()), media_type="image/png", headers=KEPT)


def _map(services: WebServices, digest: str, name: str) -> NDArray[np.uint8] | None:
    saliency = maps_of(services, digest).get(name)
    return None if saliency is None else np.clip(saliency.values * 255.0, 0, 255).astype(np.uint8)


def _points(services: WebServices, digest: str) -> NDArray[np.uint8] | None:
    """Anatomical points as a layer, if they were found."""
    with services.database.begin() as transaction:
        assessment = instances.load_assessment(transaction, InstanceDigest(digest))
    if assessment is None or assessment.landmarks is None:
        return None
    header = assessment.header
    return landmark_layer(assessment.landmarks, (header.rows, header.columns), header.patient_orientation)


def maps_of(services: WebServices, digest: str) -> Mapping[str, SaliencyMap]:
    """The maps of an image by finding; ``anomaly`` for unusual places, ``prediction:<package>`` for predictions."""
    try:
        return newest_maps(services, digest).by_name()
    except NotFoundError:
        return {}


PAGE = Page(router, Permission.READ, programs=True)
