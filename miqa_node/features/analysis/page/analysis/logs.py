"""The page of reject logs: it previews a log before importing it, and can undo an import."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Path, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse

from miqa_node.core.domain.reject_log import MAX_LOG_BYTES
from miqa_node.core.settings.log_mapping import load_mapping, mappings
from miqa_node.errors import ConflictError, MiqaError, QueryError
from miqa_node.features.analysis import log_import
from miqa_node.features.analysis.log_import import LogPreview, mapping_folder
from miqa_node.features.analysis.rows import census, reject_logs
from miqa_node.interfaces.web.access import Reader, Reviewer, Uploader, acting
from miqa_node.interfaces.web.fields import Actor
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.services import Services, WebServices
from miqa_node.interfaces.web.upload_space import UploadRoute
from miqa_node.interfaces.web.values import NO_CONTROLS

LOGS = "/analysis/logs"
MOST_ROOMS = 500
ROOM_DAYS = 366

router = APIRouter(route_class=UploadRoute)

Name = Annotated[str, Form(max_length=64, pattern=NO_CONTROLS)]


@router.get(LOGS)
def logs_page(services: Services, who: Reader, imported: int = -1) -> str:
    """The imports, and the form for another one."""
    folder = mapping_folder(services.settings)
    lately = datetime.now(UTC).date() - timedelta(days=ROOM_DAYS)
    with services.database.begin() as transaction:
        logs = reject_logs.listed(transaction)
        rooms = census.choices(transaction, "room", lately, limit=MOST_ROOMS)
    choices = [(name, load_mapping(name, folder).title) for name in mappings(folder)]
    return render("analysis/logs.html", who=who, logs=logs, rooms=rooms, mappings=choices, imported=imported)


@router.post(LOGS + "/preview")
async def preview(
    services: Services, who: Uploader, file: UploadFile, mapping: Name = "generic", room: Name = ""
) -> Response:
    """The content of a log; nothing is stored."""
    data = await file.read(MAX_LOG_BYTES + 1)
    try:
        result = await run_in_threadpool(_preview, services, data, mapping, room)
    except MiqaError as error:
        return HTMLResponse(render("analysis/log_preview.html", who=who, found=None, fault=str(error), sha256=""))
    digest = hashlib.sha256(data).hexdigest()
    return HTMLResponse(render("analysis/log_preview.html", who=who, found=result, fault="", sha256=digest))


@router.post(LOGS)
async def keep(
    services: Services,
    who: Uploader,
    file: UploadFile,
    mapping: Name = "generic",
    room: Name = "",
    sha256: Annotated[str, Form(max_length=64)] = "",
    actor: Annotated[Actor, Form()] = "",
) -> Response:
    """Import the log whose preview was shown."""
    data = await file.read(MAX_LOG_BYTES + 1)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise HTTPException(HTTPStatus.CONFLICT, "This is not the file whose preview was shown. Choose it again.")
    result = await run_in_threadpool(_keep, services, data, mapping, room, acting(who, actor))
    return RedirectResponse(f"{LOGS}?imported={result.rejects - result.known}", HTTPStatus.SEE_OTHER)


@router.post(LOGS + "/{log_id}/remove")
def remove(
    services: Services,
    who: Reviewer,
    log_id: Annotated[int, Path(ge=1, le=2**31 - 1)],
    actor: Annotated[Actor, Form()] = "",
) -> Response:
    """Undo an import."""
    with services.database.begin() as transaction:
        reject_logs.remove(transaction, log_id, acting(who, actor), datetime.now(UTC))
    return RedirectResponse(LOGS, HTTPStatus.SEE_OTHER)


def _preview(services: WebServices, data: bytes, mapping: str, room: str) -> LogPreview:
    reading = log_import.read(services.settings, data, mapping, room)
    with services.database.begin() as transaction:
        return log_import.preview(transaction, reading)


def _keep(services: WebServices, data: bytes, mapping: str, room: str, actor: str) -> LogPreview:
    try:
        reading = log_import.read(services.settings, data, mapping, room)
        with services.database.begin() as transaction:
            return log_import.keep(transaction, reading, actor)
    except QueryError as error:
        raise ConflictError(str(error)) from error
