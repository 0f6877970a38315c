"""WADO-RS (PS3.18 10.4): results and stored images, for viewers and programs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydicom.filereader import read_file_meta_info

from miqa_node.core.domain.search_keys import SearchLevel
from miqa_node.dicom.bytes.dicom_json import metadata
from miqa_node.dicom.bytes.head import read_head
from miqa_node.dicom.bytes.uncompressed import can_convert
from miqa_node.errors import DecodeError
from miqa_node.interfaces.dicomweb.accept import DICOM, RELATED, accepted, choose_syntax, not_acceptable, require
from miqa_node.interfaces.dicomweb.dicomweb import (
    DICOM_JSON,
    RETRIEVAL_ERRORS,
    Uid,
    address,
    named_results,
    one_result,
    read_object,
    unless_known,
)
from miqa_node.interfaces.web.access import Reader
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import responses
from miqa_node.interfaces.web.services import Services, WebServices
from miqa_node.runtime.store.result_index import ResultLocation

router = APIRouter(prefix="/api/dicom-web", tags=["dicomweb"], default_response_class=Response)
_retrieve = responses(304, *RETRIEVAL_ERRORS, media=(RELATED, DICOM))
_headers = responses(304, *RETRIEVAL_ERRORS, media=(DICOM_JSON,))


@router.get("/studies/{study_uid}", summary="Retrieve the results of a study (WADO-RS)", responses=_retrieve)
def retrieve_study(request: Request, services: Services, _who: Reader, study_uid: Uid) -> Response:
    """Objects as DICOM files in multipart/related."""
    return _files(request, services, named_results(services, StudyInstanceUID=study_uid))


@router.get("/studies/{study_uid}/series/{series_uid}", summary="Retrieve a series", responses=_retrieve)
def retrieve_series(request: Request, services: Services, _who: Reader, study_uid: Uid, series_uid: Uid) -> Response:
    """The same for one series."""
    return _files(request, services, named_results(services, StudyInstanceUID=study_uid, SeriesInstanceUID=series_uid))


@router.get(
    "/studies/{study_uid}/series/{series_uid}/instances/{instance_uid}",
    summary="Retrieve a result",
    responses=_retrieve,
)
def retrieve_instance(
    request: Request, services: Services, _who: Reader, study_uid: Uid, series_uid: Uid, instance_uid: Uid
) -> Response:
    """The same for one object."""
    return _files(request, services, [one_result(services, study_uid, series_uid, instance_uid)])


@router.get("/studies/{study_uid}/metadata", summary="Headers of a study's results", responses=_headers)
def study_metadata(request: Request, services: Services, _who: Reader, study_uid: Uid) -> Response:
    """Every attribute in DICOM JSON; long binary values by reference."""
    return _metadata(request, services, named_results(services, StudyInstanceUID=study_uid))


@router.get("/studies/{study_uid}/series/{series_uid}/metadata", summary="Headers of a series", responses=_headers)
def series_metadata(request: Request, services: Services, _who: Reader, study_uid: Uid, series_uid: Uid) -> Response:
    """The same for one series."""
    locations = named_results(services, StudyInstanceUID=study_uid, SeriesInstanceUID=series_uid)
    return _metadata(request, services, locations)


@router.get(
    "/studies/{study_uid}/series/{series_uid}/instances/{instance_uid}/metadata",
    summary="Header of a result",
    responses=_headers,
)
def instance_metadata(
    request: Request, services: Services, _who: Reader, study_uid: Uid, series_uid: Uid, instance_uid: Uid
) -> Response:
    """The same for one object."""
    return _metadata(request, services, [one_result(services, study_uid, series_uid, instance_uid)])


def _files(request: Request, services: WebServices, locations: Sequence[ResultLocation]) -> Response:
    return unless_known(request, locations, lambda: _all_files(request, services, locations))


def _all_files(request: Request, services: WebServices, locations: Sequence[ResultLocation]) -> Response:
    """DICOM files in an accepted transfer syntax, each converted only when it is sent.

    Whether damaged pixels can be converted shows only then: a single object is answered with 406 unless the client
    takes it as it is held; one of several is sent so, because the others are sound and its part names the syntax.
    """
    ranges, objects = accepted(request), services.objects
    if not any(one.covers(DICOM) for one in ranges):
        raise not_acceptable(f'{RELATED}; type="{DICOM}"')
    syntaxes = [read_object(services, one, _syntax) for one in locations]
    chosen = [choose_syntax(ranges, held, convertible=can_convert(held)) for held in syntaxes]
    boundary = uuid.uuid4().hex

    def file(place: int) -> tuple[str, bytes]:
        held, data = syntaxes[place], objects.get(locations[place].object_key)
        with suppress(DecodeError):
            return chosen[place], data if chosen[place] == held else services.uncompress(data)
        return held, data

    first = file(0)  # before the status is sent
    if len(locations) == 1:
        choose_syntax(ranges, first[0], convertible=False)

    def parts() -> Iterator[bytes]:
        for place in range(len(locations)):
            syntax, data = file(place) if place else first
            yield f"--{boundary}\r\nContent-Type: {DICOM}; transfer-syntax={syntax}\r\n\r\n".encode()
            yield data
            yield b"\r\n"
        yield f"--{boundary}--\r\n".encode()

    best = next(one for one in ranges if one.covers(DICOM))
    if len(locations) == 1 and best.media_type == DICOM and not best.multipart:
        return Response(first[1], media_type=f"{DICOM}; transfer-syntax={first[0]}")
    return StreamingResponse(parts(), media_type=f'{RELATED}; type="{DICOM}"; boundary={boundary}')


def _syntax(path: Path) -> str:
    return str(read_file_meta_info(path).TransferSyntaxUID)


def _metadata(request: Request, services: WebServices, locations: Sequence[ResultLocation]) -> Response:
    return unless_known(request, locations, lambda: _all_metadata(request, services, locations))


def _all_metadata(request: Request, services: WebServices, locations: Sequence[ResultLocation]) -> Response:
    require(request, DICOM_JSON, "application/json")
    documents = [
        metadata(read_object(services, one, read_head), address(request, one, SearchLevel.INSTANCE))
        for one in locations
    ]
    return JSONResponse(documents, media_type=DICOM_JSON)


PAGE = Page(router, rest=True)
