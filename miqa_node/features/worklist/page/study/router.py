"""The page of one study: its images with findings and reasons, deliveries and history."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.codes import REASON_CODES
from miqa_node.core.domain.worklist import WorklistItem, WorklistState
from miqa_node.core.language.catalogue import LANGUAGE
from miqa_node.core.settings import Settings
from miqa_node.core.taxonomy.lookup import all_finding_names, defect_names, finding_title, is_object
from miqa_node.core.words.object_words import title_of
from miqa_node.core.words.phrases import MARKS
from miqa_node.errors import NotFoundError
from miqa_node.features.worklist.form import Show, read_form
from miqa_node.features.worklist.page.study.images import StudyImage, images_of
from miqa_node.features.worklist.page.study.panel import Panel
from miqa_node.features.worklist.rows import conflicts, decisions, history, worklist
from miqa_node.interfaces.web.access import Reader
from miqa_node.interfaces.web.card import (
    STUDY,
    STUDY_ACTIONS,
    STUDY_IMAGE,
    STUDY_NUMBER,
    STUDY_PICTURE,
    ImageOnPage,
    NumberOfImage,
    StudyOnPage,
)
from miqa_node.interfaces.web.fields import Uid
from miqa_node.interfaces.web.html.cards import PageCards
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.services import Services
from miqa_node.runtime.people import users
from miqa_node.runtime.store.database import Transaction

MAX_IMAGES = 24
"""Maximum number of images on the page; of larger studies it shows the worst. Each image has its own canvas."""

KEYS = (
    ("a d t r", "accept, dismiss, request a retake, reject"),
    ("c p", "claim, put back"),
    ("u", "undo the decision"),
    ("s", "say something without deciding"),
    ("n", "next study of the list"),
    ("b", "back to the list"),
    ("Escape", "out of a field, so that keys count again"),
    ("e", "after a decision show the next study"),
    ("[ ]", "previous, next image"),
    ("PageUp PageDown", "previous, next slice"),
    ("y", "overview of the slices"),
    ("o h", "outlines, map"),
    ("v g", "beside it the prior, the last good image of this room"),
    ("w i", "next window preset, invert"),
    ("1 0", "one pixel of the image on each of the screen, everything as it was"),
    ("m", "ruler: the arrow keys move it, with Shift its far end"),
    ("f", "full screen"),
)
"""Keys of the page. While the image has the focus, arrows move it, Shift with arrows changes the window, + and -
zoom."""

UNDO_SPAN = timedelta(minutes=15)
"""Time after a decision in which its author can undo it with one key."""

router = APIRouter()


@router.get("/studies/{study_uid}")
def study_page(
    services: Services,
    who: Reader,
    study_uid: Uid,
    listed: Annotated[str, Query(alias="list", max_length=1000)] = "",
    decided: Annotated[Uid | Literal[""], Query()] = "",
    origin: Annotated[Literal["", "images"], Query(alias="from")] = "",
) -> str:
    """One study: its images with findings and measurements, deliveries, and people's actions.

    ``list`` is the filter of the list from which it was opened, which determines the next study. ``decided`` is the
    previous study, whose decision can still be undone. ``origin`` is the page that it was opened from, if not the list.
    """
    with services.database.begin() as transaction:
        study = history.of_study(transaction, study_uid)
        shown, truncated = images_of(services, transaction, study, MAX_IMAGES)
        item = item_of(transaction, study_uid)
        events = history.of_worklist(transaction, study_uid)
        resolved = item is not None and item.state is WorklistState.RESOLVED
        following = following_study(transaction, listed, item, who.name) if item is not None else ""
        before = item_of(transaction, decided) if decided else None
        notes = decisions.notes_of(transaction, item.decision) if item is not None and item.decision else []
        hidden_in = decisions.hidden_in(transaction, study_uid)
        people = users.reviewers(transaction)
        conflict = conflicts.of_study(transaction, study_uid)
    cards = PageCards(services, who, listed)
    awaiting = {one.digest for one in item.images} if item is not None and not resolved else frozenset()
    on_page = [on_page_of(image, number, awaiting) for number, image in enumerate(shown, 1)]
    panels = [image.panel for image in shown]
    whole = StudyOnPage(study.study_instance_uid, frozenset(one.instance.header.modality for one in on_page))
    return render(
        "study/study.html",
        who=who,
        cards=cards,
        on_page=on_page,
        below_pictures=cards.each(STUDY_PICTURE, on_page),
        among_results=cards.each(STUDY_IMAGE, on_page),
        panels=panels,
        beside_numbers=beside_numbers(cards, shown, panels),
        below_images=cards.of(STUDY, whole),
        actions=cards.of(STUDY_ACTIONS, whole),
        keys=KEYS,
        study=study,
        images=shown,
        language=LANGUAGE.get(),
        truncated=truncated,
        item=item,
        unresolved=item is not None and not resolved,
        following=following,
        listed=listed,
        origin=origin,
        notes=notes,
        hidden_in=hidden_in,
        people=people,
        undoable=next((one for one in (item, before) if one and _may_undo(one, who.name, datetime.now(UTC))), None),
        events=events,
        conflict=conflict,
        reasons=sorted(REASON_CODES.values(), key=lambda code: code.value),
        likely=likely_reason(shown),
        may_change=who.may(Permission.REVIEW),
        patient_names=services.settings.web.patient_names,
        viewer=viewer_link(services.settings, study_uid),
        words=_titles(shown),
        marks=MARKS,
        defects=[name for name in defect_names() if not is_object(name)],
    )


def on_page_of(image: StudyImage, number: int, awaiting: Collection[str]) -> ImageOnPage:
    """What cards are told of an image; ``awaiting`` are the digests of images that wait for a decision."""
    one = image.history
    measured = one.assessment is not None and bool(one.assessment.measurements)
    return ImageOnPage(number, one.instance, measured, len(image.slices) > 1, one.instance.digest in awaiting)


def beside_numbers(
    cards: PageCards, images: Sequence[StudyImage], panels: Sequence[Panel | None]
) -> list[dict[str, str]]:
    """What cards show beside the measurements of each image's panel, by measurement; without what is empty."""
    numbers = [
        (place, NumberOfImage(image.history.instance, one.measured.name, one.measured.unit))
        for place, (image, panel) in enumerate(zip(images, panels, strict=True))
        for one in (panel.numbers if panel is not None else ())
        if one.measured is not None
    ]
    shown: list[dict[str, str]] = [{} for _ in images]
    for (place, one), html in zip(numbers, cards.each(STUDY_NUMBER, [one for _, one in numbers]), strict=True):
        if html:
            shown[place][one.measurement] = html
    return shown


def following_study(transaction: Transaction, listed: str, item: WorklistItem, name: str) -> str:
    """The next study of the list from which the study was opened, wrapping at the end; empty if there is none.

    ``listed`` is the query of the list's address, ``name`` the person whose list it is.
    """
    form = read_form(listed)
    criteria = form.filter(name)
    if form.show is Show.UNRESOLVED and not criteria.claimed_by:
        criteria = criteria.model_copy(update={"state": (WorklistState.OPEN,)})  # skip what others have claimed
    for after in (worklist.place_of(item), None):
        items = worklist.page(transaction, criteria, limit=2, order=form.order, after=after)
        for one in items:
            if one.study_instance_uid != item.study_instance_uid:
                return one.study_instance_uid
    return ""


def _may_undo(item: WorklistItem, name: str, now: datetime) -> bool:
    """Whether the newest decision is this person's own; without accounts, always."""
    if item.decision is None or item.resolved_at is None or name not in ("", item.resolved_by):
        return False
    return now - item.resolved_at < UNDO_SPAN


def _titles(images: Sequence[StudyImage]) -> dict[str, str]:
    """Titles of findings: all known ones, and those of the images."""
    titles = {str(name): finding_title(name, LANGUAGE.get()) for name in all_finding_names()}
    for image in images:
        titles |= {finding.name: title_of(finding, LANGUAGE.get()) for finding in (*image.present, *image.absent)}
    return titles


def item_of(transaction: Transaction, study_uid: str) -> WorklistItem | None:
    """The study on the worklist; None if it was never flagged."""
    try:
        return worklist.show(transaction, study_uid)
    except NotFoundError:
        return None


def likely_reason(images: Sequence[StudyImage]) -> str:
    """The preselected code value of CID 7011: that of the worst image's first deciding reason."""
    for image in images:
        disposition = image.history.disposition
        if disposition is not None and disposition.flagged:
            for reason in disposition.reasons:
                if reason.verdict is disposition.verdict and reason.code.value in REASON_CODES:
                    return reason.code.value
    return ""


def viewer_link(settings: Settings, study_uid: str) -> str:
    """The address of the study in the site's own viewer; empty if none is configured."""
    template = settings.web.viewer_url
    return template.replace("{study_uid}", quote(study_uid, safe="")) if "{study_uid}" in template else ""


PAGE = Page(router, Permission.READ, file=__file__)
