"""Rooms learn from images of the past that are judged elsewhere, such as those of a pilot, by the images' own dates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import Place, RoomLook, RoomState
from miqa_node.core.domain.site_limit import SiteLimits
from miqa_node.core.settings.judging import PolicySettings
from miqa_node.errors import ConflictError
from miqa_node.features.limits import learning
from miqa_node.features.limits.learning import RoomLesson
from miqa_node.features.limits.rows.room_images import RoomImage, are_enough, image_of, shown, taught
from miqa_node.runtime.site_records import rooms
from miqa_node.runtime.site_records.rooms import Room
from miqa_node.runtime.store.database import Database, Transaction


class LimitsOfPast:
    """The plug-in of the seam ``past_rooms``."""

    def check(self, transaction: Transaction, settings: PolicySettings) -> None:
        """InputError or ConflictError if rooms of this node do not learn."""
        settings.images_to_learn()
        if not rooms.do_learn(transaction):
            raise ConflictError(
                "Rooms of this node do not learn, as an earlier version judged images here: miqa-node tune --learn."
            )

    def learned(
        self, database: Database, policy: Policy, settings: PolicySettings, images: Iterable[Assessment], now: datetime
    ) -> dict[str, bool]:
        """Put limits of rooms in force that have none of their own; by digest whether the room's own limits flag it.

        ``assessed_at`` of an image is when it was made. Images of rooms with too few have no entry.
        """
        plain = replace(policy, site_limits=SiteLimits())
        by_place: defaultdict[Place, list[tuple[Assessment, RoomImage]]] = defaultdict(list)
        for one in sorted(images, key=lambda one: one.assessed_at, reverse=True):
            if (shows := image_of(one, plain)) is not None:
                by_place[shows.kind.place].append((one, shows))
        flags: dict[str, bool] = {}
        for place, members in by_place.items():
            with database.begin() as transaction:
                others = rooms.locked(transaction)
                since = others[place].taught_since if place in others and others[place].is_open else None
                teaching = taught(shown(one for _, one in members), since)
                if not are_enough(teaching, settings):
                    continue
                room = others.get(place) or Room(place, RoomState.LEARNING, now, now)
                lesson = RoomLesson(room, teaching, plain, settings, is_pilot=True)
                if place in others or len(others) < rooms.MOST_ROOMS:
                    rooms.begin(transaction, place, now)
                    learning.put(transaction, lesson, now)
            flags |= _flags([one for one, _ in members], lesson, policy)
        return flags


def _flags(members: Sequence[Assessment], lesson: RoomLesson, policy: Policy) -> dict[str, bool]:
    """Whether the room's own limits flag each of its images, beside those that a person confirmed."""
    place, kind = lesson.room.place, lesson.images[0].kind
    confirmed = SiteLimits(limits=tuple(one for one in policy.site_limits.limits if one.replaces))
    own = learning.limits_of(place, lesson.degrees, lesson.policy)
    mine = [one for one in own if confirmed.limit_of(one.finding, kind) is None]
    look = RoomLook(place, RoomState.LEARNED, len(lesson.images))
    strict = policy.with_limits(SiteLimits(1, (*confirmed.limits, *mine), everywhere=look))
    return {str(one.digest): decide(one, strict).verdict.flagged for one in members}


PAST_ROOMS = LimitsOfPast()
