"""The web interface: pages for people, REST for programs, health and metrics for operators."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from miqa_node import __version__
from miqa_node.core.observe import metrics
from miqa_node.errors import ResourcesError
from miqa_node.interfaces.web import status
from miqa_node.interfaces.web.cross_origin import CrossOrigin
from miqa_node.interfaces.web.gate import BodyGate
from miqa_node.interfaces.web.page import PAGES
from miqa_node.interfaces.web.problems import handle_errors
from miqa_node.interfaces.web.reads import ReadRecorder
from miqa_node.interfaces.web.routes import add_pages
from miqa_node.interfaces.web.security import Guard
from miqa_node.interfaces.web.services import WebServices
from miqa_node.interfaces.web.site_time import SiteTime

__all__ = ["WebServices", "create_app", "create_refusing_app"]

_DESCRIPTION = """\
What the node found out about the images that it received, and the worklist of the studies that it flagged.
Errors are problem details (RFC 9457). Previews of images are at `/previews/{digest}.png`.
As long as the node has no accounts it only answers to the host that it runs on. From the first account on programs
show a token (`Authorization: Bearer …`, made with `miqa-node users token add`).
"""


def create_app(services: WebServices, *, pages_and_api: bool = True) -> FastAPI:
    """The ASGI application. Everything it needs is in ``services``, so one process can have several applications.

    Without ``pages_and_api`` it serves only health and metrics, for processes of other roles.
    """
    app = FastAPI(
        title="miqa-node",
        version=__version__,
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # FastAPI's own pages load scripts from other hosts
        redoc_url=None,
    )
    app.state.services = services
    app.include_router(status.router)
    if pages_and_api:
        add_pages(app)
        app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    handle_errors(app)
    pages = tuple(PAGES.all().values()) if pages_and_api else ()
    app.add_middleware(BodyGate, pages=pages, settings=services.settings.web)
    app.add_middleware(CrossOrigin, settings=services.settings.web)
    app.add_middleware(ReadRecorder, pages=pages)
    app.add_middleware(Guard, settings=services.settings.web)
    app.add_middleware(SiteTime, zone=services.settings.node.zone, language=services.settings.node.language)
    metrics.BUILD_INFO.info({"version": __version__})
    return app


def create_refusing_app(services: WebServices) -> FastAPI:
    """The application of a node that cannot start yet: health and metrics; all else is told why it is not ready."""
    app = create_app(services, pages_and_api=False)

    def refuse() -> NoReturn:
        raise ResourcesError(" ".join(services.readiness()))

    methods = ["GET", "POST", "PUT", "DELETE"]
    app.add_api_route("/{path:path}", refuse, methods=methods, response_model=None, include_in_schema=False)
    return app
