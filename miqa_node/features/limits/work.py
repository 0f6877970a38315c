"""Lets places learn in the background: what limits are made of stands in narrow rows, so a look takes milliseconds.

Limits of a place are made once, and again only after it was made in another way (software, detector, package), or when
a person asks: a room that becomes worse stays beyond the limits that it had.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog

from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import Place, RoomState
from miqa_node.core.settings.judging import PolicySettings
from miqa_node.features.limits import learning
from miqa_node.features.limits.learning import RoomLesson
from miqa_node.features.limits.rows import room_images
from miqa_node.features.limits.rows.room_images import RoomImage
from miqa_node.features.limits.whole_room import HIGH, MOST_NEWEST, typical, whole_room
from miqa_node.parts import PartContext, PartKind
from miqa_node.runtime.site_records import rooms
from miqa_node.runtime.site_records.rooms import Room
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.work.regular import RegularWork

LOOK_INTERVAL_S = 60.0

log = structlog.get_logger(__name__)


class RoomWork(RegularWork):
    """A thread that looks at places of which new images came."""

    def __init__(self, database: Database, settings: PolicySettings, policy: Callable[[], Policy]) -> None:
        super().__init__("rooms", LOOK_INTERVAL_S, "rooms wait for the database")
        self._database, self._settings, self._policy = database, settings, policy
        self._looked: dict[Place, object] = {}
        """What was there of each place at the last look."""

    def look(self, now: datetime | None = None) -> None:
        """Look at all places of which there are other images than before, and at those that learn too long."""
        now = now or datetime.now(UTC)
        with self._database.begin() as transaction:
            do_learn = bool(self._settings.learn_images) and rooms.do_learn(transaction)
            before = {one.place: one for one in rooms.every(transaction)} if do_learn else {}
            there = room_images.places(transaction)
        for place in dict.fromkeys((*before, *there)):
            room = before.get(place)
            mark = there.get(place), do_learn, room and (room.state, room.changed_at, self._is_over(room, now))
            if self._stopping.is_set():
                return
            if self._looked.get(place) != mark:
                self._thread.beat()
                with self._database.begin() as transaction:
                    room_images.forget_old(transaction, place)
                    if do_learn:
                        self._visit(transaction, place, now)
                self._looked[place] = mark

    def _visit(self, transaction: Transaction, place: Place, now: datetime) -> None:
        every = rooms.locked(transaction)
        if place not in every and len(every) >= rooms.MOST_ROOMS:
            return
        room = every.get(place) or rooms.begin(transaction, place, now)
        images = room_images.newest(transaction, place)
        is_behind = not images or room.state is RoomState.EXPIRED or room.so_far > len(images)
        if is_behind and place not in self._looked:  # an earlier version judged them
            room_images.read_past(transaction, place, self._policy())
            images = room_images.newest(transaction, place)
        self._tell_whole(transaction, room, images[:MOST_NEWEST], now)
        after = self._after(transaction, room, images, now)
        if after is not None and after != room:
            rooms.change(transaction, room, after)
            if after.state is not room.state:
                self._tell("the state of a room changed", after, state=after.state.value)

    def _after(self, transaction: Transaction, room: Room, images: Sequence[RoomImage], now: datetime) -> Room | None:
        """How far the room is now; None if it has learned, which is saved."""
        least = self._settings.learn_images
        if room.waits:
            return learning.without_own(room, now) if self._is_over(room, now) else room
        if not room.is_open:
            since = room_images.other_since(images, room.learned_from)
            expired = replace(room, state=RoomState.EXPIRED, changed_at=now, began_at=now, taught_since=since)
            return room if since is None else expired  # and learns at the next look
        teaching = room_images.taught(images, room.taught_since)
        if room_images.are_enough(teaching, self._settings):
            self._learn(transaction, room, teaching, None, now)
            return None
        if self._is_over(room, now):
            for place in room_images.wider_places(room.place):
                pooled = room_images.taught(room_images.newest(transaction, place, pools=True))
                if len(pooled) >= least:
                    self._learn(transaction, room, pooled, place, now)
                    return None
            return learning.without_own(room, now)
        return replace(room, so_far=min(len(teaching), least))

    def _learn(
        self, transaction: Transaction, room: Room, images: Sequence[RoomImage], pooled: Place | None, now: datetime
    ) -> None:
        lesson = RoomLesson(room, images, self._policy(), self._settings, pooled)
        learned = learning.put(transaction, lesson, now)
        if learned is not None:
            event = "a room learned its limits" if pooled is None else "a room has the limits of more rooms"
            self._tell(event, learned, images=len(images))

    def _tell_whole(self, transaction: Transaction, room: Room, images: Sequence[RoomImage], now: datetime) -> None:
        """Keep what most of the newest images of a room show."""
        views = [one.seen for one in images]
        names = whole_room(views, room.whole.told, self._own_limits(images))
        if not names and not room.whole.told:
            return
        examples = [images[place].digest for place in typical(views, names)]
        if rooms.tell(transaction, room.place, names, examples, now):
            self._tell("most images of a room show the same", room, told=", ".join(names))

    def _own_limits(self, images: Sequence[RoomImage]) -> dict[str, float]:
        """From which strength on findings flag in the room, by its own limits."""
        kind, site = images[0].kind if images else None, self._policy().site_limits
        own = {name: site.limit_in_force(name, kind) for name in HIGH} if kind is not None else {}
        return {name: limit.least_strength for name, limit in own.items() if limit is not None}

    def _is_over(self, room: Room, now: datetime) -> bool:
        longest = timedelta(days=self._settings.learn_at_most_days)
        return room.state is RoomState.LEARNING and now - room.began_at >= longest

    def _tell(self, event: str, room: Room, **numbers: int | str) -> None:
        place = room.place
        log.info(event, room=place.room, detector=place.detector, part=place.body_part, view=place.view, **numbers)


def _part(context: PartContext) -> RoomWork:
    return RoomWork(context.database, context.settings.policy, context.unit.judging.policy)


PART = PartKind("learned_rooms", _part)
