"""The worklist page: flagged studies, with filters, search and keyboard navigation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import Field

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.instance import ANY_UID
from miqa_node.core.domain.prediction import PENDING_NAMES
from miqa_node.core.domain.reassessment import KEPT_FLAG
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import Resolution, WorklistItem
from miqa_node.core.language.catalogue import LANGUAGE, say
from miqa_node.core.language.local_time import instant, local
from miqa_node.core.settings.files import read_toml
from miqa_node.core.taxonomy.lookup import all_finding_names, finding_title
from miqa_node.core.taxonomy.reasons import OTHER_REASONS, reason_words
from miqa_node.core.words.formats import whole
from miqa_node.core.words.reason import plain, titles_in
from miqa_node.core.words.search_words import OF_LOOK
from miqa_node.dicom.pixels.plausibility import ISSUES
from miqa_node.errors import ConflictError, InputError, NotFoundError
from miqa_node.features.worklist.decision import Decision
from miqa_node.features.worklist.form import Show, WorklistForm
from miqa_node.features.worklist.page.desk import desk_of
from miqa_node.features.worklist.page.saving import form_of
from miqa_node.features.worklist.page.worklist_csv import worklist_csv
from miqa_node.features.worklist.rows import overview, saved_views, worklist
from miqa_node.features.worklist.rows.worklist import WorklistOrder, WorklistPosition
from miqa_node.interfaces.web.access import Reader, Reviewer, acting
from miqa_node.interfaces.web.card import WORKLIST, WORKLIST_NUMBER, WORKLIST_ROW, NumberOnPage
from miqa_node.interfaces.web.fields import Actor, Comment
from miqa_node.interfaces.web.html.cards import PageCards
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Navigation, Page
from miqa_node.interfaces.web.services import Services
from miqa_node.runtime.people import users
from miqa_node.runtime.store.database import Transaction

MOST_COUNTED = 1000
"""Above this the page shows "1,000+", because counting a million rows is too slow."""
OVERVIEW_SPAN = timedelta(hours=24)
SHORT_TITLES = read_toml(Path(__file__).with_name("chips.toml"))
"""By language and name, where a title has more words than a chip."""
BULK = Annotated[list[str], Form(max_length=1000)]

_PLACE = re.compile(r"([0-9T:.\-+]{19,32})~([0-9])(?:\.([0-9]{1,4}))?~(" + ANY_UID + ")")

router = APIRouter()


class Bulk(StrEnum):
    """Actions on several studies at once; a rejection needs a look at each."""

    CLAIM = "claim"
    RELEASE = "release"
    ASSIGN = "assign"
    DISMISS = "dismiss"
    ACCEPT = "accept"

    @property
    def decides(self) -> bool:
        """Whether it resolves the studies."""
        return self in (Bulk.DISMISS, Bulk.ACCEPT)


_FILTERS = tuple(name for name in WorklistForm.model_fields if name not in {"after", "before", "order"})


FOLDED = ("verdict", "reason", "modality", "station", "body_part", "view", "assignee", "mine", "since", "until")
"""Filters that the page folds while none of them is used."""
FACETS = {"reason": "Finding", "station": "Station", "modality": "Modality", "view": "View"}
MOST_VALUES = 8
"""Maximum number of values of a facet; the most common ones."""


def facets_of(
    services: Services, query: WorklistForm, studies: Sequence[str]
) -> list[tuple[str, list[dict[str, object]]]]:
    """The facets of the list's newest studies, with counts and the address that applies or removes each filter."""
    with services.database.begin() as transaction:
        counted = worklist.facets(transaction, studies, tuple(FACETS))
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


@dataclass(frozen=True, slots=True)
class Chip:
    """One finding of a study in its row, and of how many images."""

    title: str
    whole: str
    is_unusual: bool
    count: int


def chips_of(item: WorklistItem) -> list[Chip]:
    """The findings of a study, those of its worst images first, each once; what is only unusual comes last."""
    worst_first = sorted(item.images, key=lambda image: -image.verdict.rank)
    reasons = [
        (_chip_title(name, text), plain(text))
        for image in worst_first
        for name, text in zip(image.names, image.reasons, strict=True)
        if name not in OF_LOOK
    ]
    counted = Counter(title for title, _ in reasons)
    first = dict(reversed(reasons))
    titles = sorted(counted, key=lambda title: first[title].is_unusual)
    return [Chip(title, first[title].whole, first[title].is_unusual, counted[title]) for title in titles]


def _chip_title(name: str, text: str) -> str:
    """Two or three words: a finding, what was measured, or the name of another reason in place of its sentence."""
    if name == KEPT_FLAG:
        return say("Earlier: {finding}", finding=titles_in(text)[0])
    if name in PENDING_NAMES:
        return say("Prediction waits")
    if short := SHORT_TITLES.get(LANGUAGE.get(), {}).get(name):
        return str(short)
    one = plain(text)
    return one.title if one.figures or one.is_unusual else reason_words(name)


@router.get("/")
def worklist_page(request: Request, services: Services, who: Reader, query: Annotated[WorklistForm, Query()]) -> str:
    """Flagged studies, newest first or worst first."""
    listing, items, studies = _listed(services, query, who.name)
    part = "hx-request" in request.headers
    with services.database.begin() as transaction:
        numbers = asdict(overview.look(transaction, datetime.now(UTC) - OVERVIEW_SPAN))
        people = users.reviewers(transaction)
        views = saved_views.visible(transaction, who.name)
        named = items if services.settings.web.patient_names else ()
        patients = worklist.patient_names(transaction, [one.study_instance_uid for one in named])
    cards = PageCards(services, who, query.address(path="").removeprefix("?"))
    figures = [NumberOnPage(name, count) for name, count in numbers.items()]
    return render(
        "worklist/worklist_list.html" if part else "worklist/worklist.html",
        who=who,
        query=query,
        numbers=numbers,
        people=people,
        views=[(view, form_of(view).address()) for view in views],
        current=next((view for view in views if form_of(view) == query), None),
        may_administer=who.may(Permission.ADMIN),
        may_change=who.may(Permission.REVIEW),
        filtered=any(getattr(query, name) != WorklistForm.model_fields[name].default for name in _FILTERS),
        extended=any(getattr(query, name) for name in FOLDED),
        shows=list(Show),
        verdicts=[verdict for verdict in Verdict if verdict.flagged],
        reasons={
            "Findings": {name: finding_title(name, LANGUAGE.get()) for name in all_finding_names()},
            "Header against pixels": {name: say(name.replace("_", " ").capitalize()) for name in ISSUES},
            "Other": {name: say(text) for name, text in OTHER_REASONS.items()},
        },
        cards=cards,
        chips=[chips_of(item) for item in items],
        of_others="" if part else cards.of(WORKLIST, None),
        patients=patients,
        row_cards=cards.each(WORKLIST_ROW, items),
        number_cards=dict(zip(numbers, cards.each(WORKLIST_NUMBER, figures), strict=True)),
        now=datetime.now(UTC),
        facets=facets_of(services, query, studies),
        escalate_s=services.settings.web.escalate_minutes * 60,
        **listing,
    )


@router.get("/worklist.csv")
def worklist_as_csv(services: Services, who: Reader, query: Annotated[WorklistForm, Query()]) -> Response:
    """The studies of the list as CSV, with decisions and comments."""
    return worklist_csv(services, query.filter(who.name), query.order, local(datetime.now(UTC)).date())


@router.post("/worklist/bulk")
def bulk(
    services: Services,
    who: Reviewer,
    action: Annotated[Bulk, Form()],
    study: BULK = [],  # noqa: B006 - FastAPI copies it
    image_count: Annotated[list[int], Form(max_length=1000)] = [],  # noqa: B006
    actor: Annotated[Actor, Form()] = "",
    to: Annotated[Actor, Form()] = "",
    comment: Annotated[Comment, Form()] = "",
    back: Annotated[str, Form(max_length=2000)] = "/",
    sure: Annotated[bool, Form()] = False,
) -> Response:
    """Apply one action to the selected studies; studies changed by another person first are skipped and reported.

    A decision about several studies first shows a preview, and can be undone.
    """
    name, now = acting(who, actor), datetime.now(UTC)
    if action is Bulk.ASSIGN and not to.strip():
        raise InputError("Choose a person to assign the studies to.")
    if action.decides and not sure:
        with services.database.begin() as transaction:
            items = [worklist.show(transaction, uid) for uid in dict.fromkeys(study)]
        page = render(
            "worklist/bulk_ask.html", who=who, action=action, items=items, actor=name, comment=comment,
            back=_inside(back),
        )  # fmt: skip
        return HTMLResponse(page)
    counts = dict(zip(study, image_count, strict=False))
    remainder, undo = 0, []
    done = 0
    for uid in dict.fromkeys(study):
        try:
            if action.decides:
                resolution = Resolution.DISMISSED if action is Bulk.DISMISS else Resolution.ACCEPTED
                decision = Decision(resolution, name, comment, image_count=counts.get(uid))
                undo.append(f"{uid} {services.of(desk_of).decide(uid, decision).decision}")
            else:
                with services.database.begin() as transaction:
                    _hand(transaction, action, uid, to.strip(), name, now)
            done += 1
        except (ConflictError, NotFoundError):
            remainder += 1
    page = render(
        "worklist/bulk.html", who=who, action=action.value, done=done, left=remainder, undo=undo, actor=name,
        back=_inside(back),
    )  # fmt: skip
    return HTMLResponse(page, HTTPStatus.OK)


def _hand(transaction: Transaction, action: Bulk, study_uid: str, to: str, name: str, now: datetime) -> None:
    if action is Bulk.CLAIM:
        worklist.claim(transaction, study_uid, name, now)
    elif action is Bulk.ASSIGN:
        worklist.assign(transaction, study_uid, to, name, now)
    else:
        worklist.unclaim(transaction, study_uid, name, now)


@router.post("/worklist/bulk/undo")
def undo_bulk(
    services: Services,
    who: Reviewer,
    undo: Annotated[list[Annotated[str, Field(pattern=f"^{ANY_UID} [0-9]{{1,18}}$")]], Form(max_length=1000)],
    actor: Annotated[Actor, Form()] = "",
    back: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Withdraw the decisions about several studies, except for studies that were decided again."""
    name, now = acting(who, actor), datetime.now(UTC)
    done, remainder = 0, 0
    for one in dict.fromkeys(undo):
        uid, decision = one.split()
        try:
            with services.database.begin() as transaction:
                worklist.reopen(transaction, uid, name, "Undone", now, int(decision))
            done += 1
        except (ConflictError, NotFoundError):
            remainder += 1
    page = render("worklist/bulk.html", who=who, action="undo", done=done, left=remainder, undo=(), back=_inside(back))
    return HTMLResponse(page)


def _listed(
    services: Services, query: WorklistForm, name: str
) -> tuple[dict[str, object], Sequence[WorklistItem], Sequence[str]]:
    """One page of the list with the addresses of its neighbours, its studies, and the newest studies of the list."""
    size = services.settings.web.page_size
    selection = query.filter(name)
    after, before = _place(query.after), _place(query.before)
    with services.database.begin() as transaction:
        newest = worklist.newest(transaction, selection, MOST_COUNTED + 1)
        all_of_them = newest if len(newest) <= MOST_COUNTED else None
        begins = query.order is WorklistOrder.NEWEST and not (after or before)
        items = worklist.page(
            transaction, selection, limit=size + 1, order=query.order, after=after, before=before,
            among=newest[: size + 1] if begins else all_of_them,
        )  # fmt: skip
    more = len(items) > size
    items = items[-size:] if before else items[:size]
    forward = more if before is None else bool(items)
    backward = more if before is not None else after is not None
    listing: dict[str, object] = {
        "items": items,
        "total": str(len(newest)) if all_of_them is not None else f"{whole(MOST_COUNTED)}+",
        "next": query.address(after=_text(items[-1])) if items and forward else "",
        "previous": query.address(before=_text(items[0])) if items and backward else "",
        "listed": query.address(path="").removeprefix("?"),
        "as_csv": query.address("/worklist.csv"),
        "here": query.address(**{name: getattr(query, name) for name in ("after", "before") if getattr(query, name)}),
    }
    return listing, items, newest[:MOST_COUNTED]


def _text(item: WorklistItem) -> str:
    place = worklist.place_of(item)
    return f"{place.flagged_at.isoformat()}~{place.rank}.{place.severity}~{place.study_instance_uid}"


def _place(text: str) -> WorklistPosition | None:
    match = _PLACE.fullmatch(text)
    if match is None or (at := instant(match[1])) is None:
        return None
    return WorklistPosition(at, int(match[2]), int(match[3] or 0), match[4])


def _inside(address: str) -> str:
    return address if address.startswith("/?") or address == "/" else "/"


PAGE = Page(router, Permission.READ, file=__file__, navigation=Navigation("Worklist", "/", 0))
