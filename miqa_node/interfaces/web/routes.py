"""Adds the pages of the seam ``miqa.pages`` to the application, each behind its permission check."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from miqa_node.core.domain.access import Role
from miqa_node.core.language.phrase import Phrase
from miqa_node.interfaces.web.access import PermissionCheck, Who, check_csrf, permission_of
from miqa_node.interfaces.web.card import CARDS
from miqa_node.interfaces.web.html.pages import folder_of
from miqa_node.interfaces.web.page import NO_PERMISSION_NAMED, PAGES, Page
from miqa_node.interfaces.web.problems import check_parameters
from miqa_node.interfaces.web.services import Services


def add_pages(app: FastAPI) -> None:
    """Serve every page of the seam, the node's own first, so that others cannot take their addresses; and all files."""
    for page in PAGES.all().values():
        add_page(app, page)
    with_files = [name for name, card in CARDS.all().items() if card.script or card.style]
    for name in dict.fromkeys((*PAGES.all(), *with_files)):
        static = folder / "static" if (folder := folder_of(name)) is not None else None
        if static is not None and static.is_dir():
            app.mount(f"/static/{name}", StaticFiles(directory=static), name=f"static-{name}")


def add_page(app: FastAPI, page: Page) -> None:
    """Serve one page, behind its permission check."""
    guards: list[Any] = [Depends(check_csrf), Depends(PageGuard(page))]
    if page.rest:
        app.include_router(page.router, dependencies=[*guards, Depends(check_parameters)])
    else:
        app.include_router(
            page.router, dependencies=guards, include_in_schema=False, default_response_class=HTMLResponse
        )


class PageGuard:
    """A dependency of all routes of a page: people's pages are not for programs' accounts.

    A route that names no permission requires the page's.
    """

    def __init__(self, page: Page) -> None:
        self.page = page

    def __call__(self, request: Request, who: Who, services: Services) -> None:
        """HTTPException 401 or 403 unless the principal has the page's permission."""
        page = self.page
        if who.role is Role.SERVICE and not (page.rest or page.programs):
            raise HTTPException(
                HTTPStatus.FORBIDDEN,
                Phrase(
                    "{name} is a program's account, and pages are for people; "
                    "programs use the REST interface, which /api/v1/openapi.json describes.",
                    name=who.name,
                ),
            )
        if page.public or permission_of(request.scope["route"]) is not None:
            return
        if page.permission is None:
            raise HTTPException(HTTPStatus.FORBIDDEN, NO_PERMISSION_NAMED)
        PermissionCheck(page.permission)(who, services)
