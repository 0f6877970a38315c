"""The REST interface to saved views of the worklist: list, save, remove."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from miqa_node.features.worklist.form import WorklistForm
from miqa_node.features.worklist.page.saving import form_of, remove_view, save_view
from miqa_node.features.worklist.rows import saved_views
from miqa_node.features.worklist.rows.saved_views import SavedView
from miqa_node.interfaces.web.access import Reader, Reviewer
from miqa_node.interfaces.web.fields import Actor, ViewName
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import responses
from miqa_node.interfaces.web.services import Services
from miqa_node.interfaces.web.values import Strict

Named = Annotated[ViewName, Path(description="Name of the view.")]


class ViewToRemove(Strict):
    """Whose view is removed."""

    owner: Actor | None = Field(None, description="Default is the account that asks.")


router = APIRouter(prefix="/api/v1/views", tags=["worklist"])


class KeptView(BaseModel):
    """A saved view, and its filter by field."""

    owner: str = Field(description="Empty on a node without accounts.")
    name: str
    is_shared: bool
    saved_at: datetime
    filter: WorklistForm


class ViewToKeep(Strict):
    """The filter and order of the worklist page, and whether everybody sees the view."""

    filter: WorklistForm
    shared: bool = False


@router.get("", summary="List saved views of the worklist", responses=responses(401, 403, 503))
def list_views(services: Services, who: Reader) -> list[KeptView]:
    """One's own, then those that others share."""
    with services.database.begin() as transaction:
        return [_kept(view) for view in saved_views.visible(transaction, who.name)]


@router.put("/{name}", summary="Save a view", responses=responses(401, 403, 409, 415, 422, 503))
def put_view(services: Services, who: Reviewer, name: Named, body: ViewToKeep) -> KeptView:
    """Save the filter under a name; one's own of the same name is replaced. The text of a search is not kept."""
    with services.database.begin() as transaction:
        return _kept(save_view(transaction, who, name, body.filter, shared=body.shared, now=datetime.now(UTC)))


@router.post(
    "/{name}/remove", summary="Remove a view", status_code=204, responses=responses(401, 403, 404, 415, 422, 503)
)
def drop_view(services: Services, who: Reviewer, name: Named, body: ViewToRemove) -> None:
    """Remove one's own view, or as an administrator anybody's."""
    owner = who.name if body.owner is None else body.owner
    with services.database.begin() as transaction:
        remove_view(transaction, who, owner, name, now=datetime.now(UTC))


def _kept(view: SavedView) -> KeptView:
    return KeptView(
        owner=view.owner, name=view.name, is_shared=view.is_shared, saved_at=view.saved_at, filter=form_of(view)
    )


PAGE = Page(router, rest=True)
