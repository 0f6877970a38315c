"""Saving and removing views of the worklist on the page."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse

from miqa_node.core.domain.access import Permission
from miqa_node.features.worklist.form import read_form
from miqa_node.features.worklist.page.saving import form_of, remove_view, save_view
from miqa_node.features.worklist.rows import saved_views
from miqa_node.interfaces.web.access import Reader, Reviewer
from miqa_node.interfaces.web.fields import Actor, ViewName
from miqa_node.interfaces.web.page import Page, Trait
from miqa_node.interfaces.web.services import Services

router = APIRouter()


@router.get("/views/{name:path}")
def open_view(services: Services, who: Reader, name: ViewName) -> Response:
    """The list of a view; people share a view by its address."""
    with services.database.begin() as transaction:
        view = saved_views.load(transaction, name, who.name)
    return RedirectResponse(form_of(view).address(), HTTPStatus.SEE_OTHER)


@router.post("/worklist/views")
def keep_view(
    services: Services,
    who: Reviewer,
    name: Annotated[ViewName, Form()],
    query: Annotated[str, Form(max_length=1000)] = "",
    shared: Annotated[bool, Form()] = False,
) -> Response:
    """The button "Save view"."""
    form = read_form(query)
    with services.database.begin() as transaction:
        save_view(transaction, who, name, form, shared=shared, now=datetime.now(UTC))
    return RedirectResponse(form.address(), HTTPStatus.SEE_OTHER)


@router.post("/worklist/views/remove")
def drop_view(
    services: Services, who: Reviewer, name: Annotated[ViewName, Form()], owner: Annotated[Actor, Form()] = ""
) -> Response:
    """The button "Remove view"."""
    with services.database.begin() as transaction:
        remove_view(transaction, who, owner, name, now=datetime.now(UTC))
    return RedirectResponse("/", HTTPStatus.SEE_OTHER)


PAGE = Page(router, Permission.READ, traits={"/views": Trait.TYPED_NAME})
