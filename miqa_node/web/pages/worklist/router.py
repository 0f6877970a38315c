"""The worklist page: flagged studies, to be filtered, searched, and worked through with the keyboard."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import Field, ValidationError

from miqa_node.domain.access import Permission
from miqa_node.domain.finding import humanised
from miqa_node.domain.instance import ANY_UID
from miqa_node.domain.policy import Verdict
from miqa_node.domain.worklist import Resolution, WorklistItem, WorklistState
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.imaging.plausibility import ISSUES
from miqa_node.store import overview, worklist
from miqa_node.store.worklist import WorklistOrder, WorklistPosition
from miqa_node.taxonomy.lookup import all_finding_names, finding_title
from miqa_node.web.access import Reader, Reviewer, acting
from miqa_node.web.fields import NO_CONTROLS, Actor, Comment, Strict
from miqa_node.web.html import render
from miqa_node.web.page import Navigation, Page
from miqa_node.web.services import Services
from miqa_node.web.site_time import instant, midnight

MOST_COUNTED = 1000
"""Above this the page shows "1,000+", because counting a million rows is too slow."""
OVERVIEW_SPAN = timedelta(hours=24)
BULK = Annotated[list[str], Form(max_length=1000)]

_UID = re.compile(r"[0-9]+(\.[0-9]+){3,}")
_PLACE = re.compile(r"([0-9T:.\-+]{19,32})~([0-9])~(" + ANY_UID + ")")

router = APIRouter()


class Show(StrEnum):
    """Which states the page lists."""

    UNRESOLVED = "unresolved"
    OPEN = "open"
    CLAIMED = "claimed"
    RESOLVED = "resolved"
    ALL = "all"

    @property
    def states(self) -> tuple[WorklistState, ...]:
        """The same for the store; empty is all."""
        match self:
            case Show.UNRESOLVED:
                return tuple(worklist.UNRESOLVED)
            case Show.ALL:
                return ()
            case _:
                return (WorklistState(self.value.upper()),)


class Bulk(StrEnum):
    """What can be done with several studies at once; a rejection needs a look at each."""

    CLAIM = "claim"
    RELEASE = "release"
    DISMISS = "dismiss"
    ACCEPT = "accept"

    @property
    def decides(self) -> bool:
        """Whether it resolves the studies."""
        return self in (Bulk.DISMISS, Bulk.ACCEPT)


class WorklistForm(Strict):
    """The filter above the list, kept in the page's address; an untouched field is sent empty."""

    show: Show = Show.UNRESOLVED
    order: WorklistOrder = WorklistOrder.NEWEST
    verdict: Literal[""] | Verdict = ""
    reason: str = Field("", max_length=64, pattern=NO_CONTROLS)
    modality: str = Field("", max_length=16, pattern=NO_CONTROLS)
    body_part: str = Field("", max_length=64, pattern=NO_CONTROLS)
    view: str = Field("", max_length=64, pattern=NO_CONTROLS)
    station: str = Field("", max_length=64, pattern=NO_CONTROLS)
    assignee: str = Field("", max_length=64, pattern=NO_CONTROLS)
    search: str = Field("", max_length=64, pattern=NO_CONTROLS)
    since: Literal[""] | date = ""
    until: Literal[""] | date = ""
    after: str = Field("", max_length=120, pattern=NO_CONTROLS)
    before: str = Field("", max_length=120, pattern=NO_CONTROLS)

    def filter(self) -> worklist.WorklistFilter:
        """The same for the store; what looks like a UID is looked for as one, else how a name or number begins."""
        search = self.search.strip()
        is_uid = _UID.fullmatch(search) is not None
        return worklist.WorklistFilter(
            state=self.show.states,
            verdict=(self.verdict,) if self.verdict else (),
            reason=self.reason,
            modality=self.modality.strip(),
            body_part=self.body_part.strip(),
            view=self.view.strip(),
            station=self.station.strip(),
            claimed_by=self.assignee.strip(),
            search="" if is_uid else search,
            uid=search if is_uid else "",
            since=midnight(self.since) if self.since else None,
            until=midnight(self.until + timedelta(days=1)) if self.until else None,
        )

    def address(self, path: str = "/", **place: str) -> str:
        """Of the same list, perhaps at another place of it."""
        given = self.model_dump(mode="json", exclude={"after", "before"})
        kept = {key: str(value) for key, value in given.items() if value and value != _DEFAULTS[key]}
        return f"{path}?{urlencode(kept | place)}" if kept | place else path


def read_form(text: str) -> WorklistForm:
    """The filter that the address of a list says; that of the first page if it holds no known key."""
    try:
        return WorklistForm.model_validate(dict(parse_qsl(text)))
    except ValidationError:
        return WorklistForm()


_DEFAULTS = WorklistForm.model_construct().model_dump(mode="json")
_FILTERS = tuple(name for name in WorklistForm.model_fields if name not in {"after", "before", "order"})


FACETS = {"reason": "Finding", "station": "Station", "modality": "Modality", "view": "View"}
MOST_VALUES = 8
"""Of one facet; the commonest."""


def facets_of(services: Services, query: WorklistForm) -> list[tuple[str, list[dict[str, object]]]]:
    """What the studies of the list differ in, with counts and the address that narrows the list, or widens it again."""
    with services.database.begin() as transaction:
        counted = worklist.facets(transaction, query.filter(), tuple(FACETS), MOST_COUNTED)
    shown = []
    for field, title in FACETS.items():
        chosen = getattr(query, field)
        values = dict(list(counted[field].items())[:MOST_VALUES])
        links: list[dict[str, object]] = []
        for value, count in values.items():
            on = value == chosen
            address = query.model_copy(update={field: "" if on else value, "after": "", "before": ""}).address()
            words = reason_words(value) if field == "reason" else value
            links.append({"words": words, "count": count, "chosen": on, "address": address})
        shown.append((title, links))
    return shown


def reason_words(name: str) -> str:
    """A finding's title, or the name of another reason in words."""
    return OTHER_REASONS.get(name) or (finding_title(name) if name in all_finding_names() else humanised(name))


OTHER_REASONS = {"anomaly": "Unlike others", "audit": "Audit of accepted images"}


@router.get("/")
def worklist_page(request: Request, services: Services, who: Reader, query: Annotated[WorklistForm, Query()]) -> str:
    """Flagged studies, newest first or worst first."""
    listing = _listed(services, query)
    part = "hx-request" in request.headers
    with services.database.begin() as transaction:
        numbers = asdict(overview.look(transaction, datetime.now(UTC) - OVERVIEW_SPAN))
    return render(
        "worklist/worklist_list.html" if part else "worklist/worklist.html",
        who=who,
        query=query,
        numbers=numbers,
        may_change=who.may(Permission.REVIEW),
        filtered=any(getattr(query, name) != WorklistForm.model_fields[name].default for name in _FILTERS),
        extended=any(getattr(query, name) for name in ("body_part", "view", "assignee", "since", "until")),
        shows=list(Show),
        verdicts=[verdict for verdict in Verdict if verdict.flagged],
        reasons={
            "Findings": {name: finding_title(name) for name in all_finding_names()},
            "Header against pixels": {name: name.replace("_", " ").capitalize() for name in ISSUES},
            "Other": OTHER_REASONS,
        },
        not_ready=() if part else services.recent_readiness.get(None),
        now=datetime.now(UTC),
        facets=facets_of(services, query),
        escalate_s=services.settings.web.escalate_minutes * 60,
        **listing,
    )


@router.post("/worklist/bulk")
def bulk(
    services: Services,
    who: Reviewer,
    action: Annotated[Bulk, Form()],
    study: BULK = [],  # noqa: B006 - FastAPI copies it
    actor: Annotated[Actor, Form()] = "",
    comment: Annotated[Comment, Form()] = "",
    back: Annotated[str, Form(max_length=2000)] = "/",
    sure: Annotated[bool, Form()] = False,
) -> Response:
    """Do one thing with the selected studies; studies that another person changed first are skipped and reported.

    A decision about several studies first shows what it would decide, and can be undone.
    """
    name, now = acting(who, actor), datetime.now(UTC)
    if action.decides and not sure:
        with services.database.begin() as transaction:
            items = [worklist.show(transaction, uid) for uid in dict.fromkeys(study)]
        page = render(
            "worklist/bulk_ask.html", who=who, action=action, items=items, actor=name, comment=comment,
            back=_inside(back),
        )  # fmt: skip
        return HTMLResponse(page)
    left, undo = 0, []
    done = 0
    for uid in dict.fromkeys(study):
        try:
            with services.database.begin() as transaction:
                match action:
                    case Bulk.CLAIM:
                        worklist.claim(transaction, uid, name, now)
                    case Bulk.RELEASE:
                        worklist.unclaim(transaction, uid, name, now)
                    case Bulk.DISMISS:
                        item = worklist.resolve(transaction, uid, Resolution.DISMISSED, name, comment, now)
                        undo.append(f"{uid} {item.decision}")
                    case Bulk.ACCEPT:
                        item = worklist.resolve(transaction, uid, Resolution.ACCEPTED, name, comment, now)
                        undo.append(f"{uid} {item.decision}")
            done += 1
        except (ConflictError, NotFoundError):
            left += 1
    page = render(
        "worklist/bulk.html", who=who, action=action.value, done=done, left=left, undo=undo, actor=name,
        back=_inside(back),
    )  # fmt: skip
    return HTMLResponse(page, HTTPStatus.OK)


@router.post("/worklist/bulk/undo")
def undo_bulk(
    services: Services,
    who: Reviewer,
    undo: Annotated[list[Annotated[str, Field(pattern=f"^{ANY_UID} [0-9]{{1,18}}$")]], Form(max_length=1000)],
    actor: Annotated[Actor, Form()] = "",
    back: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Take the decisions about several studies back; those about which somebody has decided again stay."""
    name, now = acting(who, actor), datetime.now(UTC)
    done, left = 0, 0
    for one in dict.fromkeys(undo):
        uid, decision = one.split()
        try:
            with services.database.begin() as transaction:
                worklist.reopen(transaction, uid, name, "Undone", now, int(decision))
            done += 1
        except (ConflictError, NotFoundError):
            left += 1
    page = render("worklist/bulk.html", who=who, action="undo", done=done, left=left, undo=(), back=_inside(back))
    return HTMLResponse(page)


def _listed(services: Services, query: WorklistForm) -> dict[str, object]:
    """One page of the list, and the addresses of its neighbours."""
    size = services.settings.web.page_size
    selection = query.filter()
    after, before = _place(query.after), _place(query.before)
    with services.database.begin() as transaction:
        items = worklist.page(transaction, selection, limit=size + 1, order=query.order, after=after, before=before)
        total = worklist.count(transaction, selection, MOST_COUNTED + 1)
    more = len(items) > size
    items = items[-size:] if before else items[:size]
    forward = more if before is None else bool(items)
    backward = more if before is not None else after is not None
    return {
        "items": items,
        "total": f"{MOST_COUNTED:,}+" if total > MOST_COUNTED else str(total),
        "next": query.address(after=_text(items[-1])) if items and forward else "",
        "previous": query.address(before=_text(items[0])) if items and backward else "",
        "listed": query.address(path="").removeprefix("?"),
        "here": query.address(**{name: getattr(query, name) for name in ("after", "before") if getattr(query, name)}),
    }


def _text(item: WorklistItem) -> str:
    place = worklist.place_of(item)
    return f"{place.flagged_at.isoformat()}~{place.rank}~{place.study_instance_uid}"


def _place(text: str) -> WorklistPosition | None:
    match = _PLACE.fullmatch(text)
    if match is None or (at := instant(match[1])) is None:
        return None
    return WorklistPosition(at, int(match[2]), match[3])


def _inside(address: str) -> str:
    return address if address.startswith("/?") or address == "/" else "/"


PAGE = Page(router, Permission.READ, file=__file__, navigation=Navigation("Worklist", "/", 0))
