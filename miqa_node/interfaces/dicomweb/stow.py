"""STOW-RS (PS3.18 10.5): receives DICOM files over HTTP and stores them as durably as by C-STORE."""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from miqa_node.interfaces.dicomweb.dicomweb import DICOM_JSON
from miqa_node.interfaces.web.access import Uploader
from miqa_node.interfaces.web.fields import Uid
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import responses
from miqa_node.interfaces.web.services import Services, WebServices
from miqa_node.stages.receive.intake import Intake, StoreResponse
from miqa_node.stages.receive.part10 import FileOrigin, FileTransfer
from miqa_node.stages.receive.statuses import OUT_OF_RESOURCES, SUCCESS

log = structlog.get_logger(__name__)

MAX_PARTS = 10_000
MAX_HEADER_BYTES = 4096
MAX_BOUNDARY_BYTES = 256
"""RFC 2046 allows 70; Orthanc 1.10's DICOMweb client sends 73."""
MAX_PREAMBLE_BYTES = 65_536
"""Of text before the first boundary."""
AE_TITLE = "STOW-RS"

router = APIRouter(prefix="/api/dicom-web", tags=["dicomweb"], default_response_class=Response)
_outcomes: dict[int | str, dict[str, Any]] = {
    200: {"description": "All instances are kept", "content": {DICOM_JSON: {}}},
    202: {"description": "Some are; the answer says which", "content": {DICOM_JSON: {}}},
    **responses(400, 401, 403, 404, 409, 413, 415, 503),
}


@router.post("/studies", summary="Store instances (STOW-RS)", responses=_outcomes)
async def store(request: Request, services: Services, who: Uploader) -> JSONResponse:
    """A body of multipart/related with parts of application/dicom; the answer has one entry for each instance.

    What is answered as stored is on disk and in the database.
    """
    return await _store(request, services, who.name)


@router.post("/studies/{study_uid}", summary="Store instances of one study", responses={**_outcomes, **responses(422)})
async def store_study(request: Request, services: Services, who: Uploader, study_uid: Uid) -> JSONResponse:
    """The same; instances of other studies are refused."""
    return await _store(request, services, who.name, study_uid)


async def _store(request: Request, services: WebServices, who: str, study_uid: str = "") -> JSONResponse:
    intake = services.intake
    if intake is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "This process receives nothing; ask the one with the role receive.")
    boundary = _boundary(request)
    client = request.client.host if request.client else "127.0.0.1"
    if not services.storing.enter(client):
        why = "Too many uploads at once (web.max_uploads, web.max_uploads_per_address)."
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, why, {"retry-after": "5"})
    parts = _Parts(intake, FileOrigin((who or AE_TITLE)[:16], AE_TITLE, client, study_uid), boundary)
    try:
        async for chunk in request.stream():
            if chunk:
                await run_in_threadpool(parts.feed, chunk)
        await run_in_threadpool(parts.complete)
    except MultipartParseError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The body is not what its boundary says.") from error
    finally:
        services.storing.leave(client)
        await run_in_threadpool(parts.end)
    return _answer(parts.outcomes)


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary, of = options.get(b"boundary", b""), options.get(b"type", b"application/dicom").lower()
    if kind != b"multipart/related" or of != b"application/dicom" or not 1 <= len(boundary) <= MAX_BOUNDARY_BYTES:
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            'Send multipart/related; type="application/dicom" with a boundary (PS3.18 10.5.1).',
        )
    return boundary


class _Parts:
    """Splits the body into files as it arrives, writing each part to disk at once."""

    def __init__(self, intake: Intake, origin: FileOrigin, boundary: bytes) -> None:
        self._intake = intake
        self._origin = origin
        self._file: FileTransfer | None = None
        self._header = b""
        self._preamble = b""
        self._first_boundary = re.compile(rb"(?:\A|\n)(--" + re.escape(boundary) + rb"(?:\r\n|--))")
        self._is_first = True
        self.outcomes: list[tuple[str, str, StoreResponse]] = []
        callbacks: dict[str, Callable[..., None]] = {
            "on_part_begin": self._on_begin,
            "on_part_data": self._on_data,
            "on_part_end": self._on_end,
            "on_header_field": self._on_header,
            "on_header_value": self._on_header,
        }
        self._parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]  # a TypedDict of the library

    def feed(self, chunk: bytes) -> None:
        """Process more of the body; what is before the first boundary is skipped (RFC 2046 5.1.1)."""
        if self._is_first:
            self._preamble += chunk
            first = self._first_boundary.search(self._preamble)
            if first is None:
                if len(self._preamble) > MAX_PREAMBLE_BYTES:
                    raise MultipartParseError("no boundary")
                return
            chunk, self._preamble = self._preamble[first.start(1) :], b""
            self._is_first = False
        self._parser.write(chunk)

    def complete(self) -> None:
        """End of the body; discards an incomplete part."""
        if self._file is not None or self._is_first:
            raise MultipartParseError("the body ends within a part")

    def end(self) -> None:
        """Remove an unfinished part."""
        if self._file is not None:
            self._file.end()
            self._file = None

    def _on_begin(self) -> None:
        if len(self.outcomes) >= MAX_PARTS:
            raise MultipartParseError("too many parts")
        self._header = b""
        self._file = FileTransfer(self._intake, self._origin)

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]
        if len(self._header) > MAX_HEADER_BYTES:
            raise MultipartParseError("too long a header")

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])

    def _on_end(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        try:
            answer = file.finish()
        finally:
            file.end()
        self.outcomes.append((file.sop_class_uid, file.sop_instance_uid, answer))


def _answer(outcomes: list[tuple[str, str, StoreResponse]]) -> JSONResponse:
    """The Store Instances Response (PS3.18 I.2) in the DICOM JSON model (F.2)."""
    stored, failed, nameless = [], [], []
    for sop_class_uid, sop_instance_uid, answer in outcomes:
        item: dict[str, Any] = {"00081150": _ui(sop_class_uid), "00081155": _ui(sop_instance_uid)}
        reason = {"00081197": {"vr": "US", "Value": [answer.status]}}
        if answer.status == SUCCESS:
            stored.append({**item, **_NOT_RETRIEVABLE})
        elif sop_class_uid and sop_instance_uid:
            failed.append({**item, **reason})
        else:
            nameless.append(reason)
    document = dict(_NOT_RETRIEVABLE)
    for tag, items in (("00081199", stored), ("00081198", failed), ("0008119A", nameless)):
        if items:
            document[tag] = {"vr": "SQ", "Value": items}
    wrong = failed or nameless
    status = HTTPStatus.OK if stored and not wrong else HTTPStatus.ACCEPTED if stored else HTTPStatus.CONFLICT
    later = (answer.status == OUT_OF_RESOURCES and not answer.lasting for _, _, answer in outcomes)
    if not stored and wrong and all(later):
        status = HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse(document, status, media_type=DICOM_JSON)


_NOT_RETRIEVABLE: dict[str, Any] = {"00081190": {"vr": "UR"}}
"""Retrieve URL, type 2: the node serves its own results and not what it receives."""


def _ui(uid: str) -> dict[str, Any]:
    return {"vr": "UI", "Value": [uid]} if uid else {"vr": "UI"}


PAGE = Page(router, rest=True)
