"""A card in each row of the worklist: how many images of the study are flagged."""

from collections.abc import Sequence

from miqa_node.api import WORKLIST_ROW, CardContext, PageCard, WorklistItem

miqa_api = 1


def counts(_context: CardContext, items: Sequence[WorklistItem]) -> list[dict[str, object] | None]:
    """Asked once for a page: its rows in their order, None where nothing is shown."""
    return [{"images": len(one.images)} if one.images else None for one in items]


CARD = PageCard(WORKLIST_ROW, "flagged.html", __file__, counts, order=10)
