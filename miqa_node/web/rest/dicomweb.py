"""QIDO-RS and WADO-RS (PS3.18 10.6, 10.4): the node's own results, read only, for viewers and programs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydicom import Dataset
from pydicom.datadict import keyword_for_tag, tag_for_keyword

from miqa_node.domain.ports import ObjectStore
from miqa_node.imaging.dicom_json import INSTANCE, SERIES, STUDY, attributes, metadata, read_header
from miqa_node.store import result_index
from miqa_node.store.result_index import ResultLocation, ResultQuery
from miqa_node.web.access import Reader
from miqa_node.web.page import Page
from miqa_node.web.problems import responses
from miqa_node.web.services import Services, WebServices

DICOM_JSON = "application/dicom+json"
MAX_RESULTS = 1000
"""So many matches, or objects of one answer, at most; more are left for the next offset, and the answer says so."""

MAX_OFFSET = 10**6
MAX_UIDS = 100

Uid = Annotated[str, Path(pattern=r"^[0-9.]{1,64}$")]
Match = tuple[ResultLocation, Dataset]

router = APIRouter(prefix="/api/dicom-web", tags=["dicomweb"])
_search = responses(400, 401, 403, 422, 503)
_retrieve = responses(401, 403, 404, 422, 503)


@router.get("/studies", summary="Search for studies with results (QIDO-RS)", responses=_search)
def search_studies(request: Request, services: Services, _who: Reader) -> Response:
    """Matches StudyInstanceUID, PatientID, AccessionNumber, StudyDate and what names single results."""
    query = _Query(request)
    with services.database.begin() as transaction:
        uids = result_index.studies_of(transaction, query.wanted, limit=query.limit, offset=query.offset)
        found = {uid: result_index.find(transaction, ResultQuery((uid,)), limit=MAX_RESULTS) for uid in uids}
    answers = []
    for uid in uids:
        data_sets = [ds for _, ds in _read(services.objects, found[uid])]
        if not data_sets:
            continue
        modalities = sorted({str(ds.Modality) for ds in data_sets})
        answer = attributes(data_sets[0], STUDY)
        answer["00080061"] = {"vr": "CS", "Value": modalities}
        answer["00201206"] = {"vr": "IS", "Value": [len({str(ds.SeriesInstanceUID) for ds in data_sets})]}
        answer["00201208"] = {"vr": "IS", "Value": [len(data_sets)]}
        answer["00081190"] = _url(request, f"studies/{uid}")
        answers.append(answer)
    return query.answer(answers)


@router.get("/series", summary="Search for series of results (QIDO-RS)", responses=_search)
def search_all_series(request: Request, services: Services, _who: Reader) -> Response:
    """Series of all studies."""
    return _search_series(request, services)


@router.get("/studies/{study_uid}/series", summary="Search a study for series of results", responses=_search)
def search_series(request: Request, services: Services, _who: Reader, study_uid: Uid) -> Response:
    """Series of one study; also matches Modality and SeriesInstanceUID."""
    return _search_series(request, services, study_uid)


@router.get("/instances", summary="Search for results (QIDO-RS)", responses=_search)
def search_all_instances(request: Request, services: Services, _who: Reader) -> Response:
    """Results of all studies; ReferencedSOPInstanceUID finds those about an image."""
    return _search_instances(request, services)


@router.get("/studies/{study_uid}/instances", summary="Search a study for results", responses=_search)
def search_instances(request: Request, services: Services, _who: Reader, study_uid: Uid) -> Response:
    """Results of one study."""
    return _search_instances(request, services, study_uid)


@router.get("/studies/{study_uid}/series/{series_uid}/instances", summary="Search a series", responses=_search)
def search_in_series(request: Request, services: Services, _who: Reader, study_uid: Uid, series_uid: Uid) -> Response:
    """Results of one series."""
    return _search_instances(request, services, study_uid, series_uid)


@router.get("/studies/{study_uid}", summary="Retrieve the results of a study (WADO-RS)", responses=_retrieve)
def retrieve_study(services: Services, _who: Reader, study_uid: Uid) -> Response:
    """Objects as DICOM files in multipart/related."""
    return _files(services.objects, _named(services, study_uid))


@router.get("/studies/{study_uid}/series/{series_uid}", summary="Retrieve a series", responses=_retrieve)
def retrieve_series(services: Services, _who: Reader, study_uid: Uid, series_uid: Uid) -> Response:
    """The same for one series."""
    return _files(services.objects, _named(services, study_uid, series_uid))


@router.get(
    "/studies/{study_uid}/series/{series_uid}/instances/{instance_uid}",
    summary="Retrieve a result",
    responses=_retrieve,
)
def retrieve_instance(services: Services, _who: Reader, study_uid: Uid, series_uid: Uid, instance_uid: Uid) -> Response:
    """The same for one object."""
    return _files(services.objects, _named(services, study_uid, series_uid, instance_uid))


@router.get("/studies/{study_uid}/metadata", summary="Headers of a study's results", responses=_retrieve)
def study_metadata(request: Request, services: Services, _who: Reader, study_uid: Uid) -> Response:
    """Every attribute in DICOM JSON; long binary values by reference."""
    return _metadata(request, _named(services, study_uid))


@router.get("/studies/{study_uid}/series/{series_uid}/metadata", summary="Headers of a series", responses=_retrieve)
def series_metadata(request: Request, services: Services, _who: Reader, study_uid: Uid, series_uid: Uid) -> Response:
    """The same for one series."""
    return _metadata(request, _named(services, study_uid, series_uid))


@router.get(
    "/studies/{study_uid}/series/{series_uid}/instances/{instance_uid}/metadata",
    summary="Header of a result",
    responses=_retrieve,
)
def instance_metadata(
    request: Request, services: Services, _who: Reader, study_uid: Uid, series_uid: Uid, instance_uid: Uid
) -> Response:
    """The same for one object."""
    return _metadata(request, _named(services, study_uid, series_uid, instance_uid))


class _Query:
    """The parameters of a search (PS3.18 8.3.4): attributes by keyword or tag, limit, offset."""

    def __init__(self, request: Request, study_uid: str = "", series_uid: str = "") -> None:
        values: dict[str, str] = {}
        self.ignored: list[str] = []
        for name, value in request.query_params.multi_items():
            keyword = keyword_for_tag(int(name, 16)) if _is_tag(name) else name
            if keyword in _KNOWN or keyword in ("limit", "offset"):
                values[keyword] = value.strip()
            elif keyword not in ("includefield", "fuzzymatching"):
                self.ignored.append(name[:64] if tag_for_keyword(keyword) else "unknown")
        self.limit = _number(values.get("limit"), MAX_RESULTS, MAX_RESULTS)
        self.offset = _number(values.get("offset"), 0, MAX_OFFSET)
        self.series_uids = (series_uid,) if series_uid else _uids(values.get("SeriesInstanceUID", ""))
        self.modalities = tuple(filter(None, values.get("Modality", values.get("ModalitiesInStudy", "")).split(",")))
        first, _, last = values.get("StudyDate", "").partition("-")
        self.wanted = ResultQuery(
            study_instance_uid=(study_uid,) if study_uid else _uids(values.get("StudyInstanceUID", "")),
            sop_instance_uid=_uids(values.get("SOPInstanceUID", "")),
            sop_class_uid=_uids(values.get("SOPClassUID", "")),
            source_uid=_uids(values.get("ReferencedSOPInstanceUID", "")),
            patient_id=values.get("PatientID", ""),
            accession_number=values.get("AccessionNumber", ""),
            study_date_from=first,
            study_date_to=last if "-" in values.get("StudyDate", "") else first,
        )

    def admits(self, ds: Dataset) -> bool:
        """Whether attributes that the database does not hold match as well."""
        return (not self.series_uids or ds.SeriesInstanceUID in self.series_uids) and (
            not self.modalities or ds.Modality in self.modalities
        )

    def answer(self, matches: Sequence[dict[str, Any]]) -> Response:
        """200 with the matches, 204 without; a Warning names attributes that were ignored."""
        headers = {}
        if self.ignored:
            headers["warning"] = (
                f'299 miqa-node "These parameters were ignored: {", ".join(sorted(set(self.ignored)))}"'
            )
        if not matches:
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
        return JSONResponse(list(matches), headers=headers, media_type=DICOM_JSON)


_KNOWN = frozenset(
    {
        "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "ReferencedSOPInstanceUID",
        "PatientID", "AccessionNumber", "StudyDate", "Modality", "ModalitiesInStudy",
    }
)  # fmt: skip


def _search_series(request: Request, services: WebServices, study_uid: str = "") -> Response:
    query = _Query(request, study_uid)
    by_series: dict[str, list[Match]] = {}
    for found, ds in _matching(services, query):
        by_series.setdefault(str(ds.SeriesInstanceUID), []).append((found, ds))
    answers = []
    for uid, matches in list(by_series.items())[query.offset : query.offset + query.limit]:
        found, ds = matches[0]
        answer = attributes(ds, (*SERIES, "StudyInstanceUID"))
        answer["00201209"] = {"vr": "IS", "Value": [len(matches)]}
        answer["00081190"] = _url(request, f"studies/{found.study_instance_uid}/series/{uid}")
        answers.append(answer)
    return query.answer(answers)


def _search_instances(request: Request, services: WebServices, study_uid: str = "", series_uid: str = "") -> Response:
    query = _Query(request, study_uid, series_uid)
    answers = []
    for found, ds in _matching(services, query)[query.offset : query.offset + query.limit]:
        answer = attributes(ds, (*STUDY, *SERIES, *INSTANCE))
        place = f"studies/{found.study_instance_uid}/series/{ds.SeriesInstanceUID}/instances/{found.sop_instance_uid}"
        answer["00081190"] = _url(request, place)
        answers.append(answer)
    return query.answer(answers)


def _matching(services: WebServices, query: _Query) -> list[Match]:
    with services.database.begin() as transaction:
        found = result_index.find(transaction, query.wanted, limit=MAX_RESULTS)
    return [(one, ds) for one, ds in _read(services.objects, found) if query.admits(ds)]


def _named(services: WebServices, study_uid: str, series_uid: str = "", instance_uid: str = "") -> list[Match]:
    """The objects of an address; 404 when there are none."""
    wanted = ResultQuery((study_uid,), (instance_uid,) if instance_uid else ())
    with services.database.begin() as transaction:
        found = result_index.find(transaction, wanted, limit=MAX_RESULTS)
    matches = [
        (one, ds) for one, ds in _read(services.objects, found) if not series_uid or ds.SeriesInstanceUID == series_uid
    ]
    if not matches:
        raise HTTPException(HTTPStatus.NOT_FOUND, "The node has made no such object.")
    return matches


def _read(objects: ObjectStore, found: Sequence[ResultLocation]) -> Iterator[Match]:
    for one in found:
        yield one, read_header(objects.local_path(one.object_key))


def _files(objects: ObjectStore, matches: Sequence[Match]) -> Response:
    boundary = uuid.uuid4().hex

    def parts() -> Iterator[bytes]:
        for found, _ds in matches:
            yield f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
            yield objects.get(found.object_key)
            yield b"\r\n"
        yield f"--{boundary}--\r\n".encode()

    return StreamingResponse(parts(), media_type=f'multipart/related; type="application/dicom"; boundary={boundary}')


def _metadata(request: Request, matches: Sequence[Match]) -> Response:
    documents = []
    for found, ds in matches:
        place = f"studies/{found.study_instance_uid}/series/{ds.SeriesInstanceUID}/instances/{found.sop_instance_uid}"
        documents.append(metadata(ds, _url(request, place)["Value"][0]))
    return JSONResponse(documents, media_type=DICOM_JSON)


def _url(request: Request, place: str) -> dict[str, Any]:
    return {"vr": "UR", "Value": [f"{request.base_url}api/dicom-web/{place}"]}


def _is_tag(name: str) -> bool:
    return len(name) == 8 and all(character in "0123456789abcdefABCDEF" for character in name)


def _uids(text: str) -> tuple[str, ...]:
    """A list of UIDs, separated by commas or backslashes; 400 if any value is not a UID."""
    uids = tuple(filter(None, text.replace("\\", ",").split(",")))
    if len(uids) > MAX_UIDS or not all(set(uid) <= set("0123456789.") and len(uid) <= 64 for uid in uids):
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"A UID is digits and dots; at most {MAX_UIDS} of them.")
    return uids


def _number(text: str | None, otherwise: int, most: int) -> int:
    if not text:
        return otherwise
    if not text.isascii() or not text.isdigit():
        raise HTTPException(HTTPStatus.BAD_REQUEST, "limit and offset are whole numbers.")
    return min(int(text[:9]), most)


PAGE = Page(router, rest=True)
