"""On the page of a study: what could be better next time in how the patient was positioned."""

from __future__ import annotations

from collections.abc import Sequence

from miqa_node.features.analysis.rows import positionings
from miqa_node.interfaces.web.card import STUDY_IMAGE, CardContext, ImageOnPage, PageCard


def _coaching(context: CardContext, images: Sequence[ImageOnPage]) -> list[dict[str, object] | None]:
    """The sentences of each image; None of one that needs none."""
    measured = [one.instance.digest for one in images if one.is_measured and not one.is_stack]
    with context.services.database.begin() as transaction:
        sentences = positionings.coaching_of(transaction, measured)
    return [{"sentences": own} if (own := sentences.get(one.instance.digest)) else None for one in images]


CARD = PageCard(STUDY_IMAGE, "coaching.html", __file__, _coaching, order=50)
