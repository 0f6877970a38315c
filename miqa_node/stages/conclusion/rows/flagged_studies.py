"""The list of flagged studies as verdicts change it: a study is put on it, worsens, and leaves it.

What people do with it is in store/worklist.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.instance import StudyInstanceUid
from miqa_node.core.domain.prediction import PENDING_NAMES
from miqa_node.core.domain.verdict import EXPERIMENTAL, Reason, Verdict
from miqa_node.core.domain.worklist import Resolution, WorklistState
from miqa_node.core.language.phrase import Phrase, joined
from miqa_node.runtime.site_records.study_notes import note
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction, insert_of, insert_or_ignore
from miqa_node.runtime.store.prepared import DriverStatement, each
from miqa_node.runtime.store.tables import assessments, decisions, dispositions, instances, worklist, worklist_facets
from miqa_node.stages.deliver.rows import announcements

ONLY_PREDICTIONS = "only:predictions"
"""The label of a study that is listed for a prediction alone."""
UNDECIDED: dict[str, object] = {
    "resolution": None,
    "resolved_by": "",
    "resolved_at": None,
    "retaken_at": None,
    "comment": "",
}

SELF = "miqa-node"
"""The actor that resolves a study that is no longer flagged."""
NOT_FLAGGED = Phrase("Judged again: no image of the study is flagged any more.")
STAYS_CLAIMED = Phrase("It stays with the person who claimed it.")


def severity_of(score: float | None) -> int:
    """Place of an image among those of its verdict, 0 to 1000: ten times what its score lacks; 0 without a score."""
    return 0 if score is None else round(10 * (100.0 - score))


def flag(
    transaction: Transaction,
    study_instance_uid: StudyInstanceUid,
    verdict: Verdict,
    now: datetime,
    severity: int = 0,
) -> None:
    """Put a study on the list, or worsen its verdict and severity; a resolved one is reopened.

    A decision about its other images stays in force and can still be taken back.
    """
    new = insert_or_ignore(
        transaction,
        worklist,
        {
            "study_instance_uid": study_instance_uid,
            "verdict": verdict.value,
            "rank": verdict.rank,
            "severity": severity,
            "state": WorklistState.OPEN.value,
            "flagged_at": now,
            "claimed_by": "",
            "resolved_by": "",
            "comment": "",
        },
    )
    _find_by(transaction, study_instance_uid, new=new)
    if new:
        note(transaction, study_instance_uid, "flagged", "", "", now)
        return
    this = worklist.c.study_instance_uid == study_instance_uid
    # Locked: whoever decides at this moment either sees the new image or is followed by this.
    state = transaction.execute(sa.select(worklist.c.state).where(this).with_for_update()).scalar_one()
    milder = sa.tuple_(worklist.c.rank, worklist.c.severity) < sa.tuple_(sa.literal(verdict.rank), sa.literal(severity))
    worse = {"verdict": verdict.value, "rank": verdict.rank, "severity": severity}
    transaction.execute(sa.update(worklist).where(this, milder).values(worse))
    if state == WorklistState.RESOLVED.value:
        values = {"state": WorklistState.OPEN.value, "flagged_at": now, "claimed_by": "", **UNDECIDED}
        transaction.execute(sa.update(worklist).where(this).values(values))
        note(transaction, study_instance_uid, "reopened", "", "", now)


def follow(
    transaction: Transaction,
    study_instance_uid: StudyInstanceUid,
    now: datetime,
    *,
    reopen: bool,
    why: str = "",
) -> None:
    """Update a study's item to its current verdicts, which may have improved.

    The item of a study without flagged images is resolved, unless a person has claimed it. With ``reopen``, a study
    that people resolved is reopened, because a verdict got worse; otherwise archives are told again what people
    decided. ``why`` is for the history.
    """
    this = worklist.c.study_instance_uid == study_instance_uid
    state = transaction.execute(sa.select(worklist.c.state).where(this).with_for_update()).scalar_one_or_none()
    if not reopen:
        _report_again(transaction, study_instance_uid)
    flagged = dispositions.c.study_instance_uid == study_instance_uid, dispositions.c.flagged
    judged = sa.select(dispositions.c.verdict, assessments.c.score).join(
        assessments, assessments.c.digest == dispositions.c.digest, isouter=True
    )
    images = [(Verdict(row.verdict), severity_of(row.score)) for row in transaction.execute(judged.where(*flagged))]
    transaction.execute(sa.delete(worklist_facets).where(worklist_facets.c.study_instance_uid == study_instance_uid))
    if images:
        worst, severity = max(images, key=lambda image: (image[0].rank, image[1]))
        if state is not None:
            values: dict[str, object] = {"verdict": worst.value, "rank": worst.rank, "severity": severity}
            transaction.execute(sa.update(worklist).where(this).values(values))
            note(transaction, study_instance_uid, "judged again", "", why, now)
        if state != WorklistState.RESOLVED.value or reopen:
            flag(transaction, study_instance_uid, worst, now, severity)
        else:
            _find_by(transaction, study_instance_uid, new=True)
    elif state == WorklistState.CLAIMED.value:
        verdicts = sa.select(dispositions.c.verdict).where(dispositions.c.study_instance_uid == study_instance_uid)
        worst = max((Verdict(one) for one in transaction.execute(verdicts).scalars()), key=lambda one: one.rank)
        values = {"verdict": worst.value, "rank": worst.rank, "severity": 0}
        transaction.execute(sa.update(worklist).where(this).values(values))
        text = joined(" ", [_with(NOT_FLAGGED, why), STAYS_CLAIMED])
        note(transaction, study_instance_uid, "judged again", SELF, text, now)
    elif state == WorklistState.OPEN.value:
        _close(transaction, study_instance_uid, now, why)


def close_if_unflagged(transaction: Transaction, study_instance_uid: str, now: datetime) -> None:
    """Resolve a study that a person has put back if none of its images is flagged any more."""
    of_study = dispositions.c.study_instance_uid == study_instance_uid
    flags = set(transaction.execute(sa.select(dispositions.c.flagged).where(of_study).distinct()).scalars())
    if flags == {False}:
        _close(transaction, study_instance_uid, now)


def _close(transaction: Transaction, study_instance_uid: str, now: datetime, why: str = "") -> None:
    values: dict[str, object] = {"state": WorklistState.RESOLVED.value, "resolution": Resolution.ACCEPTED.value}
    values |= {"resolved_by": SELF, "comment": str(NOT_FLAGGED), "resolved_at": now}
    this = worklist.c.study_instance_uid == study_instance_uid
    transaction.execute(sa.update(worklist).where(this).values(values))
    note(transaction, study_instance_uid, "judged again", SELF, _with(NOT_FLAGGED, why), now)
    announcements.resolved(transaction, study_instance_uid, now)


def _with(text: str, why: str) -> str:
    return joined(" ", [text, why]) if why else text


def concerns_quality() -> sa.ColumnElement[bool]:
    """Whether a study is listed for more than a prediction."""
    mark = worklist_facets.c.label == ONLY_PREDICTIONS
    only = sa.exists().where(worklist_facets.c.study_instance_uid == worklist.c.study_instance_uid, mark)
    # Most flagged studies have a verdict of quality, and need no look at the labels.
    return sa.or_(worklist.c.rank >= Verdict.REVIEW.rank, sa.not_(only))


def _report_again(transaction: Transaction, study_instance_uid: str) -> None:
    """Have a study's decisions in force reported once more about those of their images that were judged again."""
    withdrawals = decisions.alias()
    in_force = (
        decisions.c.study_instance_uid == study_instance_uid,
        decisions.c.resolution.is_not(None),
        ~sa.exists().where(withdrawals.c.withdraws == decisions.c.decision_id),
    )
    transaction.execute(sa.update(decisions).where(*in_force).values(reported_at=None))


def _find_by(transaction: Transaction, study_instance_uid: str, *, new: bool) -> None:
    """Index the study by the properties and reasons of its flagged images, and whether only predictions wait."""
    labels: set[str] = set()
    only_predictions = True
    for row in _FLAGGED.all(transaction, {"study": study_instance_uid}):
        reasons = documents.load_reasons(row.reasons)
        labels |= {f"{name}:{value}" for name, value in zip(_FACETS, row[2:], strict=True) if value}
        labels |= {f"reason:{reason.name}" for reason in reasons}
        only_predictions &= _awaits_only_prediction(row.verdict, reasons)
    if only_predictions and labels:
        labels.add(ONLY_PREDICTIONS)
    elif not new:
        of = worklist_facets.c
        mark = of.study_instance_uid == study_instance_uid, of.label == ONLY_PREDICTIONS
        transaction.execute(sa.delete(worklist_facets).where(*mark))
    _INDEX.run(transaction, {"study": study_instance_uid, "labels": sorted(labels)})


def _awaits_only_prediction(verdict: str, reasons: Sequence[Reason]) -> bool:
    """Whether an image is on the list for a prediction alone: its quality flags nothing, and nothing went wrong."""
    names = {reason.name for reason in reasons}
    quality = names - PENDING_NAMES - {"not_assessed", EXPERIMENTAL}
    return not Verdict(verdict).flagged and not quality and not names.isdisjoint(PENDING_NAMES)


def _index(dialect: str) -> sa.Insert:
    facets = worklist_facets.c
    labels = each(dialect, "labels", facets.label.type).c.value
    # SQLite would take the conflict clause for a condition of a join if there were no other condition.
    rows = sa.select(sa.bindparam("study", type_=facets.study_instance_uid.type), labels).where(sa.true())
    return insert_of(dialect, worklist_facets).from_select(list(facets), rows).on_conflict_do_nothing()


_INDEX = DriverStatement(_index)


_FACETS = ("modality", "body_part", "view", "station")
_FLAGGED = DriverStatement(
    lambda _dialect: (
        sa.select(dispositions.c.reasons, dispositions.c.verdict, *(instances.c[name] for name in _FACETS))
        .join(instances, instances.c.digest == dispositions.c.digest)
        .where(dispositions.c.study_instance_uid == sa.bindparam("study"), dispositions.c.flagged)
    )
)
