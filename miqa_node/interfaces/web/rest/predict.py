"""``POST /predict``: one image in, one prediction out, through the same pipeline as every image.

The result is decision support, not a diagnosis. The upload is stored as durably as by C-STORE and waits in the same
queue. If the prediction is pending, the study is on the worklist; nothing of an upload is kept anywhere else.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path as FilePath
from typing import Annotated, Any

import cv2
import numpy as np
from fastapi import APIRouter, Form, HTTPException, Path, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.prediction import DECISION_SUPPORT, Prediction, PredictionStatus
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.anatomy.reading import CHEST
from miqa_node.errors import ConflictError, NotFoundError, UnreadableError
from miqa_node.interfaces.web.access import Reader, Uploader
from miqa_node.interfaces.web.newest import newest_maps
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import responses
from miqa_node.interfaces.web.services import Services, WebServices
from miqa_node.interfaces.web.upload_space import PREFIX, UploadRoute
from miqa_node.interfaces.web.values import NO_CONTROLS
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.stages.receive.upload import PictureDescription, Uploads
from miqa_node.stages.units.rows import instances

POLL_INTERVAL_S = 0.1
RETRY_AFTER_S = 5
OPACITY = 0.6
"""Opacity of the colour where the map is 1; the image stays visible."""

PackageName = Annotated[str, Field(max_length=128, pattern=r"^([a-z][a-z0-9-]*(-\d+\.\d+\.\d+)?)?$")]
Word = Annotated[str, Field(max_length=16, pattern=NO_CONTROLS)]

router = APIRouter(tags=["predictions"], route_class=UploadRoute)


class PredictionReply(BaseModel):
    """A prediction that is automated, or why it waits for a person."""

    status: PredictionStatus
    prediction: str | None = Field(None, description="The label; only of an automated prediction.")
    confidence: float | None = Field(None, description="Its calibrated probability; only of an automated prediction.")
    message: str | None = Field(None, description="Why the prediction waits, or by which certificate it is automated.")
    id: str = Field(description="Digest of the image; the study is on the worklist when the prediction is pending.")
    package: str = Field(description="Which package judged, with its version.")
    note: str = Field(DECISION_SUPPORT, description="What a prediction is.")
    links: dict[str, str] = Field(description="Explanation, preview, study, and overlay where there is a map.")


_described: dict[int | str, dict[str, Any]] = {
    202: {"description": "Received, and not judged in time: ask the explanation's address later."}
}


@router.post(
    "/predict",
    summary="Predict what an image shows",
    responses={**responses(400, 401, 403, 404, 409, 413, 415, 422, 503), **_described},
    response_model=PredictionReply,
    response_model_exclude_none=True,
)
async def predict(
    request: Request,
    services: Services,
    _who: Uploader,
    file: Annotated[UploadFile, Field(description="A DICOM, PNG or JPEG file.")],
    package: Annotated[PackageName, Form(description="Package to answer for; the first that is switched on.")] = "",
    modality: Annotated[Word, Form(description="Of PNG and JPEG files.")] = "DX",
    body_part: Annotated[Word, Form(description="Of PNG and JPEG files; default: the pixels say.")] = "",
    view: Annotated[Word, Form(description="Of PNG and JPEG files.")] = "",
) -> Any:
    """The packages that the site's policy switches on for this kind of image judge it, quality first."""
    uploads = services.uploads
    if uploads is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "This process receives nothing; ask one that runs all roles.")
    settings = services.settings.web
    if not services.predictions.enter():
        raise HTTPException(
            HTTPStatus.SERVICE_UNAVAILABLE,
            Phrase(
                "{max_predictions} predictions are in progress (web.max_predictions); try again later.",
                max_predictions=settings.max_predictions,
            ),
            {"retry-after": str(RETRY_AFTER_S)},
        )
    try:
        described = PictureDescription(modality.upper(), body_part.upper(), view.upper())
        client = request.client.host if request.client else "127.0.0.1"
        digest = await _take_in(services, uploads, file, described, package, client)
        until = time.monotonic() + settings.predict_timeout_s
        while not await run_in_threadpool(_concluded, services, digest):
            if time.monotonic() > until:
                return JSONResponse(_late(services, digest), HTTPStatus.ACCEPTED)
            await asyncio.sleep(POLL_INTERVAL_S)
        return await run_in_threadpool(_answer, services, digest, package)
    finally:
        services.predictions.leave()


@router.get(
    "/overlays/{digest}/{package}.png",
    summary="What a prediction was read from",
    responses={200: {"content": {"image/png": {}}}, **responses(401, 403, 404, 422)},
    response_class=Response,
)
def overlay(
    services: Services,
    _who: Reader,
    digest: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="The id of an answer.")],
    package: Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,63}-\d+\.\d+\.\d+$", description="Name and version.")],
) -> Response:
    """The image with the package's map laid over it in colour; no border of a lesion, no diagnosis."""
    try:
        saliency = newest_maps(services, digest).predictions.get(package)
        preview = Artifacts(services.objects).preview(InstanceDigest(digest))
    except NotFoundError:
        saliency, preview = None, b""
    if saliency is None:
        raise NotFoundError("There is no overlay, because the package gave this image no label.")
    gray = np.asarray(cv2.imdecode(np.frombuffer(preview, np.uint8), cv2.IMREAD_GRAYSCALE))
    values = np.clip(cv2.resize(saliency.values, gray.shape[::-1], interpolation=cv2.INTER_LINEAR), 0.0, 1.0)
    colour = cv2.applyColorMap((values * 255).astype(np.uint8), cv2.COLORMAP_TURBO).astype(np.float32)
    share = (OPACITY * values)[..., None]
    blended = (gray[..., None] * (1.0 - share) + colour * share).round().astype(np.uint8)
    return Response(cv2.imencode(".png", blended)[1].tobytes(), media_type="image/png")


async def _take_in(
    services: WebServices, uploads: Uploads, file: UploadFile, described: PictureDescription, package: str, client: str
) -> InstanceDigest:
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=services.upload_space.folder) as folder:
        path = FilePath(folder) / "upload"
        with path.open("wb") as out:
            while chunk := await file.read(1 << 20):
                await run_in_threadpool(out.write, chunk)

        def keep() -> InstanceDigest:
            try:
                made, header = uploads.header(path, described)
                _refuse_unless_on(services, header, package)
                return uploads.take_in(made, header, client)
            except UnreadableError as error:
                raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error

        return await run_in_threadpool(keep)


def _refuse_unless_on(services: WebServices, header: Header, package: str) -> None:
    """Refuse an image that no active package covers; one that names no body part might show a chest."""
    header = header if header.body_part_examined else replace(header, body_part_examined=CHEST)
    named = [rule.package for rule in services.policy().packages_for(header)] if services.policy is not None else []
    if not any(_means(package, name) for name in named):
        raise ConflictError(
            "No package {package} is switched on for this kind of image; add it to policy.toml ([[package]]).",
            package=package or "for predictions",
        )


def _means(choice: str, name: str) -> bool:
    """Whether ``choice``, a name with or without version, matches the other; an empty one matches any."""
    (bare, version), (other, number) = _name_and_version(choice), _name_and_version(name)
    return not choice or (bare == other and (not version or not number or version == number))


def _name_and_version(package: str) -> tuple[str, str]:
    name, _, version = package.rpartition("-")
    return (name, version) if "." in version else (package, "")


def _concluded(services: WebServices, digest: InstanceDigest) -> bool:
    with services.database.begin() as transaction:
        return instances.load_disposition(transaction, digest) is not None


def _answer(services: WebServices, digest: InstanceDigest, package: str) -> PredictionReply:
    with services.database.begin() as transaction:
        assessment = instances.load_assessment(transaction, digest)
        instance = instances.load(transaction, digest)
    predictions = assessment.predictions if assessment is not None else ()
    prediction = next((one for one in predictions if _means(package, one.package)), None)
    if assessment is not None and assessment.is_of_another_kind:
        raise ConflictError("No package judged the image. {not_assessed}", not_assessed=assessment.not_assessed)
    if prediction is None and predictions:
        judges = " and ".join(one.package for one in predictions)
        raise ConflictError(
            "The image was judged by {judges}, not by {package}; its verdict stands.", judges=judges, package=package
        )
    if prediction is None and assessment is not None and not assessment.known_header.body_part_examined:
        raise ConflictError(
            "No package judged the image: nobody says which body part it is, and its pixels show none for sure. Send "
            "body_part."
        )
    if prediction is None:
        raise ConflictError(
            "The image was judged before, under a policy that did not switch the package on; its verdict stands."
        )
    return _said(services, digest, prediction, instance.header.study_instance_uid)


def _said(services: WebServices, digest: str, prediction: Prediction, study_uid: str) -> PredictionReply:
    links = _links(digest) | {"study": f"/studies/{study_uid}"}
    if prediction.package in newest_maps(services, digest).predictions:
        links["overlay"] = f"/overlays/{digest}/{prediction.package}.png"
    if prediction.status is PredictionStatus.AUTOMATED:
        answer = {"prediction": prediction.label, "confidence": round(prediction.confidence, 4)}
        return PredictionReply(
            status=prediction.status, message=prediction.automated_by or None, id=digest, package=prediction.package,
            links=links, **answer,
        )  # fmt: skip
    return PredictionReply(
        status=prediction.status, message=prediction.why_pending, id=digest, package=prediction.package, links=links
    )


def _late(services: WebServices, digest: str) -> dict[str, Any]:
    seconds = services.settings.web.predict_timeout_s
    message = f"The image was received and is not judged yet after {seconds:g} s (web.predict_timeout_s)."
    answer = PredictionReply(
        status=PredictionStatus.PENDING_REVIEW, message=message, id=digest, package="", links=_links(digest)
    )
    return answer.model_dump(mode="json", exclude_none=True)


def _links(digest: str) -> dict[str, str]:
    return {"explanation": f"/api/v1/instances/{digest}", "preview": f"/previews/{digest}.png"}


PAGE = Page(router, rest=True)
