"""A page with a template of its own, an entry in the bar at the top, and a permission."""

from collections import Counter

import sqlalchemy as sa
from fastapi import APIRouter
from miqa_node.domain.access import Permission
from miqa_node.web.access import Reader
from miqa_node.web.html import render
from miqa_node.web.page import Navigation, Page
from miqa_node.web.services import Services

miqa_api = 1
router = APIRouter()


@router.get("/verdicts")
def verdicts(services: Services, who: Reader) -> str:
    """How many images got each verdict."""
    with services.database.begin() as transaction:
        counts = Counter(transaction.execute(sa.text("SELECT verdict FROM dispositions")).scalars())
    return render("verdicts/verdicts.html", who=who, counts=sorted(counts.items()))


PAGE = Page(router, Permission.READ, file=__file__, navigation=Navigation("Verdicts", "/verdicts"))
