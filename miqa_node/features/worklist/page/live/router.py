"""``/live``: the stream of server-sent events that tells open pages to reload."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, HTTPException
from fastapi.responses import StreamingResponse

from miqa_node.core.domain.access import Permission
from miqa_node.features.worklist.page.updates import live_of
from miqa_node.interfaces.web.access import Display
from miqa_node.interfaces.web.page import Page, Trait
from miqa_node.interfaces.web.services import Services

router = APIRouter()


@router.get("/live")
async def live(services: Services, _who: Display) -> StreamingResponse:
    """The stream; its messages say that something changed, never what."""
    messages = services.of(live_of)
    if messages.streams >= services.settings.web.max_live_pages:
        raise HTTPException(
            HTTPStatus.SERVICE_UNAVAILABLE, "More than web.max_live_pages pages are open. Reload this page by hand."
        )
    return StreamingResponse(
        messages.messages(),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


PAGE = Page(router, Permission.DISPLAY, programs=True, traits={"/live": Trait.KEY_IN_ADDRESS})
