"""The REST interface to pairs of mammograms."""

from __future__ import annotations

from fastapi import APIRouter

from miqa_node.errors import NotFoundError
from miqa_node.features.mammogram_pairs.pairs import StudyPairs
from miqa_node.features.mammogram_pairs.rows import pairs_of
from miqa_node.interfaces.web.access import Reader
from miqa_node.interfaces.web.fields import Uid
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import FIND_ERRORS
from miqa_node.interfaces.web.services import Services

router = APIRouter(prefix="/api/v1/mammograms", tags=["mammograms"])


@router.get(
    "/{study_uid}", summary="Standard views of a study of mammograms, and how pairs differ", responses=FIND_ERRORS
)
def mammograms_of(services: Services, _who: Reader, study_uid: Uid) -> StudyPairs:
    """Measurements and hints for people, experimental: no verdict on positioning."""
    with services.database.begin() as transaction:
        pairs = pairs_of(transaction, study_uid)
    if pairs is None:
        raise NotFoundError("The study has no mammograms, or nothing was received of it.")
    return pairs


PAGE = Page(router, rest=True)
