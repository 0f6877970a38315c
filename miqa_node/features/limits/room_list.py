"""The rooms of a site as lists show them: the state of each, and what it lacks or learned from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from urllib.parse import urlencode

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.room import Place, RoomLook, RoomState
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings.judging import PolicySettings
from miqa_node.core.words import whole_room
from miqa_node.features.limits.rows.room_images import ExampleImage, examples
from miqa_node.runtime.site_records import rooms
from miqa_node.runtime.site_records.rooms import LearnedFrom, Room, WholeRoom
from miqa_node.runtime.store.database import Transaction


@dataclass(frozen=True, slots=True)
class ListedRoom:
    """One room: how far its look is known, what it learned from, and which set waits for a person; None for no one.

    ``whole`` is what is told of it as a whole, ``examples`` are images that show it.
    """

    look: RoomLook
    learned_from: LearnedFrom
    waiting_set: int | None
    whole: WholeRoom
    examples: tuple[ExampleImage, ...]

    @property
    def address(self) -> str:
        """Of the page with what its images usually show."""
        return "/tuning/places?" + urlencode({name: value for name, value in asdict(self.look.place).items() if value})

    @property
    def shown(self) -> str:
        """What most of its images show, in the language that is spoken now."""
        return whole_room.shown(self.whole.told)

    @property
    def to_check(self) -> str:
        """What to check for it."""
        return whole_room.to_check(self.whole.told)

    @property
    def why(self) -> str:
        """What is to be said of its state; empty for nothing."""
        place, lacking = self.learned_from.place, self.look.lacking
        if self.waiting_set is not None:
            return Phrase("set {number} waits for confirmation", number=str(self.waiting_set))
        if self.look.learns:
            return Phrase.of_number("{count} more image lacks", "{count} more images lack", lacking)
        if self.look.state is RoomState.EXPIRED:
            return Phrase("its limits stay until it has learned anew: other software or package, or by request")
        if place == Place():
            return Phrase("too few images, here and of others like it: the policy's limits")
        if place is not None:
            return Phrase("too few images: with those of {place}", place=str(place))
        taught = Phrase("learned from images of a pilot") if self.learned_from.is_pilot else ""
        return Phrase("too little is found for ACCEPT") if self.look.is_blind else taught


@dataclass(frozen=True, slots=True)
class RoomList:
    """All rooms; ``learns_from``: new ones learn from so many images, 0 if they go by the policy's limits."""

    learns_from: int
    may_learn: bool
    """Whether a person may let rooms learn that do not: those of a node that an earlier version began."""
    rooms: tuple[ListedRoom, ...]


def room_list(transaction: Transaction, settings: PolicySettings) -> RoomList:
    """The rooms by body part and name."""
    do_learn = rooms.do_learn(transaction)
    learns_from = settings.learn_images if do_learn else 0
    every = rooms.every(transaction)
    images = examples(transaction, [digest for room in every for digest in room.whole.examples])
    listed = tuple(_listed(room, learns_from, images) for room in every)
    return RoomList(learns_from, bool(settings.learn_images) and not do_learn, listed)


def _listed(room: Room, learns_from: int, images: Mapping[InstanceDigest, ExampleImage]) -> ListedRoom:
    shown = tuple(images[digest] for digest in room.whole.examples if digest in images)
    return ListedRoom(room.look(learns_from), room.learned_from, room.waiting_set, room.whole, shown)
