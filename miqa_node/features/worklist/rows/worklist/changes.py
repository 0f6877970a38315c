"""People's changes of flagged studies: claim, assign, release, resolve, open again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import RegionOutline
from miqa_node.core.domain.worklist import Reopening, Resolution, WorklistItem, WorklistState, check_transition
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import ConflictError, InputError
from miqa_node.features.worklist.rows import decisions
from miqa_node.features.worklist.rows.worklist.search import COMMENTED, show
from miqa_node.runtime.people import users
from miqa_node.runtime.site_records.study_notes import note
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import worklist
from miqa_node.stages.conclusion.rows.flagged_studies import SELF, UNDECIDED, close_if_unflagged
from miqa_node.stages.deliver.rows import announcements

JUDGED_MEANWHILE = Phrase("Another image of this study was judged meanwhile. Look at the study again, then decide.")


def claim(transaction: Transaction, study_instance_uid: str, actor: str, now: datetime) -> WorklistItem:
    """Claim an item, also one claimed by another person; ConflictError if it is resolved."""
    return _move(
        transaction, study_instance_uid, WorklistState.CLAIMED, actor, "claimed", "", now, {"claimed_by": actor}
    )


def assign(transaction: Transaction, study_instance_uid: str, assignee: str, actor: str, now: datetime) -> WorklistItem:
    """Assign an item to a colleague, whoever has it; assigning it to oneself is a claim.

    Raises
    ------
    ConflictError
        The item is resolved; or the node has accounts and ``assignee`` has none with the permission to decide.
    """
    if assignee == actor:
        return claim(transaction, study_instance_uid, actor, now)
    if users.any_exists(transaction) and assignee not in users.reviewers(transaction):
        raise ConflictError(
            "{assignee} has no account that may decide studies, so nothing can be assigned to it.", assignee=assignee
        )
    return _move(
        transaction, study_instance_uid, WorklistState.CLAIMED, actor, "assigned", f"to {assignee}", now,
        {"claimed_by": assignee},
    )  # fmt: skip


def comment(transaction: Transaction, study_instance_uid: str, text: str, actor: str, now: datetime) -> WorklistItem:
    """Add a comment to an item, open or resolved, without a decision; nobody can change or delete it."""
    show(transaction, study_instance_uid)
    note(transaction, study_instance_uid, COMMENTED, actor, text.strip(), now)
    return show(transaction, study_instance_uid)


def unclaim(transaction: Transaction, study_instance_uid: str, actor: str, now: datetime) -> WorklistItem:
    """Put an item back; it is resolved if none of its images is flagged any more."""
    _move(transaction, study_instance_uid, WorklistState.OPEN, actor, "released", "", now, {"claimed_by": ""})
    close_if_unflagged(transaction, study_instance_uid, now)
    return show(transaction, study_instance_uid)


def resolve(
    transaction: Transaction,
    study_instance_uid: str,
    resolution: Resolution,
    actor: str,
    comment: str,
    now: datetime,
    *,
    digests: Sequence[str] = (),
    reason: str = "",
    regions: Mapping[str, Sequence[RegionOutline]] | None = None,
    image_count: int | None = None,
) -> WorklistItem:
    """Decide an item; the decision becomes a label of its images.

    ``digests`` names its images, by default all flagged ones. It labels them; by default the only one, of several all
    if they are rejected, else those with ``regions``.
    ``reason`` is a code value of CID 7011, ``regions`` are the person's drawings, by digest. ``image_count`` is how
    many flagged images the person saw.

    Raises
    ------
    ConflictError
        It is resolved already, or its number of flagged images is not ``image_count``.
    InputError
        It names an image that is not flagged, or a region on an image that it is not about.
    """
    values: dict[str, object] = {
        "resolution": resolution.value,
        "resolved_by": actor,
        "resolved_at": now,
        "comment": comment,
        "retaken_at": None,  # a retake that an earlier decision asked for does not answer this one
    }
    item = _move(transaction, study_instance_uid, WorklistState.RESOLVED, actor, resolution.value, comment, now, values)
    if image_count not in (None, len(item.images)):
        raise ConflictError(JUDGED_MEANWHILE)
    announcements.resolved(transaction, study_instance_uid, now)
    drawn, about = regions or {}, images_of(item, digests)
    if set(drawn) - set(about):
        raise InputError("regions: drawn on an image that this decision is not about.")
    if not resolution.rejects:
        decisions.keep(transaction, study_instance_uid, about, actor, comment, now)
    decision = decisions.record(transaction, study_instance_uid, resolution, actor, comment, reason, about, now)
    this = worklist.c.study_instance_uid == study_instance_uid
    transaction.execute(sa.update(worklist).where(this).values(decision_id=decision))
    is_of_all = digests or len(about) == 1 or resolution is Resolution.CONFIRMED
    for digest in about if is_of_all else sorted(drawn):
        own = drawn.get(digest, ())
        decisions.label(
            transaction, InstanceDigest(digest), resolution, actor, now, decision=decision, reason=reason, regions=own
        )
    return show(transaction, study_instance_uid)


def images_of(item: WorklistItem, digests: Sequence[str]) -> list[str]:
    """The images of a decision that names ``digests``: all flagged ones without; InputError if one is not flagged."""
    flagged = [image.digest for image in item.images]
    if set(digests) - set(flagged):
        raise InputError("digest: not a flagged image of this study.")
    return list(dict.fromkeys(digests)) or flagged


def reopen(
    transaction: Transaction,
    study_instance_uid: str,
    actor: str,
    comment: str,
    now: datetime,
    decision: int | None = None,
) -> Reopening:
    """Withdraw the decision about an item: its labels no longer count, and a waiting rejection note is cancelled.

    With ``decision``, only that decision. The item stays claimed if ``actor`` claimed it. One that another image opened
    again stays as it is, without the decision.

    Raises
    ------
    ConflictError
        Nobody decided; the node resolved it because nothing is flagged any more; or there is a newer decision.
    """
    before = show(transaction, study_instance_uid)
    if before.decision is None and before.state is not WorklistState.RESOLVED:
        raise ConflictError(
            "The study is {state}: there is no decision to take back.", state=Phrase(before.state.value)
        )
    if before.decision is None:
        raise ConflictError("Nobody decided: no image of the study is flagged any more. Have it judged again instead.")
    if decision is not None and decision != before.decision:
        raise ConflictError("Another decision was made since. Look at the study, and reopen it if you still want to.")
    values: dict[str, object] = {"decision_id": None}
    resolves = before.state is WorklistState.RESOLVED and before.resolved_by != SELF
    if resolves:
        is_own = before.claimed_by == actor
        state = WorklistState.CLAIMED if is_own else WorklistState.OPEN
        values |= {"state": state.value, "claimed_by": actor if is_own else "", **UNDECIDED}
    this = (
        worklist.c.study_instance_uid == study_instance_uid,
        worklist.c.decision_id == before.decision,
        worklist.c.state == before.state.value,
    )
    if not transaction.execute(sa.update(worklist).where(*this).values(values)).rowcount:
        raise ConflictError("Another person reopened the study at this moment.")
    decisions.withdraw(transaction, study_instance_uid, before.decision, actor, comment, now)
    note(transaction, study_instance_uid, "reopened" if resolves else "undone", actor, comment, now)
    announcements.reopened(transaction, study_instance_uid, now)
    archives = decisions.cancel_notes(transaction, before.decision, actor, comment, now)
    return Reopening(show(transaction, study_instance_uid), archives)


def _move(
    transaction: Transaction,
    study_instance_uid: str,
    to: WorklistState,
    actor: str,
    action: str,
    comment: str,
    now: datetime,
    values: dict[str, object],
) -> WorklistItem:
    before = show(transaction, study_instance_uid).state
    check_transition(before, to)
    moved = transaction.execute(
        sa.update(worklist)
        .where(worklist.c.study_instance_uid == study_instance_uid, worklist.c.state == before.value)
        .values(state=to.value, **values)
    )
    if not moved.rowcount:  # another person was faster: check the transition again from the current state
        return _move(transaction, study_instance_uid, to, actor, action, comment, now, values)
    note(transaction, study_instance_uid, action, actor, comment, now)
    return show(transaction, study_instance_uid)
