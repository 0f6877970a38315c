"""What a place learns from its images: limits beside those of the other places, as one more set, and its state then.

Images of a node, of a pilot and of a folder teach by the same functions.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import Place, RoomLook, RoomState
from miqa_node.core.domain.rule import ANOMALY, LimitSide, Subject
from miqa_node.core.domain.site_limit import (
    LimitProposal,
    LimitSet,
    NearImage,
    ProposedLimit,
    RoomLimit,
    SiteLimits,
)
from miqa_node.core.settings.judging import PolicySettings
from miqa_node.features.limits.learn import SeenImage, learned_limits
from miqa_node.features.limits.own_limits import NEAREST
from miqa_node.features.limits.rows.room_images import RoomImage, learned_from
from miqa_node.runtime.site_records import rooms, site_limits
from miqa_node.runtime.site_records.rooms import Room
from miqa_node.runtime.store.database import Transaction


@dataclass(frozen=True, slots=True)
class RoomLesson:
    """What a room learns from these images by this policy; ``pooled`` is where they come from if not from itself."""

    room: Room
    images: Sequence[RoomImage]
    policy: Policy
    settings: PolicySettings
    pooled: Place | None = None
    is_pilot: bool = False
    """Whether the node has none of the images, so that nobody can look at those nearest to a limit."""

    @property
    def degrees(self) -> dict[str, float]:
        """From which degree on each rule flags."""
        return learned_limits([one.seen for one in self.images], self.settings.room_budget)


def limits_of(place: Place, degrees: dict[str, float], policy: Policy) -> list[RoomLimit]:
    """Degrees as the limits that rules compare with: a finding flags from there on, a measurement only beyond."""
    measured = {one.what for one in policy.rules if one.subject is Subject.MEASUREMENT} - {ANOMALY}
    below, limits = signs(policy), []
    for name, degree in sorted(degrees.items()):
        least = degree
        if name in measured:
            least = math.nextafter(-degree, math.inf) if name in below else math.nextafter(degree, -math.inf)
        limits.append(RoomLimit.at(place, FindingName(name), least, replaces=False))
    return limits


def signs(policy: Policy) -> dict[str, float]:
    """-1 for each measurement of which low values flag."""
    rules = (one for one in policy.rules if one.subject is Subject.MEASUREMENT and one.side is LimitSide.BELOW)
    return {one.what: -1.0 for one in rules if one.is_learned}


def put(transaction: Transaction, lesson: RoomLesson, now: datetime) -> Room | None:
    """Put the room's own limits in force, or propose them, beside those of other rooms; return its new state.

    What a person confirmed in place of the policy's limits stays. None if the room needs no limits any more.
    """
    others, place = rooms.locked(transaction), lesson.room.place
    room = others.get(place)
    if room is None or not room.is_open:
        return None
    base = _base(transaction, others.values())
    before = base.proposal if base is not None else None
    stays = [one for one in before.limits if one.limit.replaces or one.limit.where != place] if before else []
    confirmed = SiteLimits(limits=tuple(one.limit for one in stays if one.limit.replaces))
    degrees, kind = lesson.degrees, replace(lesson.images[0].kind, place=place)
    own = [one for one in _proposed(lesson, degrees) if confirmed.limit_of(one.limit.finding, kind) is None]
    source, limits = learned_from(lesson.images, lesson.pooled, is_pilot=lesson.is_pilot), (*stays, *own)
    number = len(lesson.images)
    learned = replace(room, learned_from=source, so_far=number)
    is_new = limits != (before.limits if before else ())  # else the limits in force do
    waits = is_new and lesson.settings.confirm_first
    if not waits:
        learned = replace(learned, state=RoomState.LEARNED, changed_at=now, so_far=0, waiting_set=None)
        learned = replace(learned, images=number, found=None)
    if is_new:
        look = RoomLook(place, RoomState.LEARNED, number, since=now)
        looks = [one for one in before.looks if one.place != place] if before else []
        pooled = {where for where, one in others.items() if one.is_pooled}
        taught = [one for one in looks if one.place not in pooled] + [look] * (lesson.pooled is None)
        proposal = _proposal(lesson, degrees, limits, (*looks, look), taught)
        made = site_limits.propose(transaction, proposal, now, in_force=not waits)
        learned = replace(learned, waiting_set=made.number if waits else None)
    rooms.change(transaction, room, learned)
    return learned


def without_own(room: Room, now: datetime) -> Room:
    """The room has learned long enough, and neither it nor others like it have enough images: the policy's limits."""
    source = room.learned_from if room.waits else learned_from([], Place())
    return replace(room, state=RoomState.LEARNED, changed_at=now, learned_from=source)


def _base(transaction: Transaction, others: Iterable[Room]) -> LimitSet | None:
    """The set that is in force, or the newest one that waits for a person, which has the limits of that one, too."""
    waiting = [room.waiting_set for room in others if room.waiting_set is not None]
    return site_limits.load(transaction, max(waiting)) if waiting else site_limits.in_force(transaction)


def _proposal(
    lesson: RoomLesson,
    degrees: dict[str, float],
    limits: tuple[ProposedLimit, ...],
    looks: tuple[RoomLook, ...],
    taught: Iterable[RoomLook],
) -> LimitProposal:
    """Its numbers are of the room that it adds; of body parts it counts the images of all that ``taught`` rooms."""
    views, parts = [one.seen for one in lesson.images], Counter[str]()
    for look in taught:
        parts[look.place.body_part] += look.images
    return LimitProposal(
        lesson.settings.room_budget, len(views), sum(one.always for one in views), flagged(views, {}),
        flagged(views, degrees), limits, len({one.at.date() for one in lesson.images}), dict(parts), looks=looks,
    )  # fmt: skip


def flagged(images: Iterable[SeenImage], degrees: dict[str, float]) -> int:
    """How many of these images limits flag, with those that are flagged in any case."""
    return sum(one.always or one.is_flagged(degrees) for one in images)


def _proposed(lesson: RoomLesson, degrees: dict[str, float]) -> list[ProposedLimit]:
    """The limits, each with the images nearest to it."""
    below, proposed = signs(lesson.policy), []
    for limit in limits_of(lesson.room.place, degrees, lesson.policy):
        name, sign = str(limit.finding), below.get(limit.finding, 1.0)
        least = degrees[name]
        having = [one for one in lesson.images if name in one.seen.degrees]
        nearest = sorted(having, key=lambda one: abs(one.seen.degrees[name] - least))
        near = tuple(
            NearImage(
                one.digest, one.sop_instance_uid, round(sign * one.seen.degrees[name], 4),
                one.seen.is_beyond(name, least),
            )
            for one in nearest[: 0 if lesson.is_pilot else NEAREST]
        )  # fmt: skip
        beyond = sum(one.seen.is_beyond(name, least) for one in having)
        by_policy = sum(name in one.seen.flags for one in having)
        proposed.append(ProposedLimit(limit, len(lesson.images), by_policy, beyond, near))
    return proposed
