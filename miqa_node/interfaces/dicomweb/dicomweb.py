"""Shared parts of DICOMweb search and retrieval: addresses, and the index of stored objects."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path as FilePath
from typing import Annotated, TypeVar

import structlog
from fastapi import HTTPException, Path, Request, Response

from miqa_node import __version__
from miqa_node.core.domain.instance import ANY_UID
from miqa_node.core.domain.search_keys import SearchLevel
from miqa_node.errors import DecodeError, NotFoundError, lacks_resources
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.store import result_index
from miqa_node.runtime.store.result_index import ResultLocation

log = structlog.get_logger(__name__)

Value = TypeVar("Value")

DICOM_JSON = "application/dicom+json"
RETRIEVAL_ERRORS = (400, 401, 403, 404, 406, 422, 503)
"""Of operations that give an object or a part of it."""
INDEX_BUDGET_S = 20.0
"""How long a request reads headers of new results before it asks the client to retry."""
SOURCES_BUDGET_S = 2.0
"""The same for new images; after an update, background work reads the headers of old ones, newest first."""
SOURCES_SPAN = timedelta(days=1)
"""Images that arrived within this time are new."""

Uid = Annotated[str, Path(pattern=f"^{ANY_UID}$")]


def complete_index(services: WebServices) -> None:
    """Make the index complete; 503 while the results of an older version are still being read."""
    if not result_index.complete(services.database, services.objects, INDEX_BUDGET_S):
        reason = "The headers of older results are still being read; ask again in a minute."
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, reason, {"retry-after": "60"})
    since = datetime.now(UTC) - SOURCES_SPAN
    result_index.complete_sources(services.database, services.objects, SOURCES_BUDGET_S, since)


def named_results(services: WebServices, **uids: str) -> list[ResultLocation]:
    """The objects of an address; 404 if there are none."""
    complete_index(services)
    with services.database.begin() as transaction:
        locations = result_index.search(transaction, uids)
    if not locations:
        raise HTTPException(HTTPStatus.NOT_FOUND, "The node holds no such object.")
    return locations


def one_result(services: WebServices, study_uid: str, series_uid: str, instance_uid: str) -> ResultLocation:
    """The object of an address; 404 if there is none."""
    uids = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid, "SOPInstanceUID": instance_uid}
    return named_results(services, **uids)[0]


def read_object(services: WebServices, location: ResultLocation, read: Callable[[FilePath], Value]) -> Value:
    """What ``read`` takes from an object's file; 404 if the file is lost, or is damaged so that nothing is read.

    Raises
    ------
    DecodeError
        The pixels are damaged.
    ResourcesError
        The store does not answer.
    """
    path = services.objects.local_path(location.object_key)
    try:
        return read(path)
    except DecodeError:
        raise
    except Exception as error:  # pydicom raises many for a file that is empty or not DICOM
        if lacks_resources(error):
            raise
        log.warning("a stored object cannot be read", key=location.object_key, error=type(error).__name__)
        raise NotFoundError("The file of this object is damaged: {key}.", key=location.object_key) from error


def unless_known(request: Request, locations: Sequence[ResultLocation], answer: Callable[[], Response]) -> Response:
    """The answer with an ETag; 304 without a body if the client has it already (RFC 9110 13.1.2).

    Objects never change, so address, Accept and the program's version determine the response.
    """
    parts = (str(request.url), request.headers.get("accept", ""), __version__, *(one.object_key for one in locations))
    tag = f'"{hashlib.sha256("|".join(parts).encode()).hexdigest()[:32]}"'
    etags = request.headers.get("if-none-match", "")
    if etags.strip() == "*" or tag in (part.strip().removeprefix("W/") for part in etags.split(",")):
        response = Response(status_code=HTTPStatus.NOT_MODIFIED)
    else:
        response = answer()
    response.headers["etag"] = tag
    response.headers["vary"] = "Accept"
    return response


def add_warnings(request: Request, response: Response, texts: Sequence[str]) -> None:
    """One Warning header for each text, in the form of PS3.18 8.3.4."""
    for text in texts:
        response.headers.append("warning", f"299 {request.base_url}api/dicom-web: {text}")


def address(request: Request, location: ResultLocation, level: SearchLevel) -> str:
    """The Retrieve URL of an object, or of its series or study."""
    parts = (
        f"studies/{location.study_instance_uid}",
        f"series/{location.series_instance_uid}",
        f"instances/{location.sop_instance_uid}",
    )
    return f"{request.base_url}api/dicom-web/{'/'.join(parts[: level + 1])}"
