"""A person's decision about a flagged study, from the study's page or the REST interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Literal, Self

from fastapi import HTTPException
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from miqa_node.core.domain.codes import REASON_CODES
from miqa_node.core.domain.delivery import ResultObject
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import RegionOutline
from miqa_node.core.domain.object_kind import ObjectKind
from miqa_node.core.domain.worklist import Resolution, WorklistItem
from miqa_node.features.worklist.rows import decisions, history, worklist
from miqa_node.interfaces.web.fields import MAX_REGIONS, KnownFinding, Polygon
from miqa_node.interfaces.web.services import WebServices
from miqa_node.interfaces.web.values import DIGEST
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.report.made import ReportSettings
from miqa_node.stages.report.outputs.rejection import Confirmation, rejection_note

MAX_IMAGES = 1000


class DrawnRegion(BaseModel):
    """A region that a person drew on an image."""

    model_config = ConfigDict(extra="forbid")

    digest: str = Field(pattern=DIGEST, description="The image that it lies on.")
    points: Polygon
    finding: KnownFinding | Literal[""] = Field("", description="What it is, if that can be named.")
    kind: ObjectKind | Literal[""] = Field(
        "", description="Of an object its kind; `finding` is then the kind's, and may be left out."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind and self.finding not in ("", self.kind.finding):
            raise ValueError(f"an object of the kind {self.kind.value!r} is no {self.finding}")
        return self


Regions = Annotated[list[DrawnRegion], Field(max_length=MAX_REGIONS)]
_regions = TypeAdapter(Regions)


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision and its images; ``archives`` are the destinations of a rejection note."""

    resolution: Resolution
    actor: str
    comment: str
    reason: str
    digests: tuple[str, ...]
    regions: Mapping[str, Sequence[RegionOutline]]
    archives: tuple[str, ...] = ()
    image_count: int | None = None
    """How many flagged images the person saw; None if a program decides."""


def decide(services: WebServices, study_uid: str, decision: Decision) -> WorklistItem:
    """Record a decision and, for a rejection, queue the note to the chosen archives, in one transaction.

    The note is sent after ``deliver.rejection_delay_s``; withdrawing the decision before then cancels it.

    Raises
    ------
    ConflictError
        The study is decided already, or has more flagged images than the person saw.
    HTTPException
        422: it names an image that is not flagged, or a region on an image outside the decision; or a rejection note is
        requested without a reason or an image, or for an unknown archive.
    """
    now = datetime.now(UTC)
    with services.database.begin() as transaction:
        item = worklist.show(transaction, study_uid)
        number = decisions.count(transaction, study_uid)
    digests = [image.digest for image in item.images]
    if set(decision.digests) - set(digests):
        raise _wrong("digest: not a flagged image of this study.")
    if set(decision.regions) - set(decision.digests or digests):
        raise _wrong("regions: drawn on an image that this decision is not about.")
    rejected = [InstanceDigest(one) for one in decision.digests or digests]
    note = None
    if decision.resolution is Resolution.CONFIRMED and decision.archives:
        note = _note(services, rejected, decision, number, now)
    with services.database.begin() as transaction:
        decided = worklist.resolve(
            transaction,
            study_uid,
            decision.resolution,
            decision.actor,
            decision.comment,
            now,
            digests=decision.digests,
            reason=decision.reason,
            regions=decision.regions,
            image_count=decision.image_count,
        )
        if note is not None:
            deliveries.record_result(transaction, rejected[0], note, now, decision=decided.decision)
            for archive in decision.archives:
                deliveries.queue(transaction, note, archive, now, services.settings.deliver.rejection_delay_s)
    return decided


def known_reason(reason: str) -> str:
    """A code value of CID 7011, or nothing; HTTPException 422 for any other."""
    if reason and reason not in REASON_CODES:
        raise _wrong("reason: no code value of CID 7011.")
    return reason


def read_regions(text: str) -> dict[str, list[RegionOutline]]:
    """The drawn regions by digest, from the page's JSON; HTTPException 422 if it is malformed."""
    if not text:
        return {}
    try:
        drawn = _regions.validate_json(text)
    except ValidationError as error:
        raise _wrong("regions: not what this page draws.") from error
    return by_image(drawn)


def by_image(drawn: Sequence[DrawnRegion]) -> dict[str, list[RegionOutline]]:
    """Regions by the digest of their image."""
    regions_by_image: dict[str, list[RegionOutline]] = {}
    for one in drawn:
        kind = one.kind or None
        finding = str(kind.finding if kind else one.finding)
        region = RegionOutline(tuple((x, y) for x, y in one.points), finding, kind)
        regions_by_image.setdefault(one.digest, []).append(region)
    return regions_by_image


def _note(
    services: WebServices, digests: Sequence[InstanceDigest], decision: Decision, number: int, now: datetime
) -> ResultObject:
    """Write the rejection note to the object store; it becomes visible when its rows are committed."""
    unknown = set(decision.archives) - set(services.archives())
    if unknown:
        raise _wrong(f"archive: {', '.join(sorted(unknown))} takes no rejection notes.")
    if not decision.reason:
        raise _wrong("reason: say why, with a code value of CID 7011.")
    with services.database.begin() as transaction:
        images = [history.of_instance(transaction, digest) for digest in digests]
    if not images or images[0].assessment is None:
        raise _wrong("digest: no assessed image is left to reject.")
    paths = [services.objects.local_path(image.instance.object_key) for image in images]
    confirmation = Confirmation(decision.actor, now, decision.reason, decision.comment, number)
    node = services.settings.node
    settings = ReportSettings(node.name, zone=node.zone)
    made = rejection_note(paths, images[0].assessment, confirmation, settings)
    key = Artifacts(services.objects).keep_result(digests[0], made.sop_instance_uid, made.data)
    result = ResultObject(made.sop_instance_uid, made.sop_class_uid, made.kind, key, made_with=settings.kept())
    return result.of(made.data)


def _wrong(detail: str) -> HTTPException:
    return HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
