"""The REST interface: the worklist and the records of each image, as the domain's types in JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from miqa_node.core.domain.codes import REASON_CODES
from miqa_node.core.domain.instance import ANY_UID, InstanceDigest
from miqa_node.core.domain.patient import PatientConflict
from miqa_node.core.domain.worklist import Reopening, Resolution, WorklistItem
from miqa_node.core.words.makers import Makers
from miqa_node.core.words.narrative import narrative
from miqa_node.errors import InputError, NotFoundError
from miqa_node.features.worklist.decision import MAX_IMAGES, Decision
from miqa_node.features.worklist.filter import WorklistFilter
from miqa_node.features.worklist.page.desk import desk_of
from miqa_node.features.worklist.page.regions import Regions, by_image
from miqa_node.features.worklist.page.saving import form_of
from miqa_node.features.worklist.page.worklist_csv import worklist_csv
from miqa_node.features.worklist.rows import conflicts, corrections, history, saved_views, worklist
from miqa_node.features.worklist.rows.history import InstanceHistory, WorklistEvent
from miqa_node.features.worklist.rows.worklist import WorklistOrder
from miqa_node.interfaces.web.access import Reader, Reviewer, acting
from miqa_node.interfaces.web.fields import (
    MAX_OFFSET,
    MAX_PAGE,
    Actor,
    Assignee,
    Comment,
    Digest,
    Remark,
    Uid,
    ViewName,
)
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import CHANGE_ERRORS, FIND_ERRORS, responses
from miqa_node.interfaces.web.services import Services
from miqa_node.interfaces.web.values import DIGEST, Strict
from miqa_node.runtime.store.database import Transaction

GivenUid = Annotated[str, Field(pattern=f"^({ANY_UID})?$")]
DigestOrUid = Annotated[
    str,
    Path(pattern=f"^{ANY_UID}$", description="Digest, or a SOP instance, series or study UID."),
]

ReasonValue = Annotated[
    str,
    Field(
        json_schema_extra={"enum": ["", *REASON_CODES]},
        description="Why, as a code value of DICOM CID 7011 (scheme DCM).",
    ),
]


class WorklistQuery(WorklistFilter):
    """The filter; omitted fields match everything."""

    mine: bool = Field(False, description="Only what the account that asks has claimed or was given.")
    saved: ViewName | Literal[""] = Field(
        "", description="Name of a saved view; no other filter can be given with it, but limit and offset."
    )
    limit: int | None = Field(None, ge=1, le=MAX_PAGE, description="Maximum number; default is web.page_size.")
    offset: int = Field(0, ge=0, le=MAX_OFFSET, description="Number of newest rows to skip.")

    def filter(self, name: str) -> WorklistFilter:
        """The filter itself, for the account called ``name``; InputError if it has none."""
        if self.mine and not name:
            raise InputError("mine: this node has no accounts; name claimed_by.")
        fields = self.model_dump(include=set(WorklistFilter.model_fields))
        return WorklistFilter(**fields | ({"claimed_by": name} if self.mine else {}))


class WorklistPage(BaseModel):
    """One page of flagged studies, newest first."""

    items: list[WorklistItem]
    total: int = Field(description="How many match the filter, on all pages.")
    limit: int
    offset: int


class Claim(Strict):
    """The person who claims an item or puts it back."""

    actor: Actor = ""


class Assign(Strict):
    """The person who gives an item to another, and who gets it."""

    actor: Actor = ""
    to: Assignee


class CommentOn(Strict):
    """What a person says about an item without deciding."""

    actor: Actor = ""
    text: Remark


class Resolve(Strict):
    """A decision about an item and its reason; it becomes a label of its images."""

    actor: Actor = ""
    resolution: Resolution
    comment: Comment = ""
    reason: ReasonValue = ""
    images: list[Annotated[str, Field(pattern=DIGEST)]] = Field(
        [],
        max_length=MAX_IMAGES,
        description="Digests of the flagged images that it is about. Without: all of the study, and the label is of "
        "the only one; of several all that are rejected, else those that something was drawn on.",
    )
    image_count: int | None = Field(
        None, ge=1, description="How many flagged images were seen: 409 if it has another number by now."
    )
    regions: Regions = Field([], description="What was drawn on these images.")


class Reopen(Strict):
    """Who takes a decision back, and why."""

    actor: Actor = ""
    comment: Annotated[Remark, Field(description="Why; kept in the history of the study.")]
    decision: int | None = Field(None, description="Only if this decision is still in force; without: whichever is.")


class MissingUids(Strict):
    """The UIDs that the file of an object lacks; empty for one that it has."""

    actor: Actor = ""
    study_instance_uid: GivenUid = ""
    series_instance_uid: GivenUid = ""


class Instances(BaseModel):
    """Every instance that the UID or digest names, oldest first."""

    instances: list[InstanceHistory]
    truncated: bool = Field(description="There are more than limit.")
    narratives: dict[str, tuple[str, ...]] = Field(description="What was found in sentences, by digest.")
    made_by: dict[str, Makers] = Field(description="Who made each statement, by digest, as `assess --json` tells it.")


router = APIRouter(prefix="/api/v1")


@router.get("/worklist", summary="List flagged studies", tags=["worklist"], responses=responses(401, 403, 422, 503))
def list_worklist(services: Services, who: Reader, query: Annotated[WorklistQuery, Query()]) -> WorklistPage:
    """Flagged studies, newest first, with their flagged images and the reasons."""
    limit = query.limit or services.settings.web.page_size
    with services.database.begin() as transaction:
        selection = _selection(transaction, query, who.name)
        items = worklist.select(transaction, selection, limit=limit, offset=query.offset)
        total = worklist.count(transaction, selection)
    return WorklistPage(items=items, total=total, limit=limit, offset=query.offset)


@router.get(
    "/worklist.csv",
    summary="Flagged studies as CSV",
    tags=["worklist"],
    responses=responses(401, 403, 422, 503, media=("text/csv",)),
    response_class=Response,
)
def list_worklist_csv(services: Services, who: Reader, query: Annotated[WorklistQuery, Query()]) -> Response:
    """All that match, newest first, whatever `limit` and `offset` say: state, decision, reasons and comments."""
    with services.database.begin() as transaction:
        selection = _selection(transaction, query, who.name)
    return worklist_csv(services, selection, WorklistOrder.NEWEST, datetime.now(UTC).date())


@router.get("/worklist/{study_uid}", summary="One flagged study", tags=["worklist"], responses=FIND_ERRORS)
def show_worklist(services: Services, _who: Reader, study_uid: Uid) -> WorklistItem:
    """One flagged study."""
    with services.database.begin() as transaction:
        return worklist.show(transaction, study_uid)


@router.get("/worklist/{study_uid}/events", summary="What happened to it", tags=["worklist"], responses=FIND_ERRORS)
def show_events(services: Services, _who: Reader, study_uid: Uid) -> list[WorklistEvent]:
    """What people and the node did with a flagged study, oldest first; rows are only ever added."""
    with services.database.begin() as transaction:
        worklist.show(transaction, study_uid)
        return history.of_worklist(transaction, study_uid)


@router.post("/worklist/{study_uid}/claim", summary="Take a flagged study", tags=["worklist"], responses=CHANGE_ERRORS)
def claim(services: Services, who: Reviewer, study_uid: Uid, body: Claim) -> WorklistItem:
    """OPEN or CLAIMED becomes CLAIMED; an item that another person claimed is reassigned."""
    with services.database.begin() as transaction:
        return worklist.claim(transaction, study_uid, acting(who, body.actor), datetime.now(UTC))


@router.post("/worklist/{study_uid}/release", summary="Put it back", tags=["worklist"], responses=CHANGE_ERRORS)
def release(services: Services, who: Reviewer, study_uid: Uid, body: Claim) -> WorklistItem:
    """CLAIMED becomes OPEN."""
    with services.database.begin() as transaction:
        return worklist.unclaim(transaction, study_uid, acting(who, body.actor), datetime.now(UTC))


@router.post(
    "/worklist/{study_uid}/assign", summary="Give it to a colleague", tags=["worklist"], responses=CHANGE_ERRORS
)
def assign(services: Services, who: Reviewer, study_uid: Uid, body: Assign) -> WorklistItem:
    """OPEN or CLAIMED becomes CLAIMED by the one who is named."""
    with services.database.begin() as transaction:
        return worklist.assign(transaction, study_uid, body.to.strip(), acting(who, body.actor), datetime.now(UTC))


@router.post(
    "/worklist/{study_uid}/comments", summary="Comment without deciding", tags=["worklist"], responses=CHANGE_ERRORS
)
def comment_on(services: Services, who: Reviewer, study_uid: Uid, body: CommentOn) -> WorklistItem:
    """Open or resolved; comments are kept in order, with name and time, and nobody can change them."""
    with services.database.begin() as transaction:
        return worklist.comment(transaction, study_uid, body.text, acting(who, body.actor), datetime.now(UTC))


@router.post("/worklist/{study_uid}/resolve", summary="Decide it", tags=["worklist"], responses=CHANGE_ERRORS)
def resolve(services: Services, who: Reviewer, study_uid: Uid, body: Resolve) -> WorklistItem:
    """OPEN or CLAIMED becomes RESOLVED, until it is reopened or another image of the study is flagged.

    Without `images` it is about all flagged images; `image_count` excludes one that was flagged after somebody looked.

    No rejection note is sent: that needs the second look of the study's page, or `miqa-node worklist resolve`.
    """
    decision = Decision(
        body.resolution,
        acting(who, body.actor),
        body.comment,
        body.reason,
        tuple(body.images),
        by_image(body.regions),
        image_count=body.image_count,
    )
    return services.of(desk_of).decide(study_uid, decision)


@router.post("/worklist/{study_uid}/reopen", summary="Take a decision back", tags=["worklist"], responses=CHANGE_ERRORS)
def reopen(services: Services, who: Reviewer, study_uid: Uid, body: Reopen) -> Reopening:
    """RESOLVED becomes OPEN, or CLAIMED by the same person: labels of the decision no longer count.

    A study that another flagged image opened again stays as it is.

    A rejection note that waits is cancelled. Archives in `must_restore` have got it: DICOM cannot take that back.
    """
    with services.database.begin() as transaction:
        actor = acting(who, body.actor)
        return worklist.reopen(transaction, study_uid, actor, body.comment, datetime.now(UTC), body.decision)


@router.get(
    "/conflicts",
    summary="Studies with images of several patients",
    tags=["worklist"],
    responses=responses(401, 403, 503),
)
def list_conflicts(services: Services, _who: Reader) -> list[PatientConflict]:
    """Those that nobody has looked at, newest first; at most a thousand."""
    with services.database.begin() as transaction:
        return conflicts.unresolved(transaction, limit=MAX_PAGE)


@router.post(
    "/conflicts/{study_uid}/resolve", summary="Say what was found out", tags=["worklist"], responses=CHANGE_ERRORS
)
def resolve_conflict(services: Services, who: Reviewer, study_uid: Uid, body: CommentOn) -> PatientConflict:
    """Somebody has looked at a study with images of several patients. The images stay as they are."""
    with services.database.begin() as transaction:
        return conflicts.resolve(transaction, study_uid, acting(who, body.actor), body.text, datetime.now(UTC))


@router.post(
    "/instances/{digest}/uids", summary="Give an object its missing UIDs", tags=["instances"], responses=CHANGE_ERRORS
)
def give_uids(services: Services, who: Reviewer, digest: Digest, body: MissingUids) -> Instances:
    """Give an object that came without Study or Series Instance UID the right one."""
    corrections.give_uids(
        services.database, services.objects, InstanceDigest(digest), body.study_instance_uid, body.series_instance_uid,
        acting(who, body.actor), datetime.now(UTC),
    )  # fmt: skip
    return show_instances(services, who, digest)


@router.get(
    "/instances/{digest_or_uid}", summary="What the node knows of an image", tags=["instances"], responses=FIND_ERRORS
)
def show_instances(
    services: Services,
    _who: Reader,
    digest_or_uid: DigestOrUid,
    limit: Annotated[int | None, Query(ge=1, le=MAX_PAGE, description="Default is web.page_size.")] = None,
) -> Instances:
    """Arrival, assessment, verdict, results and deliveries; a UID may name several instances.

    ``experimental`` says that an image was judged or measured, and that this does not count yet.
    """
    most = limit or services.settings.web.page_size
    with services.database.begin() as transaction:
        histories = history.of_uid(transaction, digest_or_uid, limit=most + 1)
    if not histories:
        raise NotFoundError("No instance, series or study {digest_or_uid} was received.", digest_or_uid=digest_or_uid)
    language = services.settings.node.language
    judged = [
        (one.instance.digest, one.assessment, one.disposition)
        for one in histories[:most]
        if one.assessment is not None and one.disposition is not None
    ]
    return Instances(
        instances=histories[:most],
        truncated=len(histories) > most,
        narratives={digest: narrative(assessment, disposition, language) for digest, assessment, disposition in judged},
        made_by={digest: Makers.of(assessment, disposition) for digest, assessment, disposition in judged},
    )


def _selection(transaction: Transaction, query: WorklistQuery, name: str) -> WorklistFilter:
    """The filter of a request: that of the named saved view, or its own."""
    if not query.saved:
        return query.filter(name)
    if query.model_fields_set - {"saved", "limit", "offset"}:
        raise InputError("saved: a view cannot be combined with other filters.")
    return form_of(saved_views.load(transaction, query.saved, name)).filter(name)


PAGE = Page(router, rest=True)
