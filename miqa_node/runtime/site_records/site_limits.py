"""What a site sets itself: limits of its rooms, of which the newest confirmed count, and the end of silent first days.

Of each body part a row says since when its images are judged, and who ended its silent days (core/domain/silence.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.room import RoomState, kind_of
from miqa_node.core.domain.silence import PartStart, Silence
from miqa_node.core.domain.site_limit import LimitProposal, LimitSet, RoomLimit, SiteLimits
from miqa_node.core.taxonomy.anatomy import STANDARD
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.site_records import rooms
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction, insert_or_ignore
from miqa_node.runtime.store.tables import assessments, body_parts, site_limits

RECENT_IMAGES = 20_000
"""Among so many newest images the graphs in use are looked for."""

_proposal = TypeAdapter(LimitProposal)

# Built once: every process runs them every few seconds, and building them takes several times as long as running them.
_PARTS = sa.select(body_parts)
_IN_FORCE = sa.or_(site_limits.c.confirmed_at.is_not(None), site_limits.c.in_force_at.is_not(None))
_NEWEST = sa.select(site_limits).where(_IN_FORCE).order_by(site_limits.c.number.desc()).limit(1)


def propose(transaction: Transaction, proposal: LimitProposal, now: datetime, *, in_force: bool = False) -> LimitSet:
    """Store a proposal; nothing changes until it is confirmed, unless the node puts it ``in_force`` by itself."""
    document, in_force_at = _document(proposal), now if in_force else None
    number = transaction.execute(
        sa.insert(site_limits)
        .values(proposed_at=now, document=document, actor="", comment="", in_force_at=in_force_at)
        .returning(site_limits.c.number)
    ).scalar_one()
    if in_force:
        rooms.wait_no_more(transaction, number)
    return LimitSet(number, now, proposal, in_force_at=in_force_at)


def amend(transaction: Transaction, number: int, proposal: LimitProposal) -> LimitSet:
    """Keep the same limits with what was found out about them since."""
    values = {"document": _document(proposal)}
    transaction.execute(sa.update(site_limits).where(site_limits.c.number == number).values(values))
    return load(transaction, number)


def confirm(
    transaction: Transaction, number: int, actor: str, comment: str, now: datetime, *, second_look: bool = False
) -> LimitSet:
    """Put a proposal in force, and end the silent days of the body parts of which it has enough images.

    The rooms that learned its limits are confirmed. ``second_look``: somebody looked at the findings of which it finds
    fewer simulated defects than today's limits.

    Raises
    ------
    NotFoundError
        There is no such proposal.
    ConflictError
        It was confirmed already, or a later one is in force: its data are out of date; or less is found, and nobody
        looked.
    """
    limit_set = load(transaction, number)
    newest = transaction.execute(sa.select(sa.func.max(site_limits.c.number)).where(_IN_FORCE)).scalar_one()
    if limit_set.confirmed_at is not None or (newest or 0) > number:
        raise ConflictError(
            "Set {number} was confirmed already, or a later one is in force. Make a new proposal.", number=number
        )
    proposal = limit_set.proposal
    if proposal is not None and limit_set.in_force_at is None and not second_look and proposal.less_found:
        raise ConflictError(
            "With set {number} fewer simulated defects are found than today: {findings}. Look at them, and confirm it "
            "again with a second look (second_look over REST, --second-look) if that is meant.",
            number=number,
            findings=", ".join(sorted(proposal.less_found)),
        )
    transaction.execute(
        sa.update(site_limits)
        .where(site_limits.c.number == number)
        .values(confirmed_at=now, actor=actor, comment=comment)
    )
    _audit(transaction, number, "limits confirmed", actor, now)
    rooms.confirm(transaction, proposal.looks if proposal is not None else (), number, now)
    starts, parts = part_starts(transaction), proposal.known_parts if proposal is not None else ()
    for term in sorted({term_of_part(part) for part in parts} & set(starts)):
        if starts[term].ended_at is None:
            _end(transaction, term, actor, comment, now)
    return load(transaction, number)


def withdraw(transaction: Transaction, actor: str, comment: str, now: datetime) -> LimitSet:
    """Go back to the policy's own limits; ConflictError if they apply already."""
    if not current(transaction).limits:
        raise ConflictError("No limits of rooms are in force.")
    values = {"proposed_at": now, "confirmed_at": now, "actor": actor, "comment": comment, "document": None}
    number = transaction.execute(sa.insert(site_limits).values(values).returning(site_limits.c.number)).scalar_one()
    _audit(transaction, number, "limits withdrawn", actor, now)
    rooms.forget_found(transaction)
    rooms.wait_no_more(transaction, number)
    return load(transaction, number)


def load(transaction: Transaction, number: int) -> LimitSet:
    """One set; NotFoundError if there is none with that number."""
    row = transaction.execute(sa.select(site_limits).where(site_limits.c.number == number)).one_or_none()
    if row is None:
        raise NotFoundError("There is no set {number} of limits.", number=number)
    return _set(row)


def history(transaction: Transaction, *, limit: int = 100) -> list[LimitSet]:
    """The newest sets, newest first."""
    query = sa.select(site_limits).order_by(site_limits.c.number.desc()).limit(limit)
    return [_set(row) for row in transaction.execute(query)]


def current(transaction: Transaction, learns_from: int = 0) -> SiteLimits:
    """The limits in force, none if they were withdrawn, and how far the look of each room is known.

    ``learns_from`` is the number of images from which rooms learn; 0: those that learned nothing yet go by the policy.
    """
    every = rooms.every(transaction)
    learns_from = learns_from if learns_from and rooms.do_learn(transaction) else 0
    looks = tuple(one.look(learns_from) for one in every if learns_from or one.state is not RoomState.LEARNING)
    more = learns_from if len(every) < rooms.MOST_ROOMS else 0
    limit_set = in_force(transaction)
    if limit_set is None:
        return SiteLimits(looks=looks, learns_from=more)
    limits = tuple(_today(one.limit) for one in limit_set.proposal.limits) if limit_set.proposal is not None else ()
    return SiteLimits(limit_set.number, limits, limit_set.confirmed_at, limit_set.actor, looks, more)


def in_force(transaction: Transaction) -> LimitSet | None:
    """The newest set that was confirmed, withdrawn, or put in force by the node; None if there is none."""
    row = transaction.execute(_NEWEST).one_or_none()
    return None if row is None else _set(row)


def _today(limit: RoomLimit) -> RoomLimit:
    """With today's term for the view, which earlier versions took from the header as it was written."""
    return replace(limit, view=STANDARD.views.canonical(limit.view))


def newest_assessments(transaction: Transaction, *, limit: int) -> list[Assessment]:
    """The newest assessments of the graphs in use, newest first, at most ``limit`` of each.

    Strengths of two graphs are not comparable, so two count: the last one that judged as the quality package, and the
    last one that judged what the quality package leaves.
    """
    judged = sa.select(assessments).where(assessments.c.model_sha256 != "").order_by(assessments.c.assessed_at.desc())
    newest_of: dict[bool, list[Assessment]] = {}
    for graph in _newest_graphs(transaction):
        own = judged.where(assessments.c.model_sha256 == graph)
        newest = documents.load_assessment(transaction.execute(own.limit(1)).one().document)
        if kind_of(newest).is_left not in newest_of:
            rows = transaction.execute(own.limit(limit))
            newest_of[kind_of(newest).is_left] = [documents.load_assessment(row.document) for row in rows]
    return sorted((one for of in newest_of.values() for one in of), key=lambda one: one.assessed_at, reverse=True)


def _newest_graphs(transaction: Transaction) -> Sequence[str]:
    """Checksums of the graphs that judged recently, the last one first."""
    recent = (
        sa.select(assessments.c.model_sha256, assessments.c.assessed_at)
        .where(assessments.c.model_sha256 != "")
        .order_by(assessments.c.assessed_at.desc())
        .limit(RECENT_IMAGES)
        .subquery()
    )
    by_graph = sa.select(recent.c.model_sha256).group_by(recent.c.model_sha256)
    return transaction.execute(by_graph.order_by(sa.func.max(recent.c.assessed_at).desc())).scalars().all()


@lru_cache(maxsize=4096)
def term_of_part(body_part: str) -> str:
    """The standard's term for what a header or a person calls a body part; empty if there is none.

    Words that the node does not know share one start: a sender that always writes new ones is not always silent.
    """
    return STANDARD.body_parts.term(body_part)


def part_starts(transaction: Transaction) -> Mapping[str, PartStart]:
    """The start of every part by its term; earlier versions kept parts as headers wrote them."""
    by_term: dict[str, PartStart] = {}
    for row in transaction.execute(_PARTS):
        one = PartStart(term_of_part(row.body_part), row.began_at, row.ended_at, row.actor, row.comment)
        before = by_term.get(one.body_part, one)
        last = before if one.ended_at is None else one
        by_term[one.body_part] = replace(last, began_at=min(before.began_at, one.began_at))
    return by_term


def silence(transaction: Transaction, days: float) -> Silence:
    """The silent days of all parts, ``days`` for each."""
    return Silence(days, part_starts(transaction))


def begin_part(transaction: Transaction, body_part: str, at: datetime) -> None:
    """The first image of a part is judged; nothing if there was one."""
    values = {"body_part": term_of_part(body_part), "began_at": at, "ended_at": None, "actor": "", "comment": ""}
    insert_or_ignore(transaction, body_parts, values)


def end_silence(transaction: Transaction, body_part: str, actor: str, comment: str, now: datetime) -> PartStart:
    """End the silent days of a part, for all images from now on; empty is for images without a known one.

    Raises
    ------
    NotFoundError
        It is no body part that the node knows.
    ConflictError
        They were ended already.
    """
    term = term_of_part(body_part)
    if body_part and not term:
        raise NotFoundError("There is no body part {part}. Use a term of the standard, such as KNEE.", part=body_part)
    before = part_starts(transaction).get(term)
    if before is not None and before.ended_at is not None:
        raise _ended_already(term)
    _end(transaction, term, actor, comment, now)
    return part_starts(transaction)[term]


def _end(transaction: Transaction, term: str, actor: str, comment: str, now: datetime) -> None:
    begin_part(transaction, term, now)
    transaction.execute(
        sa.update(body_parts).where(body_parts.c.body_part == term).values(ended_at=now, actor=actor, comment=comment)
    )
    detail = {"action": "silent days ended", "body_part": term}
    records.add(transaction, AuditEntry(AuditEvent.POLICY_CHANGED, now, actor, detail=detail))


def _ended_already(term: str) -> ConflictError:
    if not term:
        return ConflictError("The silent days of images without a known body part were ended already.")
    return ConflictError("The silent days of {part} were ended already.", part=term)


def _audit(transaction: Transaction, number: int, action: str, actor: str, now: datetime) -> None:
    detail = {"action": action, "set": number}
    records.add(transaction, AuditEntry(AuditEvent.POLICY_CHANGED, now, actor, detail=detail))


def _set(row: sa.Row[tuple[object, ...]]) -> LimitSet:
    proposal = _proposal.validate_python(row.document) if row.document is not None else None
    return LimitSet(row.number, row.proposed_at, proposal, row.confirmed_at, row.actor, row.comment, row.in_force_at)


def _document(proposal: LimitProposal) -> dict[str, Any]:
    """As versions read it, too, that may run beside this one."""
    document: dict[str, Any] = {"tail": 0.0, "groups": {}, "others": [], **_proposal.dump_python(proposal, mode="json")}
    looks = [{**one, "state": rooms.STORED.get(one["state"], one["state"])} for one in document["looks"]]
    return {**document, "looks": looks}
