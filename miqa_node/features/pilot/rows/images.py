"""The images of pilots: added when a source lists them, concluded once, and gone with their patient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.patient import PatientKey
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.features.pilot.progress import Outcome
from miqa_node.features.pilot.rows.moves import is_received
from miqa_node.features.pilot.tables import pilot_images, pilot_sample
from miqa_node.runtime.people.erased import erased_patients
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction, begin_writing, insert_or_ignore

NOON = time(12)
"""An image counts as made then, on the day of its exposure, for what rooms learn."""
MOST_ATTEMPTS = 3
"""Times that a source is asked for an image that it could not give, in all runs together."""


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image that a source lists; ``place`` is its file there, empty in an archive.

    ``patient`` is who it is of, as far as the source says; ``study_date`` is as in headers, empty if there is none.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    modality: str
    study_date: str
    patient: PatientKey
    place: str = ""


@dataclass(frozen=True, slots=True)
class JudgedImage:
    """What became known of an image when it was fetched and judged; ``day`` is the local one of the exposure.

    ``assessment`` and ``disposition`` are None if there was nothing to judge; ``unassessed`` says why.
    """

    digest: InstanceDigest
    size_bytes: int
    patient: PatientKey
    room: str
    day: date | None
    header: Header
    assessment: Assessment | None = None
    disposition: Disposition | None = None
    unassessed: str = ""

    @property
    def verdict(self) -> Verdict:
        """NOT_ASSESSED if there was nothing to judge."""
        return self.disposition.verdict if self.disposition else Verdict.NOT_ASSESSED

    @property
    def body_part(self) -> str:
        """What the header says, else what the pixels show beyond doubt."""
        of_pixels = self.assessment.part_seen if self.assessment else ""
        return self.header.body_part_examined or of_pixels


@dataclass(frozen=True, slots=True)
class PilotImage:
    """An image of a pilot for its report; ``stratum`` is empty before a draw, ``drawn_order`` None if it was not drawn.

    ``day`` and all after it but ``failure`` and ``study_date`` say nothing before the image is judged. ``findings`` are
    the names of the reasons that flagged it, ``unassessed`` says why it has no verdict, ``own`` what comes of it by its
    room's own limits.
    """

    image_id: int
    outcome: Outcome
    study_instance_uid: str
    sop_instance_uid: str
    study_date: str
    modality: str
    failure: str
    digest: str
    room: str
    body_part: str
    view: str
    day: date | None
    verdict: str
    score: float | None
    findings: tuple[str, ...]
    unassessed: str
    stratum: str
    drawn_order: int | None
    own: dict[str, int] | None = None


def add(transaction: Transaction, pilot: str, listing: Iterable[FoundImage]) -> Counter[str]:
    """Add what a source lists and was not listed before; how many new ones there are by modality.

    Those of patients who were erased are counted and not added; those that the node has are known already.
    """
    is_erased, new = erased_patients(transaction), Counter[str]()
    for one in listing:
        if is_erased(one.patient):
            new[one.modality] += 1
            continue
        row = {
            "pilot": pilot,
            **{name: getattr(one, name) for name in _OF_SOURCE},
            "patient_id": one.patient.patient_id,
            "authority": one.patient.authority,
            "outcome": (Outcome.KNOWN if is_received(transaction, one.sop_instance_uid) else Outcome.FOUND).value,
            **_NOTHING,
        }
        new[one.modality] += insert_or_ignore(transaction, pilot_images, row)
    return new


def waiting(transaction: Transaction, pilot: str, study_date: str | None, limit: int) -> list[tuple[int, FoundImage]]:
    """Images to fetch, by number; of one study date, if it is given. Those that failed come last, and not for ever."""
    may_come = sa.and_(_of.outcome == Outcome.FAILED.value, _of.attempts < MOST_ATTEMPTS)
    due = sa.or_(_of.outcome == Outcome.FOUND.value, may_come)
    own = [_of.pilot == pilot, due if study_date is None else _of.outcome == Outcome.FOUND.value]
    if study_date is not None:
        own.append(_of.study_date == study_date)
    query = sa.select(pilot_images).where(*own).order_by(_of.attempts, _of.image_id).limit(limit)
    return [(row.image_id, found(row)) for row in transaction.execute(query)]


def is_due(transaction: Transaction, image_id: int, patient: PatientKey) -> bool:
    """Whether an image still waits for its verdict; if its patient was erased meanwhile, its row goes here.

    An image that came to the node by an ordinary way meanwhile is known, and waits no longer.
    """
    begin_writing(transaction)
    own = _of.image_id == image_id
    row = transaction.execute(sa.select(_of.outcome, _of.sop_instance_uid).where(own)).one_or_none()
    if row is None or row.outcome not in (Outcome.FOUND.value, Outcome.FAILED.value):
        return False
    if erased_patients(transaction)(patient):
        transaction.execute(sa.delete(pilot_images).where(own))
        return False
    if is_received(transaction, row.sop_instance_uid):
        transaction.execute(sa.update(pilot_images).where(own).values(outcome=Outcome.KNOWN.value, failure=""))
        return False
    return True


def conclude(transaction: Transaction, image_id: int, one: JudgedImage, body_part: str, now: datetime) -> None:
    """Write down the verdict, once; nothing of a patient who was erased meanwhile, or of another body part."""
    if not is_due(transaction, image_id, one.patient):
        return
    if body_part and one.body_part != body_part:
        other = {"outcome": Outcome.OTHER.value, "failure": "", "patient_id": one.patient.patient_id}
        transaction.execute(sa.update(pilot_images).where(_of.image_id == image_id).values(other))
        return
    reasons = one.disposition.reasons if one.disposition else ()
    words = one.unassessed or "; ".join(str(reason.text) for reason in reasons)
    values = {
        "outcome": Outcome.JUDGED.value,
        "failure": "",
        "digest": one.digest,
        "size_bytes": one.size_bytes,
        "patient_id": one.patient.patient_id,
        "authority": one.patient.authority,
        "room": one.room,
        "modality": one.header.modality,
        "body_part": one.header.body_part_examined,
        "view": one.header.view_position,
        "day": one.day,
        "verdict": one.verdict.value,
        "score": one.assessment.score if one.assessment else None,
        "findings": [reason.name for reason in reasons if reason.verdict.flagged and one.verdict.flagged],
        "unassessed": words if one.verdict is Verdict.NOT_ASSESSED else "",
        "document": documents.dump_assessment(one.assessment) if one.assessment else None,
        "judged_at": now,
    }
    transaction.execute(sa.update(pilot_images).where(_of.image_id == image_id).values(values))


def past(transaction: Transaction, pilot: str) -> dict[int, Assessment]:
    """What rooms learn from, by number: assessments as of the days of the exposures."""
    mine = _of.pilot == pilot, _of.document.is_not(None), _of.day.is_not(None)
    query = sa.select(_of.image_id, _of.document, _of.day).where(*mine).order_by(_of.image_id)
    return {row.image_id: _as_of(row.document, row.day) for row in transaction.execute(query)}


def _as_of(document: Any, day: date) -> Assessment:
    return replace(documents.load_assessment(document), assessed_at=datetime.combine(day, NOON, UTC))


def note_own(transaction: Transaction, by_number: Mapping[int, bool | None]) -> None:
    """Whether its room's own limits flag each image; None of images of rooms with too few."""
    for image_id, flagged in by_number.items():
        own = None if flagged is None else {"flagged": int(flagged)}
        transaction.execute(sa.update(pilot_images).where(_of.image_id == image_id).values(own=own))


def fail(transaction: Transaction, image_id: int, words: str) -> None:
    """Write down why the source could not give an image."""
    values = {"outcome": Outcome.FAILED.value, "failure": words, "attempts": _of.attempts + 1}
    transaction.execute(sa.update(pilot_images).where(_of.image_id == image_id).values(values))


def refuse(transaction: Transaction, image_id: int, words: str, now: datetime) -> None:
    """Write down that a fetched file cannot be read or is no image: it has no verdict, for that reason."""
    values = {
        "outcome": Outcome.JUDGED.value,
        "verdict": Verdict.NOT_ASSESSED.value,
        "unassessed": words,
        "failure": "",
        "judged_at": now,
    }
    transaction.execute(sa.update(pilot_images).where(_of.image_id == image_id).values(values))


def select(transaction: Transaction, pilot: str) -> list[PilotImage]:
    """All images of a pilot, in the order in which they were found."""
    joined = pilot_images.outerjoin(pilot_sample, pilot_sample.c.image_id == _of.image_id)
    query = sa.select(*_SHOWN, pilot_sample.c.drawn_order).select_from(joined)
    return [_image(row) for row in transaction.execute(query.where(_of.pilot == pilot).order_by(_of.image_id))]


def judged_since(transaction: Transaction, pilot: str, since: datetime) -> int:
    """Number of images judged since then."""
    query = sa.select(sa.func.count()).where(_of.pilot == pilot, _of.judged_at >= since)
    return transaction.execute(query).scalar_one()


def is_hard(transaction: Transaction, one: PilotImage, policy: Policy) -> bool:
    """Whether a rule flags the image that no room learns."""
    document = transaction.execute(sa.select(_of.document).where(_of.image_id == one.image_id)).scalar_one()
    if document is None:
        return True
    header = documents.load_assessment(document).known_header
    return not set(one.findings) <= {rule.what for rule in policy.covering(header) if rule.is_learned}


def failures(transaction: Transaction, pilot: str) -> list[tuple[str, str]]:
    """(SOP Instance UID, words of the source) of what it could not give."""
    query = sa.select(_of.sop_instance_uid, _of.failure).where(_of.pilot == pilot, _of.outcome == Outcome.FAILED.value)
    return [(row[0], row[1]) for row in transaction.execute(query.order_by(_of.image_id))]


def found(row: Any) -> FoundImage:
    """The image of a row, as its source listed it."""
    values = {name: getattr(row, name) for name in _OF_SOURCE}
    return FoundImage(**values, patient=PatientKey(row.patient_id, row.authority))


_of = pilot_images.c
_OF_SOURCE = (
    "study_instance_uid", "series_instance_uid", "sop_instance_uid", "sop_class_uid", "modality", "study_date", "place",
)  # fmt: skip
_TEXTS = ("failure", "room", "body_part", "view", "verdict", "unassessed")
_NOTHING: dict[str, Any] = {"attempts": 0, "findings": [], **dict.fromkeys(_TEXTS, "")}
_SHOWN = tuple(
    _of[name]
    for name in (
        "image_id", "outcome", "study_instance_uid", "sop_instance_uid", "study_date", "modality", "failure", "digest",
        "room", "body_part", "view", "day", "verdict", "score", "findings", "unassessed", "stratum", "own",
    )
)  # fmt: skip


def _image(row: Any) -> PilotImage:
    values = {name: getattr(row, name) for name in PilotImage.__slots__}
    values |= {
        "outcome": Outcome(row.outcome),
        "digest": row.digest or "",
        "findings": tuple(row.findings),
    }
    return PilotImage(**values)
