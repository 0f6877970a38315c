"""The worklist: flagged studies and their handling by readers."""

from miqa_node.store.worklist.changes import claim, flag, follow, note, resolve, unclaim
from miqa_node.store.worklist.search import (
    UNRESOLVED,
    WorklistFilter,
    WorklistOrder,
    WorklistPosition,
    count,
    page,
    place_of,
    select,
    show,
)

__all__ = [
    "UNRESOLVED",
    "WorklistFilter",
    "WorklistOrder",
    "WorklistPosition",
    "claim",
    "count",
    "flag",
    "follow",
    "note",
    "page",
    "place_of",
    "resolve",
    "select",
    "show",
    "unclaim",
]
