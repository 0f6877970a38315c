"""The silent first days of body parts, as pages speak of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from miqa_node.interfaces.web.card import WORKLIST, CardContext, PageCard
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.site_records import site_limits


def silent_parts(services: WebServices) -> Mapping[str, datetime]:
    """The body parts that are silent now, with the end of each, the earliest first."""
    with services.database.begin() as transaction:
        return site_limits.silence(transaction, services.settings.policy.silent_days).parts(datetime.now(UTC))


def _above_worklist(context: CardContext, _: Sequence[None]) -> Iterator[dict[str, object] | None]:
    parts = silent_parts(context.services)
    yield {"silent": parts} if parts else None


CARD = PageCard(WORKLIST, "silence.html", __file__, _above_worklist)
