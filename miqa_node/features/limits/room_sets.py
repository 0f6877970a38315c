"""The set of limits that a room which has learned adds to those of the others, and its state afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import JudgedKind, Place, RoomLook, RoomState
from miqa_node.core.domain.rule import LimitSide, Subject
from miqa_node.core.domain.site_limit import (
    LimitProposal,
    LimitSet,
    NearImage,
    ProposedLimit,
    RoomLimit,
    SiteLimits,
)
from miqa_node.features.limits.own_limits import NEAREST
from miqa_node.features.limits.room_trials import LearnedRoom, kinds_of
from miqa_node.features.limits.rows.room_images import TeachingImage, learned_from
from miqa_node.runtime.site_records import rooms, site_limits
from miqa_node.runtime.site_records.rooms import Room
from miqa_node.runtime.store.database import Transaction


@dataclass(frozen=True, slots=True)
class RoomLesson:
    """What a room learned from these images by this policy; ``pooled`` is where they come from if not from itself."""

    room: Room
    images: Sequence[TeachingImage]
    learned: LearnedRoom
    policy: Policy
    budget: float
    pooled: Place | None = None
    are_stored: bool = True
    """Whether the node has the images, so that people can look at those nearest to a limit."""


def put(transaction: Transaction, lesson: RoomLesson, now: datetime, *, confirm_first: bool = False) -> Room | None:
    """Put the room's own limits in force, or propose them, beside those of other rooms; return its new state.

    What a person confirmed in place of the policy's limits stays. None if the room needs no limits any more.
    """
    others = rooms.locked(transaction)
    room = others.get(lesson.room.place)
    if room is None or not room.is_open:
        return None
    base = _base(transaction, others.values())
    before = base.proposal if base is not None else None
    stays = [one for one in before.limits if one.limit.replaces or one.limit.where != room.place] if before else []
    confirmed = SiteLimits(limits=tuple(one.limit for one in stays if one.limit.replaces))
    kind = JudgedKind(lesson.room.place, is_left=bool(lesson.images) and lesson.images[0].kind.is_left)
    own = [one for one in _proposed(lesson) if confirmed.limit_of(one.limit.finding, kind) is None]
    source, limits = learned_from(list(lesson.images), lesson.pooled, is_pilot=not lesson.are_stored), (*stays, *own)
    learned = replace(room, learned_from=source, so_far=len(lesson.images), looked_at=now)
    is_new = limits != (before.limits if before else ())  # else the policy's limits do
    waits = is_new and confirm_first
    if not waits:
        learned = _in_force(learned, lesson, now)
    if is_new:
        look = replace(lesson.learned.look, since=now)
        looks = [one for one in before.looks if one.place != room.place] if before else []
        pooled = {place for place, one in others.items() if one.is_pooled}
        taught = [one for one in looks if one.place not in pooled] + [look] * (lesson.pooled is None)
        proposal = _proposal(lesson, limits, (*looks, look), taught)
        made = site_limits.propose(transaction, proposal, now, in_force=not confirm_first)
        learned = replace(learned, waiting_set=made.number if waits else None)
    rooms.change(transaction, room, learned)
    return learned


def without_own(room: Room, now: datetime) -> Room:
    """The room has learned long enough, and neither it nor others like it have enough images: the policy's limits."""
    source = room.learned_from if room.waits else learned_from([], Place())
    return replace(room, state=RoomState.PROVISIONAL, changed_at=now, learned_from=source)


def _in_force(room: Room, lesson: RoomLesson, now: datetime) -> Room:
    look = lesson.learned.look
    state = replace(room, state=RoomState.PROVISIONAL, changed_at=now, so_far=0, waiting_set=None)
    return replace(state, images=len(lesson.images), found=look.found)


def _base(transaction: Transaction, others: Iterable[Room]) -> LimitSet | None:
    """The set that is in force, or the newest one that waits for a person, which has the limits of that one, too."""
    waiting = [room.waiting_set for room in others if room.waiting_set is not None]
    return site_limits.load(transaction, max(waiting)) if waiting else site_limits.in_force(transaction)


def _proposal(
    lesson: RoomLesson, limits: tuple[ProposedLimit, ...], looks: tuple[RoomLook, ...], taught: Iterable[RoomLook]
) -> LimitProposal:
    """Its numbers are of the room that it adds; of body parts it counts the images of all that ``taught`` rooms."""
    learned, images, parts = lesson.learned, lesson.images, Counter[str]()
    for look in taught:
        parts[look.place.body_part] += look.images
    return LimitProposal(
        lesson.budget, len(images), learned.always, learned.before, learned.flagged, 0.0,
        {str(look.place): look.images for look in looks}, limits, len({one.day for one in images}),
        dict(parts), looks=looks,
    )  # fmt: skip


def _proposed(lesson: RoomLesson) -> list[ProposedLimit]:
    kinds = kinds_of(lesson.policy)
    below = {
        one.what for one in lesson.policy.rules if one.subject is Subject.MEASUREMENT and one.side is LimitSide.BELOW
    }
    return [
        _described(limit, lesson, kinds.get(limit.finding, frozenset()), -1.0 if limit.finding in below else 1.0)
        for limit in lesson.learned.limits
    ]


def _described(limit: RoomLimit, lesson: RoomLesson, kinds: frozenset[str], sign: float) -> ProposedLimit:
    """The limit with the images nearest to it, and what is found of the defects that it is about."""
    name, least = str(limit.finding), sign * limit.least_strength
    with_it = [one for one in lesson.images if name in one.seen.flags]
    flagged = {one.digest for one in with_it if one.seen.degrees[name] >= least}
    near = sorted(
        (one for one in lesson.images if name in one.seen.degrees),
        key=lambda one: abs(one.seen.degrees[name] - least),
    )
    sides = [lesson.learned.sides[one] for one in sorted(kinds) if one in lesson.learned.sides]
    simulated, by_policy, by_these = (sum(of) for of in zip(*sides, strict=True)) if sides else (None, None, None)
    return ProposedLimit(
        limit, len(lesson.images), len(with_it), len(flagged),
        tuple(
            NearImage(one.digest, one.sop_instance_uid, round(sign * one.seen.degrees[name], 4), one.digest in flagged)
            for one in near[: NEAREST if lesson.are_stored else 0]
        ),
        simulated, by_these, by_policy,
    )  # fmt: skip
