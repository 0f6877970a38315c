"""Rooms learn from images of the past that are judged elsewhere, such as those of a pilot, by the images' own dates.

Turns, checks and sets are those of images that the node received (room_work.py). Originals do not stay, so defects are
simulated on each while it is there, apart on images that the policy flags and on others: ordinary turns find what they
want among them afterwards.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import Place, RoomState, kind_of, shows_room
from miqa_node.core.domain.site_limit import SiteLimits
from miqa_node.core.settings.judging import PolicySettings
from miqa_node.errors import ConflictError, ModelPackageError
from miqa_node.features.limits import room_sets
from miqa_node.features.limits.learn import SeenImage, second_sides, seen_image
from miqa_node.features.limits.room_sets import RoomLesson
from miqa_node.features.limits.room_trials import (
    DefectTry,
    DefectTurns,
    Judge,
    OwnImage,
    kinds_of,
    learned_room,
    trials_in_turn,
    tries_on,
)
from miqa_node.features.limits.rows.room_images import TeachingImage, are_enough, quiet_first, shown, taught
from miqa_node.runtime.site_records import rooms
from miqa_node.runtime.site_records.rooms import Room
from miqa_node.runtime.store.database import Database, Transaction

Trials = list[dict[str, Any]]
"""What was seen of simulated defects on an image, as JSON."""
Past = tuple[Assessment, Trials]
"""An image, ``assessed_at`` when it was made, and what was tried on it."""


class PastRooms:
    """What a pilot asks; it keeps trials and results in the rows of its images."""

    def __init__(self, policy: Policy, settings: PolicySettings) -> None:
        self._policy = replace(policy, site_limits=SiteLimits())
        self._confirmed = SiteLimits(limits=tuple(one for one in policy.site_limits.limits if one.replaces))
        self._settings, self._kinds = settings, kinds_of(policy)
        self._turns: dict[tuple[Place, bool], DefectTurns] = {}

    def tried(self, assessment: Assessment, radiograph: Radiograph, judge: Judge) -> Trials:
        """Simulate defects on an original, as far as its room needs more; none on an image that teaches nothing."""
        look = seen_image(assessment, self._policy)
        package = assessment.model.label if assessment.model else ""
        if look.always or not package or not shows_room(assessment) or radiograph.frames > 1:
            return []

        def judged(header: Header, changed: Radiograph, digest: InstanceDigest) -> Assessment:
            result = judge(header, changed, digest)
            if result.model is None or result.model.label != package:
                raise ModelPackageError("Another package judges it.")
            return result

        turns = self._turns_of(assessment, look)
        original = OwnImage(assessment.header, radiograph, assessment.digest)
        trials = list(tries_on(original, turns.following(), judged, self._policy))
        for trial in trials:
            turns.count(trial)
        return [
            {"defect": one.defect, "degrees": dict(one.degrees), "flags": sorted(one.flags), "always": one.always}
            for one in trials
        ]

    def remember(self, images: Iterable[Past]) -> None:
        """What an earlier run tried counts for the turns of this one."""
        for assessment, trials in images:
            if trials:
                turns = self._turns_of(assessment, seen_image(assessment, self._policy))
                turns.following()
                for one in trials:
                    turns.count(_seen(one))

    def learned(self, database: Database, images: Iterable[Past], now: datetime) -> dict[str, dict[str, int]]:
        """Put limits of rooms in force that have none of their own, provisionally; what comes of each image, by digest.

        ``flagged``: whether the room's own limits flag it; of the defects ``simulated`` on it how many the policy finds
        (``by_policy``) and how many its limits (``found``). Images of rooms with too few have no entry.
        """
        by_place: defaultdict[Place, list[Past]] = defaultdict(list)
        for one in sorted(images, key=lambda one: one[0].assessed_at, reverse=True):
            by_place[_place(one[0])].append(one)
        with database.begin() as transaction:
            since = {one.place: one.taught_since for one in rooms.every(transaction) if one.is_open}
        result: dict[str, dict[str, int]] = {}
        for place, members in by_place.items():
            first = since.get(place)
            new = [one for one in members if first is None or one[0].assessed_at >= first]
            if new:
                result |= self._learned(database, place, new, now)
        return result

    def _learned(
        self, database: Database, place: Place, members: Sequence[Past], now: datetime
    ) -> dict[str, dict[str, int]]:
        policy, settings = self._policy, self._settings
        shows = list(shown((replace(one, header=one.known_header) for one, _ in members), policy))
        teaching, trials_of = taught(shows), {one.digest: trials for one, trials in members}
        if not are_enough(teaching, settings):
            return {}
        used: defaultdict[str, list[SeenImage]] = defaultdict(list)
        originals = quiet_first(one for one in shows if trials_of[one.digest])
        find = partial(_among, trials_of, used)
        trials = list(trials_in_turn(originals, find, self._kinds))
        learned = learned_room(place, [one.seen for one in teaching], trials, policy, settings.room_budget)
        room = Room(place, RoomState.LEARNING, now, now)
        self._put(database, RoomLesson(room, teaching, learned, policy, settings.room_budget, are_stored=False), now)
        own = [one for one in learned.limits if self._confirmed.limit_of(one.finding, kind_of(members[0][0])) is None]
        limits = SiteLimits(1, (*self._confirmed.limits, *own), everywhere=learned.look)
        with_own, degrees = policy.with_limits(limits), learned.degrees
        look = {one.digest: one.seen for one in shows}
        result = {}
        for assessment, _ in members:
            digest = assessment.digest
            tries = [replace(one, unaltered=look.get(digest)) for one in used[digest]]
            sides = second_sides(tries, self._kinds).values()
            result[str(digest)] = {
                "flagged": int(decide(assessment, with_own).verdict.flagged),
                "simulated": len(tries),
                "by_policy": sum(one.found({}) for one in sides),
                "found": sum(one.found(degrees) for one in sides),
            }
        return result

    def _put(self, database: Database, lesson: RoomLesson, now: datetime) -> None:
        place = lesson.room.place
        with database.begin() as transaction:
            every = rooms.locked(transaction)
            if place in every or len(every) < rooms.MOST_ROOMS:
                rooms.begin(transaction, place, now)
                room_sets.put(transaction, lesson, now, confirm_first=self._settings.confirm_first)

    def _turns_of(self, assessment: Assessment, look: SeenImage) -> DefectTurns:
        return self._turns.setdefault((_place(assessment), bool(look.flags)), DefectTurns(self._kinds))


def check(transaction: Transaction, settings: PolicySettings) -> None:
    """InputError or ConflictError if rooms of this node do not learn."""
    settings.images_to_learn()
    if not rooms.do_learn(transaction):
        raise ConflictError(
            "Rooms of this node do not learn, as an earlier version judged images here: miqa-node tune --learn."
        )


def _among(
    trials_of: Mapping[InstanceDigest, Trials],
    used: defaultdict[str, list[SeenImage]],
    image: TeachingImage,
    tries: Sequence[DefectTry],
) -> Iterable[SeenImage]:
    """What was tried of these defects on an image while its original was there."""
    defects = {one.defect for one in tries}
    used[image.digest] = [_seen(one) for one in trials_of[image.digest] if one["defect"] in defects]
    return used[image.digest]


def _seen(one: Mapping[str, Any]) -> SeenImage:
    return SeenImage(one["degrees"], frozenset(one["flags"]), one["always"], one["defect"])


def _place(assessment: Assessment) -> Place:
    stated = replace(assessment, header=assessment.known_header)
    return rooms.of_known_words(kind_of(stated).place)


class LimitsOfPast:
    """The plug-in of the seam ``past_rooms``."""

    check = staticmethod(check)
    open = PastRooms


PAST_ROOMS = LimitsOfPast()
