"""The page for checking one image; the image is stored only on request.

The assessor of the pipeline judges it: first its quality, then the packages that the policy switches on. Images to be
kept are received as by C-STORE, and may come as a folder or a ZIP file, such as a patient's CD.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, File, Form, HTTPException, Query, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import Field

from miqa_node.core.domain.access import Permission
from miqa_node.core.language.catalogue import LANGUAGE
from miqa_node.core.language.phrase import Phrase
from miqa_node.dicom.pixels.picture import is_picture
from miqa_node.errors import ArchiveError, InferenceError, ModelPackageError, UnreadableError
from miqa_node.interfaces.web.access import Uploader
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.onepage.page import of_image
from miqa_node.interfaces.web.page import Navigation, Page
from miqa_node.interfaces.web.security import INLINE_PICTURES
from miqa_node.interfaces.web.services import Services, WebServices
from miqa_node.interfaces.web.upload_space import PREFIX, UploadRoute
from miqa_node.interfaces.web.values import NO_CONTROLS
from miqa_node.stages.receive.upload import PictureDescription, Uploads
from miqa_node.stages.receive.zip_file import is_dicom, members

Word = Annotated[str, Field(max_length=16, pattern=NO_CONTROLS)]
Received = Annotated[int | None, Query(alias="kept", ge=0, le=1_000_000)]
Count = Annotated[int | None, Query(ge=0, le=1_000_000)]

router = APIRouter(route_class=UploadRoute)


@router.get("/look")
def look_page(services: Services, who: Uploader, images: Received = None, refused: Count = None) -> str:
    """The form; after an upload, with the number of images that were kept."""
    return _form(services, who, images=images, refused=refused)


@router.post("/look")
async def look(
    request: Request,
    services: Services,
    who: Uploader,
    file: Annotated[list[UploadFile], File()] = [],  # noqa: B006 - FastAPI copies it
    folder: Annotated[list[UploadFile], File()] = [],  # noqa: B006
    modality: Annotated[Word, Form()] = "DX",
    body_part: Annotated[Word, Form()] = "",
    view: Annotated[Word, Form()] = "",
    keep: Annotated[bool, Form()] = False,
) -> Response:
    """Assess one image and show its page; with ``keep``, receive all files instead."""
    uploads = services.uploads
    if uploads is None or services.look is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "This process does not assess images; ask one that runs all roles.")
    described = PictureDescription(modality.upper(), body_part.upper(), view.upper())
    client = request.client.host if request.client else "127.0.0.1"
    received = [one for one in (*file, *folder) if one.filename]  # browsers also send inputs without a file
    if not received or (len(received) > 1 and not keep):
        one_at_a_time = Phrase(
            "Only one image can be checked at a time. Tick “Keep” to receive these {count} files.", count=len(received)
        )
        text = _form(services, who, fault=one_at_a_time if received else "Choose a file first.")
        return HTMLResponse(text, HTTPStatus.UNPROCESSABLE_ENTITY)
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=services.upload_space.folder) as place:
        paths = [Path(place) / f"upload{number}" for number in range(len(received))]
        for path, one in zip(paths, received, strict=True):
            with path.open("wb") as out:
                while chunk := await one.read(1 << 20):
                    await run_in_threadpool(out.write, chunk)
        try:
            if keep:
                return await run_in_threadpool(_keep, services, uploads, paths, described, client)
            page = await run_in_threadpool(_looked, services, who, paths[0], described)
        except (UnreadableError, ModelPackageError, InferenceError) as error:
            text = _form(services, who, fault=str(error))
            return HTMLResponse(text, HTTPStatus.UNPROCESSABLE_ENTITY)
    return HTMLResponse(page, headers={"content-security-policy": INLINE_PICTURES})


def _looked(services: WebServices, who: Uploader, path: Path, described: PictureDescription) -> str:
    if services.look is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "This process does not assess images.")
    unpacked = members(path, path.parent / "members", services.settings.web)
    # A CD also holds a viewer and a read-me; a file that is not a ZIP file says itself why it is not an image.
    content = list(islice((one for one in unpacked if one == path or is_dicom(one) or is_picture(one)), 2))
    if not content:
        raise ArchiveError("The ZIP file has no image.")
    if len(content) > 1:
        raise ArchiveError("Only one image can be checked at a time. Tick “Keep” to receive the files of the ZIP file.")
    with services.look_turn:
        result = services.look(content[0], (described.modality, described.body_part, described.view))
        image = of_image(result, threshold=services.settings.assess.saliency_threshold, language=LANGUAGE.get())
    return render("look/checked.html", who=who, image=image, verdict=result.disposition.verdict)


def _keep(
    services: WebServices, uploads: Uploads, paths: Sequence[Path], described: PictureDescription, client: str
) -> Response:
    """Receive the image, or every image of a folder or a ZIP file; files that are not images are only counted."""
    images = refused = 0
    study = ""
    for path in paths:
        try:
            for member in members(path, path.parent / f"members-{path.name}", services.settings.web):
                try:
                    made, header = uploads.header(member, described)
                    uploads.take_in(made, header, client)
                    study, images = header.study_instance_uid, images + 1
                except UnreadableError:
                    if [member] == list(paths):
                        raise
                    refused += 1
                finally:
                    if member != path:
                        member.unlink(missing_ok=True)
        except ArchiveError:
            if len(paths) == 1:
                raise
            refused += 1
    if images == 1 and not refused:
        return RedirectResponse(f"/studies/{study}", HTTPStatus.SEE_OTHER)
    return RedirectResponse(f"/look?kept={images}&refused={refused}", HTTPStatus.SEE_OTHER)


def _form(
    services: WebServices, who: Uploader, *, fault: str = "", images: int | None = None, refused: int | None = None
) -> str:
    return render(
        "look/look.html",
        who=who,
        fault=fault,
        kept=images,
        refused=refused or 0,
        most_mib=services.settings.web.max_upload_bytes >> 20,
    )


PAGE = Page(router, Permission.UPLOAD, file=__file__, navigation=Navigation("Check", "/look", 2))
