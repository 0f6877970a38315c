"""Parameters that pages and the REST interface share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, Field

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.instance import ANY_UID
from miqa_node.core.taxonomy.lookup import all_finding_names
from miqa_node.interfaces.web.values import DIGEST, NO_CONTROLS

Uid = Annotated[str, Path(pattern=f"^{ANY_UID}$", description="Study Instance UID (0020,000D).")]
SeriesUid = Annotated[str, Field(pattern=rf"^\s*{ANY_UID}\s*$", description="Series Instance UID (0020,000E).")]
Digest = Annotated[str, Path(pattern=DIGEST, description="SHA-256 of the data set.")]
MAX_PAGE = 1000
MAX_OFFSET = 10**9
MAX_ID = 2**63 - 1
Actor = Annotated[
    str,
    Field(
        max_length=64,
        pattern=NO_CONTROLS,
        description="Who does it; written into the item's events. Needed as long as the node has no accounts; "
        "a service account names for whom it acts.",
    ),
]
Comment = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$", description="Why.")]


Assignee = Annotated[
    str,
    Field(
        max_length=64,
        pattern=r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$",
        description="Who gets it: a name of an account that may decide; without accounts any name.",
    ),
]
ViewName = Annotated[
    str,
    Field(
        max_length=64,
        pattern=r"^[^\x00-\x1f\x7f/]*[^\s\x00-\x1f\x7f/][^\x00-\x1f\x7f/]*$",
        description="Name of a view; no slash.",
    ),
]
Remark = Annotated[
    str,
    Field(
        max_length=2000, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$", description="What is said; nobody can change it later."
    ),
]


def _known(name: FindingName) -> FindingName:
    if name not in all_finding_names():
        raise ValueError("this node has no finding of that name")
    return name


KnownFinding = Annotated[FindingName, AfterValidator(_known)]
"""A finding that people can name: one of the taxonomy of this node."""

MAX_REGIONS = 50
MAX_POINTS = 100

Fraction = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Polygon = Annotated[
    list[tuple[Fraction, Fraction]],
    Field(
        min_length=3,
        max_length=MAX_POINTS,
        description="Corners [x, y] of a polygon, as fractions of the image's width (from the left) and height "
        "(from the top).",
    ),
]
