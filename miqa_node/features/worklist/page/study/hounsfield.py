"""The values of a CT slice for the viewer of a study: those of its own window are cut off beyond lung or bone."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.image import Radiograph
from miqa_node.dicom.bytes.head import read_head
from miqa_node.dicom.pixels.grayscale import VoiWindow, read_grayscale, render
from miqa_node.interfaces.web.access import Reader
from miqa_node.interfaces.web.full_pixels import MAX_FRAME, decoded, original_key, pixels_answer, render_of
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.services import Services, WebServices

WHOLE = VoiWindow(1024.0, 4096.0, "LINEAR_EXACT")
"""From air, −1024 HU, as 0 to 3072 HU as 65,535: 16 steps for each unit. viewer.js has the windows in it."""

router = APIRouter()


@router.get("/images/{digest}/hounsfield")
def hounsfield(
    services: Services,
    _who: Reader,
    digest: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")],
    frame: Annotated[int, Query(ge=0, le=MAX_FRAME)] = 0,
    full: Annotated[bool, Query()] = False,
) -> Response:
    """Like the pixels of an image, with the values of the modality (PS3.3 C.11.1) in the window :data:`WHOLE`."""
    key = original_key(services, digest)
    shown = render_of(services, f"{digest}-hu", lambda: _in_whole(services, key, frame), frame=frame, full=full)
    return pixels_answer(shown)


def _in_whole(services: WebServices, key: str, frame: int) -> Radiograph:
    radiograph = decoded(services, key, frame)
    scale = replace(read_grayscale(read_head(services.objects.local_path(key)), frame), voi=WHOLE)
    return replace(radiograph, display=render(radiograph.stored, scale, radiograph.valid))


PAGE = Page(router, Permission.READ, programs=True)
