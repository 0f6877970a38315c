"""Lets rooms learn in the background, one at a time: counts their images, and tries limits with simulated defects.

What a room has tried so far is kept in memory alone; after a restart it begins anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import structlog

from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import Place, RoomState
from miqa_node.core.settings.judging import PolicySettings
from miqa_node.errors import MiqaError, ResourcesError
from miqa_node.features.limits import room_sets
from miqa_node.features.limits.learn import SeenImage
from miqa_node.features.limits.room_sets import RoomLesson
from miqa_node.features.limits.room_trials import DefectTry, kinds_of, learned_room, trials_in_turn
from miqa_node.features.limits.rows import room_images
from miqa_node.features.limits.rows.room_images import (
    TeachingImage,
    are_enough,
    newest_images,
    quiet_first,
    teaching_images,
)
from miqa_node.features.limits.trial_task import try_original
from miqa_node.features.limits.whole_room import LEAST_IMAGES, typical, whole_room
from miqa_node.parts import PartContext, PartKind
from miqa_node.runtime.site_records import rooms
from miqa_node.runtime.site_records.rooms import Room
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.regular import RegularWork
from miqa_node.stages.units.rows import instances

LOOK_INTERVAL_S = 60.0
SETTLED_FOR = timedelta(hours=1)
"""So long nobody looks at a room that learns nothing now."""
MOST_COUNTING_S, MOST_TRYING_S = 5.0, 30.0
"""A turn takes no longer; the rest waits for the next one."""
LEASE = timedelta(minutes=10)
"""So long other processes leave a room alone that one tries."""
AT_ONCE = 3
"""Defects that a worker process tries in one task, so that an image waits for no more."""

log = structlog.get_logger(__name__)

MOST_MISSING = 20
"""Tries in a row of which nothing came, after which no more are made: the originals are gone."""

TryOriginal = Callable[[TeachingImage, Sequence[DefectTry]], list[SeenImage]]
"""Simulated defects on a stored image; none if its original is gone or cannot be read."""


@dataclass
class OpenRoom:
    """A room with enough images whose limits are being tried."""

    room: Room
    images: list[TeachingImage]
    pooled: Place | None
    policy: Policy
    untried: Iterator[SeenImage]
    trials: list[SeenImage] = field(default_factory=list)


class RoomWork(RegularWork):
    """A thread that looks at rooms at intervals."""

    def __init__(
        self, database: Database, settings: PolicySettings, policy: Callable[[], Policy], try_original: TryOriginal
    ) -> None:
        super().__init__("rooms", LOOK_INTERVAL_S, "rooms wait for the database")
        self._database, self._settings, self._policy, self._try = database, settings, policy, try_original
        self._open: OpenRoom | None = None
        self._missing = 0

    def look(self, now: datetime | None = None) -> None:
        """Go on with the room that is tried; else look at others, those first that waited longest."""
        now = now or datetime.now(UTC)
        if self._open is None:
            self._open = self._next(now)
        if self._open is not None:
            opened, self._open = self._open, None  # after an error it begins anew
            self._open = self._go_on(opened, now)

    def _next(self, now: datetime) -> OpenRoom | None:
        """The first room that has enough images; others are counted on the way."""
        until = time.monotonic() + MOST_COUNTING_S
        if not self._settings.learn_images:
            return None
        with self._database.begin() as transaction:
            every = rooms.every(transaction) if rooms.do_learn(transaction) else []
        due = [room for room in every if room.looked_at is None or room.looked_at <= now]
        for room in sorted(due, key=lambda one: one.looked_at or one.began_at):
            if self._stopping.is_set() or time.monotonic() > until:
                return None
            self._thread.beat()
            next_look = now if room.is_open or room.waits else now + SETTLED_FOR
            with self._database.begin() as transaction:
                is_mine = rooms.claim(transaction, room, next_look)
            opened = self._visit(replace(room, looked_at=next_look), now) if is_mine else None
            if opened is not None:
                return opened
        return None

    def _visit(self, room: Room, now: datetime) -> OpenRoom | None:
        """The room if it can learn now; else what is new about it is kept."""
        self._look_at_whole(room, now)
        if room.is_open:
            after = self._counted(room, now)
        elif room.waits:
            after = room_sets.without_own(room, now) if self._is_over(room, now) else room
        else:
            after = self._expired(room, now)
        if isinstance(after, OpenRoom):
            return after
        if after != room:
            with self._database.begin() as transaction:
                rooms.change(transaction, room, after)
        if after.state is not room.state:
            self._tell("the state of a room changed", after, state=after.state.value)
        return None

    def _look_at_whole(self, room: Room, now: datetime) -> None:
        """Keep what most of the newest images of a room show."""
        policy = self._policy()
        with self._database.begin() as transaction:
            images = newest_images(transaction, room.place, policy)
        if len(images) < LEAST_IMAGES:
            return
        degrees = [one.seen for one in images]
        names = whole_room(degrees, room.whole.told)
        examples = [images[place].digest for place in typical(degrees, names)]
        with self._database.begin() as transaction:
            is_new = rooms.tell(transaction, room.place, names, examples, now)
        if is_new:
            self._tell("most images of a room show the same", room, told=", ".join(names))

    def _is_over(self, room: Room, now: datetime) -> bool:
        longest = timedelta(days=self._settings.learn_at_most_days)
        return room.state is RoomState.LEARNING and now - room.began_at >= longest

    def _counted(self, room: Room, now: datetime) -> OpenRoom | Room:
        """The room with its images so far, or with enough of them; pooled, or without own limits, if it takes long."""
        policy, least = self._policy(), self._settings.learn_images
        with self._database.begin() as transaction:
            images = teaching_images(transaction, room.place, policy, room.taught_since)
            if are_enough(images, self._settings):
                return self._opened(room, images, None, policy)
            if self._is_over(room, now):
                for place in room_images.wider_places(room.place):
                    pooled = teaching_images(transaction, place, policy, pools=True)
                    if len(pooled) >= least:
                        return self._opened(room, pooled, place, policy)
                return room_sets.without_own(room, now)
        return replace(room, so_far=min(len(images), least))

    def _expired(self, room: Room, now: datetime) -> Room:
        """The room; expired if its newest images are made in another way than those that taught it.

        Then it learns anew from these.
        """
        with self._database.begin() as transaction:
            since = room_images.other_since(transaction, room.place, room.learned_from)
        if since is None:
            return room
        anew = replace(room, state=RoomState.EXPIRED, changed_at=now, began_at=now, taught_since=since)
        return replace(anew, looked_at=now)

    def _opened(self, room: Room, images: list[TeachingImage], pooled: Place | None, policy: Policy) -> OpenRoom:
        self._missing = 0
        untried = trials_in_turn(quiet_first(images), self._tries, kinds_of(policy))
        return OpenRoom(room, images, pooled, policy, untried)

    def _tries(self, image: TeachingImage, tries: Sequence[DefectTry]) -> Iterator[SeenImage]:
        for first in range(0, len(tries), AT_ONCE):
            if self._stopping.is_set() or self._missing == MOST_MISSING:
                return
            self._thread.beat()
            trials = self._try(image, tries[first : first + AT_ONCE])
            self._missing = 0 if trials else self._missing + 1
            yield from trials

    def _go_on(self, opened: OpenRoom, now: datetime) -> OpenRoom | None:
        """Try on; None once the room has its limits, or the policy has other rules than those that it is tried with."""
        until = time.monotonic() + MOST_TRYING_S
        if self._policy().rules != opened.policy.rules:
            return None
        with self._database.begin() as transaction:
            if not rooms.claim(transaction, opened.room, now + LEASE):
                return None
        opened.room = replace(opened.room, looked_at=now + LEASE)
        for trial in opened.untried:
            opened.trials.append(trial)
            if self._stopping.is_set() or time.monotonic() > until:
                return opened
        if not self._stopping.is_set():
            self._conclude(opened, now)
        return None

    def _conclude(self, opened: OpenRoom, now: datetime) -> None:
        settings, images = self._settings, [one.seen for one in opened.images]
        learned = learned_room(opened.room.place, images, opened.trials, opened.policy, settings.room_budget)
        lesson = RoomLesson(opened.room, opened.images, learned, opened.policy, settings.room_budget, opened.pooled)
        with self._database.begin() as transaction:
            room = room_sets.put(transaction, lesson, now, confirm_first=settings.confirm_first)
        if room is not None:
            event = "a room learned its limits" if opened.pooled is None else "a room has the limits of more rooms"
            self._tell(event, room, limits=len(learned.limits), before=learned.before, flagged=learned.flagged)

    def _tell(self, event: str, room: Room, **numbers: int | str) -> None:
        place = room.place
        log.info(event, room=place.room, detector=place.detector, part=place.body_part, view=place.view, **numbers)


def _part(context: PartContext) -> RoomWork:
    def tried(image: TeachingImage, tries: Sequence[DefectTry]) -> list[SeenImage]:
        try:
            with context.database.begin() as transaction:
                stored = instances.load(transaction, image.digest)
            path = context.objects.local_path(stored.object_key)
            trials: list[SeenImage] = context.work(try_original, stored, path, image.package, tries)
        except ResourcesError:  # no process can be started now
            raise
        except (MiqaError, OSError):  # of one original, which is gone or damaged
            return []
        return trials

    return RoomWork(context.database, context.settings.policy, context.unit.judging.policy, tried)


PART = PartKind("learned_rooms", _part)
