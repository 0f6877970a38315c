"""On the page of operations: rooms that are told as rooms, or go by limits of before, of others, or of nobody."""

from __future__ import annotations

from collections.abc import Sequence

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.room import RoomState
from miqa_node.features.limits.room_list import room_list
from miqa_node.interfaces.web.card import OPERATIONS, CardContext, PageCard


def _on_operations(context: CardContext, _: Sequence[None]) -> list[dict[str, object] | None]:
    services = context.services
    with services.database.begin() as transaction:
        every = room_list(transaction, services.settings.policy)
    news = [
        one
        for one in every.rooms
        if one.whole.unseen or one.waiting_set or (one.why and one.look.state is not RoomState.LEARNING)
    ]
    return [{"news": news, "may_see": bool(context.who.name) and context.who.may(Permission.ADMIN)} if news else None]


CARD = PageCard(OPERATIONS, "told.html", __file__, _on_operations)
