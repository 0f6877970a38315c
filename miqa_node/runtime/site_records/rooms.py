"""The rooms of a site: how far the look of each is known, and what it was learned from.

Rooms of a node learn, unless an earlier version judged images there before; a person lets them learn then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.room import Place, RoomLook, RoomState
from miqa_node.core.taxonomy.anatomy import STANDARD
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store.database import Transaction, begin_writing, insert_or_ignore
from miqa_node.runtime.store.tables import rooms

MOST_ROOMS = 1000
"""A site with more of them sends ever new names: further ones go by the policy's limits."""

_ALL = sa.select(rooms).order_by(rooms.c.body_part, rooms.c.room, rooms.c.detector, rooms.c.view, rooms.c.package)


@dataclass(frozen=True, slots=True)
class LearnedFrom:
    """The images that taught a room: their packages and software versions.

    ``place`` is where they come from if the room itself had too few; ``is_pilot`` if they were those of a pilot.
    """

    packages: tuple[str, ...] = ()
    software: tuple[str, ...] = ()
    place: Place | None = None
    is_pilot: bool = False


@dataclass(frozen=True, slots=True)
class WholeRoom:
    """What is told of a room as a whole, by name: most of its images show it.

    Something new of it is told since ``since``; ``seen`` has what of it somebody has seen, ``examples`` are images that
    show it.
    """

    told: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    examples: tuple[InstanceDigest, ...] = ()
    since: datetime | None = None

    @property
    def unseen(self) -> tuple[str, ...]:
        """What nobody has seen yet."""
        return tuple(name for name in self.told if name not in self.seen)

    def after(self, names: Sequence[str], examples: Sequence[InstanceDigest], now: datetime) -> WholeRoom:
        """What is told once most images show this."""
        is_new = self.since is None or not set(names) <= set(self.told)
        since = (now if is_new else self.since) if names else None
        return WholeRoom(tuple(names), tuple(one for one in self.seen if one in names), tuple(examples), since)


@dataclass(frozen=True, slots=True)
class Room:
    """One room. ``images`` taught it its limits, ``so_far`` are there for those that shall follow.

    It learns since ``began_at``, from images since ``taught_since`` (all if None), and is in its state since
    ``changed_at``. ``waiting_set`` is the set with its limits that a person has to confirm first.
    """

    place: Place
    state: RoomState
    began_at: datetime
    changed_at: datetime
    images: int = 0
    so_far: int = 0
    found: float | None = None
    learned_from: LearnedFrom = LearnedFrom()
    taught_since: datetime | None = None
    waiting_set: int | None = None
    whole: WholeRoom = WholeRoom()

    @property
    def waits(self) -> bool:
        """Whether only a person's confirmation is missing."""
        return self.waiting_set is not None

    @property
    def is_pooled(self) -> bool:
        """Whether it took its limits from more rooms, or the policy's, as it had too few images itself."""
        return self.state is RoomState.LEARNED and self.learned_from.place is not None

    @property
    def is_open(self) -> bool:
        """Whether limits shall follow."""
        return (self.state in {RoomState.LEARNING, RoomState.EXPIRED} or self.is_pooled) and not self.waits

    def look(self, learns_from: int) -> RoomLook:
        """How far it is known, if rooms learn from so many images."""
        learns = self.state is RoomState.LEARNING and not self.waits
        lacking = max(1, learns_from - self.so_far) if learns else 0
        return RoomLook(self.place, self.state, self.images, lacking, self.found, self.changed_at)


_learned_from = TypeAdapter(LearnedFrom)
STORED: Mapping[str, str] = {RoomState.LEARNED: "provisional"}
"""As versions read it that may run beside this one."""


def do_learn(transaction: Transaction) -> bool:
    """Whether rooms of this node learn."""
    return transaction.execute(sa.select(rooms.c.state).where(*_at(Place()))).one_or_none() is None


def learn_anew(transaction: Transaction, actor: str, comment: str, now: datetime) -> None:
    """All rooms learn anew, also of a node that an earlier version began; limits in force stay until they have learned.

    A room that took limits of more rooms keeps them until it has enough images: it learns all the time.
    """
    every = locked(transaction)
    transaction.execute(sa.delete(rooms).where(*_at(Place())))
    for room in every.values():
        if room.is_open:
            continue
        anew = replace(room, so_far=0, waiting_set=None)
        if room.state is not RoomState.LEARNING:
            anew = replace(anew, state=RoomState.EXPIRED, changed_at=now, began_at=now)
        change(transaction, room, anew)
    detail = {"action": "rooms learn", "comment": comment}
    records.add(transaction, AuditEntry(AuditEvent.POLICY_CHANGED, now, actor, detail=detail))


def every(transaction: Transaction) -> list[Room]:
    """All rooms, by body part and name."""
    return [room for row in transaction.execute(_ALL) if (room := _room(row)).place != Place()]


def unseen(transaction: Transaction) -> list[Room]:
    """The rooms of which something is told that nobody has seen yet."""
    return [room for room in every(transaction) if room.whole.unseen]


def tell(
    transaction: Transaction, place: Place, names: Sequence[str], examples: Sequence[InstanceDigest], now: datetime
) -> bool:
    """Most images of a room show this now; whether something of it is new."""
    before = _locked_whole(transaction, place)
    after = before.after(names, examples, now)
    if after != before:
        transaction.execute(sa.update(rooms).where(*_at(place)).values(_values_of_whole(after)))
    return after.since is not None and after.since != before.since


def see(transaction: Transaction, places: Sequence[Place], actor: str, comment: str, now: datetime) -> None:
    """A person has seen what is told of these rooms; it is told again if something else is new.

    Raises
    ------
    ConflictError
        Nothing is told of one of them that nobody has seen.
    """
    for place in places:
        whole = _locked_whole(transaction, place)
        if not whole.unseen:
            raise ConflictError("Nothing is told of the room {place} that nobody has seen.", place=str(place))
        transaction.execute(sa.update(rooms).where(*_at(place)).values(seen=list(whole.told)))
        detail = {"action": "room seen", "place": str(place), "told": ", ".join(whole.unseen), "comment": comment}
        records.add(transaction, AuditEntry(AuditEvent.POLICY_CHANGED, now, actor, detail=detail))


def _locked_whole(transaction: Transaction, place: Place) -> WholeRoom:
    """What is told of a room, which nobody else changes until the transaction ends; NotFoundError without the room."""
    begin_writing(transaction)
    row = transaction.execute(sa.select(rooms).where(*_at(place)).with_for_update()).one_or_none()
    if row is None:
        raise NotFoundError("There is no room {place}.", place=str(place))
    return _room(row).whole


def of_known_words(place: Place) -> Place:
    """The place without words for parts and views that the standard does not know: anything can stand in a header."""
    part, view = STANDARD.body_parts.term(place.body_part), STANDARD.views.term(place.view)
    return replace(place, body_part=part, view=view)


def begin(transaction: Transaction, place: Place, now: datetime) -> Room:
    """The first image of a room was judged; nothing if it is known."""
    room = Room(place, RoomState.LEARNING, now, now)
    insert_or_ignore(transaction, rooms, _values(room) | {"told": []})
    return room


def locked(transaction: Transaction) -> dict[Place, Room]:
    """All rooms, which nobody else changes until the transaction ends, nor makes a set of their limits."""
    begin_writing(transaction)
    every = [_room(row) for row in transaction.execute(_ALL.with_for_update())]
    return {room.place: room for room in every if room.place != Place()}


def change(transaction: Transaction, before: Room, after: Room) -> bool:
    """Save how far a room is known now; False, and nothing, if its state changed meanwhile.

    What is told of it is not saved here.
    """
    same = rooms.c.state == STORED.get(before.state, before.state.value), rooms.c.changed_at == before.changed_at
    changed = sa.update(rooms).where(*_at(before.place), *same).values(_values(after))
    return transaction.execute(changed).rowcount == 1


def confirm(transaction: Transaction, looks: Iterable[RoomLook], number: int, now: datetime) -> None:
    """A person confirmed set ``number`` with these; rooms that expired meanwhile stay so until they learned anew."""
    for look in looks:
        learned = rooms.c.state.in_([RoomState.LEARNING.value, STORED[RoomState.LEARNED]])
        waited = sa.or_(learned, rooms.c.waiting_set.is_not(None))
        values = {"state": RoomState.CONFIRMED.value, "changed_at": now, "images": look.images, "found": look.found}
        transaction.execute(sa.update(rooms).where(*_at(look.place), waited).values(**values, waiting_set=None))
    wait_no_more(transaction, number)


def wait_no_more(transaction: Transaction, number: int) -> None:
    """What waits in sets before this one, which is in force, cannot be confirmed any more: such rooms learn again."""
    transaction.execute(sa.update(rooms).where(rooms.c.waiting_set < number).values(waiting_set=None))


def forget_found(transaction: Transaction) -> None:
    """The policy's limits apply again: what those of rooms find says nothing any more."""
    transaction.execute(sa.update(rooms).values(found=None))


def _at(place: Place) -> list[sa.ColumnElement[bool]]:
    return [rooms.c[name] == value for name, value in asdict(place).items()]


def _values(room: Room) -> dict[str, Any]:
    return {
        **asdict(room.place),
        "state": STORED.get(room.state, room.state.value),
        "began_at": room.began_at,
        "changed_at": room.changed_at,
        "images": room.images,
        "so_far": room.so_far,
        "found": room.found,
        "learned_from": _learned_from.dump_python(room.learned_from, mode="json"),
        "taught_since": room.taught_since,
        "waiting_set": room.waiting_set,
    }


def _values_of_whole(whole: WholeRoom) -> dict[str, Any]:
    return {
        "told": list(whole.told),
        "told_at": whole.since,
        "seen": list(whole.seen),
        "examples": list(whole.examples),
    }


def _room(row: sa.Row[Any]) -> Room:
    place = Place(row.package, row.body_part, row.room, row.view, row.detector)
    return Room(
        place, RoomState(row.state), row.began_at, row.changed_at, row.images, row.so_far, row.found,
        _learned_from.validate_python(row.learned_from), row.taught_since, row.waiting_set,
        WholeRoom(tuple(row.told), tuple(row.seen), tuple(map(InstanceDigest, row.examples)), row.told_at),
    )  # fmt: skip
