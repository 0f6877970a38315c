"""WADO-RS (PS3.18 10.4): the node's own results, for viewers and programs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from http import HTTPStatus

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from miqa_node.domain.ports import ObjectStore
from miqa_node.imaging.dicom_json import metadata, read_header
from miqa_node.imaging.search_keys import SearchLevel
from miqa_node.store import result_index
from miqa_node.store.result_index import ResultLocation
from miqa_node.web.access import Reader
from miqa_node.web.page import Page
from miqa_node.web.problems import responses
from miqa_node.web.rest.dicomweb import DICOM_JSON, Uid, address, complete_index
from miqa_node.web.services import Services, WebServices

router = APIRouter(prefix="/api/dicom-web", tags=["dicomweb"])
_retrieve = responses(401, 403, 404, 410, 422, 503)


@router.get("/studies/{study_uid}", summary="Retrieve the results of a study (WADO-RS)", responses=_retrieve)
def retrieve_study(services: Services, _who: Reader, study_uid: Uid) -> Response:
    """Objects as DICOM files in multipart/related."""
    return _files(services.objects, _named(services, StudyInstanceUID=study_uid))


@router.get("/studies/{study_uid}/series/{series_uid}", summary="Retrieve a series", responses=_retrieve)
def retrieve_series(services: Services, _who: Reader, study_uid: Uid, series_uid: Uid) -> Response:
    """The same for one series."""
    return _files(services.objects, _named(services, StudyInstanceUID=study_uid, SeriesInstanceUID=series_uid))


@router.get(
    "/studies/{study_uid}/series/{series_uid}/instances/{instance_uid}",
    summary="Retrieve a result",
    responses=_retrieve,
)
def retrieve_instance(services: Services, _who: Reader, study_uid: Uid, series_uid: Uid, instance_uid: Uid) -> Response:
    """The same for one object."""
    return _files(services.objects, _instance(services, study_uid, series_uid, instance_uid))


@router.get("/studies/{study_uid}/metadata", summary="Headers of a study's results", responses=_retrieve)
def study_metadata(request: Request, services: Services, _who: Reader, study_uid: Uid) -> Response:
    """Every attribute in DICOM JSON; long binary values by reference."""
    return _metadata(request, services, _named(services, StudyInstanceUID=study_uid))


@router.get("/studies/{study_uid}/series/{series_uid}/metadata", summary="Headers of a series", responses=_retrieve)
def series_metadata(request: Request, services: Services, _who: Reader, study_uid: Uid, series_uid: Uid) -> Response:
    """The same for one series."""
    found = _named(services, StudyInstanceUID=study_uid, SeriesInstanceUID=series_uid)
    return _metadata(request, services, found)


@router.get(
    "/studies/{study_uid}/series/{series_uid}/instances/{instance_uid}/metadata",
    summary="Header of a result",
    responses=_retrieve,
)
def instance_metadata(
    request: Request, services: Services, _who: Reader, study_uid: Uid, series_uid: Uid, instance_uid: Uid
) -> Response:
    """The same for one object."""
    return _metadata(request, services, _instance(services, study_uid, series_uid, instance_uid))


def _instance(services: WebServices, study_uid: str, series_uid: str, instance_uid: str) -> list[ResultLocation]:
    return _named(services, StudyInstanceUID=study_uid, SeriesInstanceUID=series_uid, SOPInstanceUID=instance_uid)


def _named(services: WebServices, **uids: str) -> list[ResultLocation]:
    """The objects of an address; 404 if there are none, 410 if retention removed them."""
    complete_index(services)
    with services.database.begin() as transaction:
        found = result_index.search(transaction, uids)
        removed = [] if found else result_index.search(transaction, uids, limit=1, removed=True)
    if removed:
        services.objects.local_path(removed[0].object_key)  # the error says when it was removed
    if not found:
        raise HTTPException(HTTPStatus.NOT_FOUND, "The node has made no such object.")
    return found


def _files(objects: ObjectStore, found: Sequence[ResultLocation]) -> Response:
    boundary = uuid.uuid4().hex

    def parts() -> Iterator[bytes]:
        for one in found:
            yield f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
            yield objects.get(one.object_key)
            yield b"\r\n"
        yield f"--{boundary}--\r\n".encode()

    return StreamingResponse(parts(), media_type=f'multipart/related; type="application/dicom"; boundary={boundary}')


def _metadata(request: Request, services: WebServices, found: Sequence[ResultLocation]) -> Response:
    documents = [
        metadata(read_header(services.objects.local_path(one.object_key)), address(request, one, SearchLevel.INSTANCE))
        for one in found
    ]
    return JSONResponse(documents, media_type=DICOM_JSON)


PAGE = Page(router, rest=True)
