"""On the page of the model: machines noisier than others, which their own usual range hides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from miqa_node.features.usual_ranges.rows import baselines
from miqa_node.interfaces.web.card import MODEL_WATCH, CardContext, PageCard


def _noisier(context: CardContext, _: Sequence[None]) -> list[dict[str, object] | None]:
    with context.services.database.begin() as transaction:
        machines = baselines.beyond_others(transaction, datetime.now(UTC))
    return [{"machines": machines} if machines else None]


CARD = PageCard(MODEL_WATCH, "noisier.html", __file__, _noisier)
