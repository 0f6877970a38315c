"""The worklist: flagged studies and their handling by readers."""

from miqa_node.features.worklist.filter import WorklistFilter
from miqa_node.features.worklist.rows.worklist.changes import (
    JUDGED_MEANWHILE,
    assign,
    claim,
    comment,
    images_of,
    reopen,
    resolve,
    unclaim,
)
from miqa_node.features.worklist.rows.worklist.retakes import complete_retakes
from miqa_node.features.worklist.rows.worklist.search import (
    UNRESOLVED,
    WorklistOrder,
    WorklistPosition,
    count,
    facets,
    newest,
    page,
    patient_names,
    place_of,
    select,
    show,
)
from miqa_node.stages.conclusion.rows.flagged_studies import flag, follow, severity_of

__all__ = [
    "JUDGED_MEANWHILE",
    "UNRESOLVED",
    "WorklistFilter",
    "WorklistOrder",
    "WorklistPosition",
    "assign",
    "claim",
    "comment",
    "complete_retakes",
    "count",
    "facets",
    "flag",
    "follow",
    "images_of",
    "newest",
    "page",
    "patient_names",
    "place_of",
    "reopen",
    "resolve",
    "select",
    "severity_of",
    "show",
    "unclaim",
]
