"""Saved views of the worklist: people's own and shared ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.features.worklist.tables import saved_views
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store.database import Transaction

MAX_OWN = 50


@dataclass(frozen=True, slots=True)
class SavedView:
    """A filter and order of the worklist under a name; ``query`` is that of the page's address.

    ``owner`` is empty for views of a node without accounts, which everybody sees.
    """

    owner: str
    name: str
    is_shared: bool
    query: str
    saved_at: datetime


def visible(transaction: Transaction, person: str) -> list[SavedView]:
    """A person's own views, then shared views of others, each by name."""
    of = saved_views.c
    query = sa.select(saved_views).where(_is_visible(person))
    rows = transaction.execute(query.order_by(sa.case((of.owner == person, 0), else_=1), of.name, of.owner)).mappings()
    return [SavedView(**row) for row in rows]


def load(transaction: Transaction, name: str, person: str) -> SavedView:
    """A view by its name, one's own before those of others; NotFoundError if there is none."""
    for view in visible(transaction, person):
        if view.name == name:
            return view
    raise NotFoundError("There is no view {name}, or it is somebody else's and not shared.", name=name)


def save(transaction: Transaction, view: SavedView, actor: str) -> SavedView:
    """Save a view, replacing one of the same name and owner. ConflictError beyond MAX_OWN views."""
    own = saved_views.c.owner == view.owner
    transaction.execute(sa.delete(saved_views).where(own, saved_views.c.name == view.name))
    if transaction.execute(sa.select(sa.func.count()).where(own)).scalar_one() >= MAX_OWN:
        raise ConflictError("There are {max_own} views already; remove one first.", max_own=MAX_OWN)
    values = {name: getattr(view, name) for name in ("owner", "name", "is_shared", "query", "saved_at")}
    transaction.execute(sa.insert(saved_views).values(values))
    _record(transaction, "saved", view.owner, actor, view.saved_at)
    return view


def remove(transaction: Transaction, owner: str, name: str, actor: str, now: datetime) -> None:
    """Remove a view; NotFoundError if it does not exist."""
    this = saved_views.c.owner == owner, saved_views.c.name == name
    if not transaction.execute(sa.delete(saved_views).where(*this)).rowcount:
        raise NotFoundError("There is no view {name} of {owner}.", name=name, owner=owner or Phrase("this node"))
    _record(transaction, "removed", owner, actor, now)


def _is_visible(person: str) -> sa.ColumnElement[bool]:
    of = saved_views.c
    return sa.or_(of.owner == person, of.owner == "", of.is_shared)


def _record(transaction: Transaction, action: str, owner: str, actor: str, now: datetime) -> None:
    """Without the view's name: a person typed it, and what is sealed stays for ever."""
    detail = {"setting": "saved view", "owner": owner, "action": action}
    records.add(transaction, AuditEntry(AuditEvent.SETTINGS_CHANGED, now, actor, detail=detail))
