"""QIDO-RS (PS3.18 10.6): search for studies, series and instances that the node holds: results, and images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from pydicom import Dataset, FileDataset

from miqa_node.core.domain.search_keys import SEARCH_KEYS, SearchLevel
from miqa_node.core.language.phrase import Phrase
from miqa_node.dicom.bytes.dicom_json import INSTANCE, SERIES, STUDY, attributes
from miqa_node.dicom.bytes.head import drop_unreadable, read_head
from miqa_node.dicom.bytes.search_values import attribute_path
from miqa_node.errors import DecodeError, NotFoundError
from miqa_node.interfaces.dicomweb.accept import require
from miqa_node.interfaces.dicomweb.dicomweb import DICOM_JSON, Uid, add_warnings, address, complete_index, read_object
from miqa_node.interfaces.web.access import Reader
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import responses
from miqa_node.interfaces.web.services import Services, WebServices
from miqa_node.runtime.store import result_index
from miqa_node.runtime.store.result_index import ResultGroup, ResultLocation

MAX_RESULTS = 1000
"""Maximum number of matches in one answer; a warning says how many more there are."""

MAX_OFFSET = 10**6
MAX_FIELDS = 200
_ALL = "all"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_UTF_8 = frozenset({"utf-8", "utf8", "iso_ir 192"})
_UNSUPPORTED = {
    "fuzzymatching": "Only literal matching has been performed.",
    "emptyvaluematching": "Empty Value Matching has not been performed.",
    "multiplevaluematching": "Multiple Value Matching has not been performed.",
}
"""Parameters that an origin server may leave out, and what it then says (PS3.18 8.3.4.2, 8.3.4.5, 8.3.4.6)."""
_STANDARD = frozenset({"accept", "charset", "limit", "offset", *_UNSUPPORTED})

router = APIRouter(prefix="/api/dicom-web", tags=["dicomweb"], default_response_class=Response)
_search = responses(204, 400, 401, 403, 406, 503, media=(DICOM_JSON,))
_search_within = {**_search, **responses(422)}


@router.get("/studies", summary="Search for studies with results (QIDO-RS)", responses=_search)
def search_studies(request: Request, services: Services, _who: Reader) -> Response:
    """Matches the required keys of PS3.18 10.6.1.2.3 and a few more; see the reference of the REST interface."""
    query = _Query(request)
    groups, total = _groups(services, query, SearchLevel.STUDY)
    answers = []
    for group in groups:
        ds = _header(services, group.newest)
        answer = attributes(ds, STUDY) | query.included(ds)
        answer["00080061"] = {"vr": "CS", "Value": list(group.modalities)}
        answer["00201206"] = {"vr": "IS", "Value": [group.series]}
        answer["00201208"] = {"vr": "IS", "Value": [group.instances]}
        answers.append(answer | _place(request, group.newest, SearchLevel.STUDY, ds))
    return query.answer(answers, total)


@router.get("/series", summary="Search for series of results (QIDO-RS)", responses=_search)
def search_all_series(request: Request, services: Services, _who: Reader) -> Response:
    """Series of all studies."""
    return _search_series(request, services)


@router.get("/studies/{study_uid}/series", summary="Search a study for series of results", responses=_search_within)
def search_series(request: Request, services: Services, _who: Reader, study_uid: Uid) -> Response:
    """Series of one study."""
    return _search_series(request, services, StudyInstanceUID=study_uid)


@router.get("/instances", summary="Search for results (QIDO-RS)", responses=_search)
def search_all_instances(request: Request, services: Services, _who: Reader) -> Response:
    """Results of all studies; ReferencedSOPInstanceUID finds those about an image."""
    return _search_instances(request, services)


@router.get("/studies/{study_uid}/instances", summary="Search a study for results", responses=_search_within)
def search_instances(request: Request, services: Services, _who: Reader, study_uid: Uid) -> Response:
    """Results of one study."""
    return _search_instances(request, services, StudyInstanceUID=study_uid)


@router.get("/studies/{study_uid}/series/{series_uid}/instances", summary="Search a series", responses=_search_within)
def search_in_series(request: Request, services: Services, _who: Reader, study_uid: Uid, series_uid: Uid) -> Response:
    """Results of one series."""
    return _search_instances(request, services, StudyInstanceUID=study_uid, SeriesInstanceUID=series_uid)


class _Query:
    """The parameters of a search (PS3.18 8.3.4): attributes by keyword or tag, includefield, limit, offset."""

    def __init__(self, request: Request, **path: str) -> None:
        """``path`` holds the UIDs of the address; a UID in the parameters must be the same. 406 unless JSON will do."""
        require(request, DICOM_JSON, "application/json")
        self._request = request
        self.values = dict(path)
        self._fields: list[tuple[str, ...]] = []
        self._all = False
        self._warnings: list[str] = []
        special: dict[str, str] = {}
        ignored: set[str] = set()
        for name, value in request.query_params.multi_items():
            if _CONTROL.search(value):  # without them the value may be empty, which matches every patient
                raise HTTPException(HTTPStatus.BAD_REQUEST, "A parameter has control characters in its value.")
            if name == "includefield":
                ignored |= self._include(value)
            elif name in _STANDARD:
                special[name] = value.strip()
            elif self._is_ignored(name, value.strip(), path):
                ignored.add(name[:64])
        self.limit = _number(special.get("limit"), MAX_RESULTS, MAX_RESULTS)
        self.offset = _number(special.get("offset"), 0, MAX_OFFSET)
        _check_character_set(special.get("charset", "utf-8"))
        for name, outcome in _UNSUPPORTED.items():
            if special.get(name, "").lower() == "true":
                self._warnings.append(f"The {name} parameter is not supported. {outcome}")
        if ignored:
            self._warnings.append(f"These parameters were ignored: {', '.join(sorted(ignored))}")

    def _is_ignored(self, name: str, value: str, path: dict[str, str]) -> bool:
        """Add a key; True if it is an optional key that is not matched here (PS3.4 C.2.2.1.3)."""
        attribute = attribute_path(name)
        if attribute is None:
            # A misspelled keyword must not return all patients.
            raise HTTPException(HTTPStatus.BAD_REQUEST, "Each parameter is the keyword or tag of a DICOM attribute.")
        keyword = ".".join(attribute)
        if keyword not in SEARCH_KEYS:
            return bool(value)
        if value and self.values.get(keyword, value) != value:
            places = "the address and the parameters" if keyword in path else "two parameters"
            raise HTTPException(
                HTTPStatus.BAD_REQUEST,
                Phrase("{keyword} has different values in {places}.", keyword=keyword, places=places),
            )
        if value:
            self.values[keyword] = value
        return False

    def _include(self, value: str) -> set[str]:
        """Add the fields of one parameter; returns those that are not attributes."""
        unknown = set()
        for field in filter(None, (part.strip() for part in value.split(","))):
            path = attribute_path(field)
            if field == _ALL:
                self._all = True
            elif path is None:
                unknown.add("includefield")
            elif len(self._fields) < MAX_FIELDS:
                self._fields.append(path)
        return unknown

    def included(self, ds: Dataset) -> dict[str, Any]:
        """The attributes of includefield; for an attribute within a sequence, the whole sequence."""
        if self._all:
            drop_unreadable(ds)
            return attributes(ds, (element.tag for element in ds if element.VR not in _BULK))
        return attributes(ds, (path[0] for path in self._fields))

    def answer(self, matches: Sequence[dict[str, Any]], total: int) -> Response:
        """200 with the matches, 204 without; warnings say what was ignored and how many more there are."""
        more = total - self.offset - len(matches)
        warnings = [*self._warnings]
        if more > 0 and matches:
            warnings.append(f"There are {more} additional results that can be requested")
        if matches:
            response: Response = JSONResponse(list(matches), media_type=DICOM_JSON)
        else:
            response = Response(status_code=HTTPStatus.NO_CONTENT)
        add_warnings(self._request, response, warnings)
        return response


_BULK = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})


def _search_series(request: Request, services: WebServices, **path: str) -> Response:
    query = _Query(request, **path)
    groups, total = _groups(services, query, SearchLevel.SERIES)
    of_study = () if "StudyInstanceUID" in path else STUDY
    answers = []
    for group in groups:
        ds = _header(services, group.newest)
        answer = attributes(ds, (*of_study, *SERIES, "StudyInstanceUID")) | query.included(ds)
        answer["00201209"] = {"vr": "IS", "Value": [group.instances]}
        answers.append(answer | _place(request, group.newest, SearchLevel.SERIES, ds))
    return query.answer(answers, total)


def _search_instances(request: Request, services: WebServices, **path: str) -> Response:
    query = _Query(request, **path)
    complete_index(services)
    with services.database.begin() as transaction:
        locations = result_index.search(transaction, query.values, limit=query.limit, offset=query.offset)
        total = result_index.count(transaction, query.values, SearchLevel.INSTANCE)
    answers = []
    for one in locations:
        ds = _header(services, one)
        answer = attributes(ds, (*STUDY, *SERIES, *INSTANCE)) | query.included(ds)
        answers.append(answer | _place(request, one, SearchLevel.INSTANCE, ds))
    return query.answer(answers, total)


def _groups(services: WebServices, query: _Query, level: SearchLevel) -> tuple[list[ResultGroup], int]:
    complete_index(services)
    with services.database.begin() as transaction:
        groups = result_index.search_groups(transaction, query.values, level, limit=query.limit, offset=query.offset)
        return groups, result_index.count(transaction, query.values, level)


def _header(services: WebServices, location: ResultLocation) -> Dataset:
    """The header; of a file that is lost or damaged only what the index knows, and no FileDataset if nothing is read.

    Raises
    ------
    ResourcesError
        The store does not answer.
    """
    try:
        ds: Dataset = read_object(services, location, read_head)
    except (NotFoundError, DecodeError, OSError):  # one damaged file must not keep all others from a client
        ds = Dataset()
    for keyword, uid in (
        ("StudyInstanceUID", location.study_instance_uid),
        ("SeriesInstanceUID", location.series_instance_uid),
        ("SOPClassUID", location.sop_class_uid),
        ("SOPInstanceUID", location.sop_instance_uid),
    ):
        if keyword not in ds:
            setattr(ds, keyword, uid)
    return ds


def _place(request: Request, location: ResultLocation, level: SearchLevel, ds: Dataset) -> dict[str, Any]:
    availability = "ONLINE" if isinstance(ds, FileDataset) else "UNAVAILABLE"
    issuer = {"00100021": {"vr": "LO", "Value": [location.authority]}} if location.authority else {}
    return {
        **issuer,
        "00080056": {"vr": "CS", "Value": [availability]},
        "00081190": {"vr": "UR", "Value": [address(request, location, level)]},
    }


def _check_character_set(text: str) -> None:
    """400 if UTF-8, which DICOM JSON always is, is not among the character sets (PS3.18 8.3.3.2)."""
    names = {one.partition(";")[0].strip().lower() for one in text.split(",")}
    if names.isdisjoint(_UTF_8):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "Answers are in UTF-8; charset names only other character sets.")


def _number(text: str | None, otherwise: int, most: int) -> int:
    if not text:
        return otherwise
    if not re.fullmatch(r"[0-9]+", text):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "limit and offset are whole numbers.")
    return min(int(text[:9]), most)


PAGE = Page(router, rest=True)
