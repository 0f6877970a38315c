"""Saved views of the worklist, for the page, the REST interface and the command line.

The text of a search is not kept: it may name a patient.
"""

from __future__ import annotations

from datetime import datetime

from miqa_node.core.domain.access import Permission, Principal
from miqa_node.errors import AccessError
from miqa_node.features.worklist.form import WorklistForm, read_form
from miqa_node.features.worklist.rows import saved_views
from miqa_node.features.worklist.rows.saved_views import SavedView
from miqa_node.runtime.store.database import Transaction


def kept_query(form: WorklistForm) -> str:
    """The query of a list's address as stored in a view: filters and order, without search text and position."""
    return form.model_copy(update={"search": ""}).address(path="").removeprefix("?")


def save_view(
    transaction: Transaction, who: Principal, name: str, form: WorklistForm, *, shared: bool, now: datetime
) -> SavedView:
    """Save a view for its account; without accounts everybody sees it."""
    view = SavedView(who.name, name.strip(), shared or not who.name, kept_query(form), now)
    return saved_views.save(transaction, view, who.actor)


def remove_view(transaction: Transaction, who: Principal, owner: str, name: str, *, now: datetime) -> None:
    """Remove one's own view, or as an administrator any; AccessError for others."""
    if owner != who.name and not who.may(Permission.ADMIN):
        raise AccessError("Only its owner or an administrator removes a view.")
    saved_views.remove(transaction, owner, name, who.actor, now)


def form_of(view: SavedView) -> WorklistForm:
    """The filter of a saved view; fields that this version does not know are left out."""
    return read_form(view.query)
