"""The page of one study: its images with findings and why, what was sent where, and everything that happened to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query

from miqa_node.domain.access import Permission
from miqa_node.domain.codes import REASON_CODES
from miqa_node.domain.finding import Finding
from miqa_node.domain.policy import Verdict
from miqa_node.domain.worklist import WorklistItem, WorklistState
from miqa_node.errors import NotFoundError
from miqa_node.report.narrative import Sentence, advice, sentences
from miqa_node.settings import Settings
from miqa_node.store import decisions, history, priors, worklist
from miqa_node.store.database import Transaction
from miqa_node.store.history import InstanceHistory, WorklistEvent
from miqa_node.store.priors import Prior, Usual
from miqa_node.taxonomy.lookup import all_finding_names, defect_names, finding_title, finding_words
from miqa_node.web.access import Reader
from miqa_node.web.fields import Uid
from miqa_node.web.html import render, verdict_words
from miqa_node.web.page import Page
from miqa_node.web.pages.pictures.router import maps_of
from miqa_node.web.pages.worklist.router import Show, WorklistForm, read_form
from miqa_node.web.services import Services, WebServices

MAX_IMAGES = 24
"""Of a study with more only the worst are shown; each has its own canvas."""

UNDO_SPAN = timedelta(minutes=15)
"""So long after a decision its author is offered to undo it with one key."""

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened to an image on its way through the node; ``after_s`` counts from its arrival."""

    at: datetime
    after_s: float
    text: str
    bad: bool = False


@dataclass(frozen=True, slots=True)
class StudyImage:
    """One image as the page shows it."""

    history: InstanceHistory
    narrative: tuple[Sentence, ...]
    present: tuple[Finding, ...]
    absent: tuple[Finding, ...]
    maps: tuple[str, ...]
    hints: tuple[str, ...]
    usual: Mapping[str, Usual]
    prior: Prior | None
    timeline: tuple[Moment, ...]

    @property
    def flagged(self) -> bool:
        """Whether the image is on the worklist."""
        return self.history.disposition is not None and self.history.disposition.flagged


@router.get("/studies/{study_uid}")
def study_page(
    services: Services, who: Reader, study_uid: Uid, listed: Annotated[str, Query(alias="list", max_length=1000)] = ""
) -> str:
    """One study: its images with findings and measurements, where the results went, and what people did.

    ``list`` is the filter of the list that it was opened from: the next study is that list's next one.
    """
    with services.database.begin() as transaction:
        study = history.of_study(transaction, study_uid)
        images = history.of_uid(transaction, study_uid, limit=services.settings.web.page_size + 1)
        images.sort(key=lambda image: -(image.disposition.verdict.rank if image.disposition else 0))
        shown = [_shown(services, transaction, image, study.patient_id, study.study_date)
                 for image in images[:MAX_IMAGES]]  # fmt: skip
        item = item_of(transaction, study_uid)
        events = history.of_worklist(transaction, study_uid)
        resolved = item is not None and item.state is WorklistState.RESOLVED
        following = _following(transaction, read_form(listed), item) if item is not None and resolved else ""
        notes = decisions.notes_of(transaction, item.decision) if item is not None and item.decision else []
        hidden_in = decisions.hidden_in(transaction, study_uid)
    return render(
        "study/study.html",
        who=who,
        study=study,
        images=shown,
        language=services.settings.node.language,
        truncated=len(images) > MAX_IMAGES,
        item=item,
        unresolved=item is not None and not resolved,
        following=following,
        listed=listed,
        notes=notes,
        hidden_in=hidden_in,
        may_undo=item is not None and _may_undo(item, who.name, datetime.now(UTC)),
        events=events,
        reasons=sorted(REASON_CODES.values(), key=lambda code: code.value),
        likely=likely_reason(shown),
        may_change=who.may(Permission.REVIEW),
        may_reassess=who.may(Permission.ADMIN),
        viewer=viewer_link(services.settings, study_uid),
        words=_titles(shown),
        defects=defect_names(),
    )


def _following(transaction: Transaction, listed: WorklistForm, item: WorklistItem) -> str:
    """The next study of the list that the study was opened from, from its start again at its end; empty if none."""
    criteria = listed.filter()
    if listed.show is Show.UNRESOLVED and not listed.assignee:
        criteria = replace(criteria, state=(WorklistState.OPEN,))  # what others have claimed is theirs
    for after in (worklist.place_of(item), None):
        items = worklist.page(transaction, criteria, limit=2, order=listed.order, after=after)
        for one in items:
            if one.study_instance_uid != item.study_instance_uid:
                return one.study_instance_uid
    return ""


def _may_undo(item: WorklistItem, name: str, now: datetime) -> bool:
    """Whether the newest decision is this person's own; without accounts everybody is."""
    if item.decision is None or item.resolved_at is None or name not in ("", item.resolved_by):
        return False
    return now - item.resolved_at < UNDO_SPAN


def _titles(images: Sequence[StudyImage]) -> dict[str, str]:
    """What findings are called: all that the node knows, and those of the images."""
    titles = {str(name): finding_title(name) for name in all_finding_names()}
    for image in images:
        titles |= {finding.name: finding_words(finding).title for finding in (*image.present, *image.absent)}
    return titles


def item_of(transaction: Transaction, study_uid: str) -> WorklistItem | None:
    """The study on the worklist; None if it was never flagged."""
    try:
        return worklist.show(transaction, study_uid)
    except NotFoundError:
        return None


def likely_reason(images: Sequence[StudyImage]) -> str:
    """The code value of CID 7011 that the form offers first: that of the worst image's first deciding reason."""
    for image in images:
        disposition = image.history.disposition
        if disposition is not None and disposition.flagged:
            for reason in disposition.reasons:
                if reason.verdict is disposition.verdict and reason.code.value in REASON_CODES:
                    return reason.code.value
    return ""


def viewer_link(settings: Settings, study_uid: str) -> str:
    """Where the site's own viewer shows the study; empty when the site names none."""
    template = settings.web.viewer_url
    return template.replace("{study_uid}", quote(study_uid, safe="")) if "{study_uid}" in template else ""


def _shown(
    services: WebServices,
    transaction: Transaction,
    image: InstanceHistory,
    patient_id: str,
    study_date: str,
) -> StudyImage:
    assessment, disposition = image.assessment, image.disposition
    language = services.settings.node.language
    narrative: tuple[Sentence, ...] = ()
    hints: tuple[str, ...] = ()
    if assessment is not None and disposition is not None:
        narrative = sentences(assessment, disposition, language)
        given = (advice(reason, assessment, language) for reason in disposition.reasons)
        hints = tuple(dict.fromkeys(hint for hint in given if hint))
    findings = sorted(assessment.findings if assessment else (), key=lambda f: -f.probability)
    return StudyImage(
        history=image,
        narrative=narrative,
        present=tuple(finding for finding in findings if finding.present),
        absent=tuple(finding for finding in findings if not finding.present),
        maps=tuple(maps_of(services, image.instance.digest)),
        hints=hints,
        usual=services.usual_ranges.get(_kind(image)),
        prior=priors.prior_of(transaction, image.instance, patient_id, study_date),
        timeline=timeline(image, history.of_worklist(transaction, image.instance.header.study_instance_uid)),
    )


def timeline(image: InstanceHistory, events: Sequence[WorklistEvent]) -> tuple[Moment, ...]:
    """Everything that happened to the image, oldest first."""
    start = image.instance.received_at
    entries: list[tuple[datetime, str, bool]] = [(start, f"received from {image.instance.calling_ae_title}", False)]
    if image.assessment is not None:
        steps = ", ".join(f"{name} {value:.0f} ms" for name, value in image.assessment.timings_ms.items())
        entries.append((image.assessment.assessed_at, "assessed" + (f": {steps}" if steps else ""), False))
    if image.disposition is not None and image.decided_at is not None:
        verdict = image.disposition.verdict
        entries.append((image.decided_at, f"verdict: {verdict_words(verdict)}", verdict is Verdict.REJECT))
    for result in image.results:
        for delivery in result.deliveries:
            if delivery.sent_at is not None:
                entries.append((delivery.sent_at, f"{result.kind} delivered to {delivery.destination}", False))
            elif delivery.last_error:
                text = f"{result.kind} not yet delivered to {delivery.destination}: {delivery.last_error}"
                entries.append((delivery.next_attempt_at, text, True))
    if image.instance.removal is not None:
        entries.append((image.instance.removal.at, f"original removed: {image.instance.removal.cause.value}", False))
    entries.extend((event.at, f"{event.words} by {event.actor}", False) for event in events if event.actor)
    ordered = sorted(entries, key=lambda one: one[0])
    return tuple(Moment(at, (at - start).total_seconds(), text, bad) for at, text, bad in ordered)


def _kind(image: InstanceHistory) -> tuple[str, str, str]:
    header = image.instance.header
    return header.modality, header.body_part_examined, header.view_position


PAGE = Page(router, Permission.READ, file=__file__)
