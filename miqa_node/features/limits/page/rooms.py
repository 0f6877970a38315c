"""On the page of operations: rooms that are told as rooms, have learned lately, or go by limits of before or of others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.room import RoomState
from miqa_node.features.limits.room_list import ListedRoom, room_list
from miqa_node.interfaces.web.card import OPERATIONS, CardContext, PageCard

NEWS_FOR = timedelta(days=7)


def _on_operations(context: CardContext, _: Sequence[None]) -> list[dict[str, object] | None]:
    services, since = context.services, datetime.now(UTC) - NEWS_FOR
    with services.database.begin() as transaction:
        every = room_list(transaction, services.settings.policy)
    news = [one for one in every.rooms if _is_news(one, since)]
    return [{"news": news, "may_see": bool(context.who.name) and context.who.may(Permission.ADMIN)} if news else None]


def _is_news(one: ListedRoom, since: datetime) -> bool:
    look = one.look
    has_learned = look.state is RoomState.LEARNED and look.since is not None and look.since >= since
    return bool(one.whole.unseen or one.waiting_set or has_learned or (one.why and not look.learns))


CARD = PageCard(OPERATIONS, "told.html", __file__, _on_operations)
