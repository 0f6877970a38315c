"""Pages for people: the worklist with thumbnails, and everything that is known of one study."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import Form, HTTPException, Path, Query, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from miqa_node.domain.access import Permission
from miqa_node.domain.delivery import DeliveryState
from miqa_node.domain.finding import FindingName
from miqa_node.domain.policy import Verdict
from miqa_node.domain.worklist import Resolution, WorklistItem, WorklistState
from miqa_node.errors import NotFoundError
from miqa_node.imaging.plausibility import ISSUES
from miqa_node.report.narrative import Sentence, sentences
from miqa_node.store import deliveries, history, instances, worklist
from miqa_node.store.database import Transaction
from miqa_node.store.history import InstanceHistory
from miqa_node.web.access import Reader, Reviewer, acting, page_router
from miqa_node.web.api import NO_CONTROLS, Actor, Comment, Strict, Uid
from miqa_node.web.html import render
from miqa_node.web.services import Services

PREVIEW_MAX_AGE_S = 3600
"""A preview never changes, but it should not outlive the work on a shared machine for long."""

UNRESOLVED = (WorklistState.OPEN, WorklistState.CLAIMED)

router = page_router()


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
                return UNRESOLVED
            case Show.ALL:
                return ()
            case _:
                return (WorklistState(self.value.upper()),)


class WorklistForm(Strict):
    """The filter above the list; an untouched field is sent empty."""

    show: Show = Show.UNRESOLVED
    verdict: Literal[""] | Verdict = ""
    reason: str = Field("", max_length=64, pattern=NO_CONTROLS)
    modality: str = Field("", max_length=16, pattern=NO_CONTROLS)
    station: str = Field("", max_length=64, pattern=NO_CONTROLS)
    accession_number: str = Field("", max_length=64, pattern=NO_CONTROLS)
    page: int = Field(1, ge=1, le=1_000_000)

    def filter(self) -> worklist.Filter:
        """The same for the store."""
        return worklist.Filter(
            state=self.show.states,
            verdict=(self.verdict,) if self.verdict else (),
            reason=self.reason,
            modality=self.modality.strip(),
            station=self.station.strip(),
            accession_number=self.accession_number.strip(),
        )

    def address(self, page: int) -> str:
        """Of another page of the same list."""
        given = {key: str(value) for key, value in self.model_dump(mode="json", exclude={"page"}).items() if value}
        return "/?" + urlencode({**given, "page": page})


@router.get("/")
def worklist_page(services: Services, who: Reader, query: Annotated[WorklistForm, Query()]) -> str:
    """Flagged studies, newest first."""
    size = services.settings.web.page_size
    wanted = query.filter()
    with services.database.begin() as transaction:
        items = worklist.select(transaction, wanted, limit=size, offset=(query.page - 1) * size)
        total = worklist.count(transaction, wanted)
        numbers = _numbers(transaction)
    return render(
        "worklist.html",
        who=who,
        items=items,
        total=total,
        numbers=numbers,
        query=query,
        filtered=query.model_dump(exclude={"page"}) != WorklistForm().model_dump(exclude={"page"}),
        first=(query.page - 1) * size + 1,
        older=query.address(query.page + 1) if query.page * size < total else "",
        newer=query.address(query.page - 1) if query.page > 1 else "",
        shows=list(Show),
        verdicts=[verdict for verdict in Verdict if verdict.flagged],
        reasons={
            "Findings": [name.value for name in FindingName],
            "Header against pixels": list(ISSUES),
            "Unlike others": ["anomaly"],
        },
        not_ready=services.readiness(),
        now=datetime.now(UTC),
    )


@router.get("/studies/{study_uid}")
def study_page(services: Services, who: Reader, study_uid: Uid) -> str:
    """One study: its images with findings and measurements, where the results went, and what people did."""
    size = services.settings.web.page_size
    with services.database.begin() as transaction:
        study = history.of_study(transaction, study_uid)
        images = history.of_uid(transaction, study_uid, limit=size + 1)
        item = _item(transaction, study_uid)
        events = history.of_worklist(transaction, study_uid)
    images.sort(key=lambda image: -(image.disposition.verdict.rank if image.disposition else 0))
    return render(
        "study.html",
        who=who,
        study=study,
        images=images[:size],
        language=services.settings.node.language,
        told=_told(images[:size], services.settings.node.language),
        truncated=len(images) > size,
        item=item,
        events=events,
        resolutions=list(Resolution),
        may_change=who.may(Permission.REVIEW),
    )


@router.post("/studies/{study_uid}/claim")
def claim(services: Services, who: Reviewer, study_uid: Uid, actor: Annotated[Actor, Form()] = "") -> Response:
    """The button "Claim"."""
    with services.database.begin() as transaction:
        worklist.claim(transaction, study_uid, acting(who, actor), datetime.now(UTC))
    return _back_to(study_uid)


@router.post("/studies/{study_uid}/release")
def release(services: Services, who: Reviewer, study_uid: Uid, actor: Annotated[Actor, Form()] = "") -> Response:
    """The button "Put back"."""
    with services.database.begin() as transaction:
        worklist.unclaim(transaction, study_uid, acting(who, actor), datetime.now(UTC))
    return _back_to(study_uid)


@router.post("/studies/{study_uid}/resolve")
def resolve(
    services: Services,
    who: Reviewer,
    study_uid: Uid,
    resolution: Annotated[Resolution, Form()],
    actor: Annotated[Actor, Form()] = "",
    comment: Annotated[Comment, Form()] = "",
) -> Response:
    """The buttons "Confirmed", "Dismissed" and "Retaken"."""
    with services.database.begin() as transaction:
        worklist.resolve(transaction, study_uid, resolution, acting(who, actor), comment, datetime.now(UTC))
    return _back_to(study_uid)


@router.get("/previews/{digest}.png")
def preview(services: Services, _who: Reader, digest: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]) -> Response:
    """A small picture of an image, as the pipeline kept it when it decoded the image."""
    try:
        data = services.objects.get(f"previews/{digest[:2]}/{digest}.png")
    except NotFoundError as error:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no preview: the image was not decoded.") from error
    headers = {"cache-control": f"private, max-age={PREVIEW_MAX_AGE_S}"}
    return Response(data, media_type="image/png", headers=headers)


def _told(images: Sequence[InstanceHistory], language: str) -> dict[str, tuple[Sentence, ...]]:
    """What was found of each image in sentences, by digest."""
    return {
        image.instance.digest: sentences(image.assessment, image.disposition, language)
        for image in images
        if image.assessment is not None and image.disposition is not None
    }


def _item(transaction: Transaction, study_uid: str) -> WorklistItem | None:
    try:
        return worklist.show(transaction, study_uid)
    except NotFoundError:
        return None


def _numbers(transaction: Transaction) -> dict[str, int]:
    counts = instances.count(transaction)
    waiting = deliveries.count_by_state(transaction)
    return {
        "unresolved": worklist.count(transaction, worklist.Filter(state=UNRESOLVED)),
        "received": counts.received,
        "in work": counts.received - counts.decided,
        "accepted": counts.verdicts.get(Verdict.ACCEPT, 0),
        "not assessed": counts.verdicts.get(Verdict.NOT_ASSESSED, 0),
        "deliveries waiting": sum(n for (_, state), n in waiting.items() if state == DeliveryState.QUEUED),
        "deliveries failed": sum(n for (_, state), n in waiting.items() if state == DeliveryState.FAILED),
    }


def _back_to(study_uid: str) -> Response:
    return RedirectResponse(f"/studies/{study_uid}", HTTPStatus.SEE_OTHER)
