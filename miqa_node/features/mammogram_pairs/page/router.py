"""What the page of a study says of its mammograms as pairs."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter

from miqa_node.core.domain.access import Permission
from miqa_node.features.mammogram_pairs.rows import pairs_of
from miqa_node.interfaces.web.access import Reader
from miqa_node.interfaces.web.card import STUDY, CardContext, PageCard, StudyOnPage
from miqa_node.interfaces.web.fields import Uid
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.services import Services

router = APIRouter()


@router.get("/mammograms/{study_uid}")
def note(services: Services, _: Reader, study_uid: Uid) -> str:
    """Standard views and differences; empty if the study has no mammograms."""
    with services.database.begin() as transaction:
        pairs = pairs_of(transaction, study_uid)
    return render("mammogram_pairs/note.html", pairs=pairs) if pairs is not None else ""


def _of_mammograms(_: CardContext, studies: Sequence[StudyOnPage]) -> list[dict[str, object] | None]:
    return [{} if "MG" in one.modalities else None for one in studies]


PAGE = Page(router, Permission.READ, file=__file__)
CARD = PageCard(STUDY, "card.html", __file__, _of_mammograms)
"""Its page loads the note, which takes longer than the page of the study."""
