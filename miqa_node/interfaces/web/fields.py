"""Parameters that pages and the REST interface share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, Field

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.instance import ANY_UID
from miqa_node.core.taxonomy.lookup import all_finding_names
from miqa_node.interfaces.web.values import NO_CONTROLS

Uid = Annotated[str, Path(pattern=f"^{ANY_UID}$", description="Study Instance UID (0020,000D).")]
SeriesUid = Annotated[str, Field(pattern=rf"^\s*{ANY_UID}\s*$", description="Series Instance UID (0020,000E).")]
DIGEST = r"^[0-9a-f]{64}$"
Digest = Annotated[str, Path(pattern=DIGEST, description="SHA-256 of the data set.")]
MAX_PAGE = 1000
MAX_OFFSET = 10**9
MAX_ID = 2**63 - 1
FORMS = {
    NO_CONTROLS: "It may not have control characters or line breaks.",
    rf"^{ANY_UID}$": "It is not a UID or digest.",
    rf"^({ANY_UID})?$": "It is not a UID or digest.",
    r"^[0-9.]{0,64}$": "It is not a UID.",
    DIGEST: "It is not a digest: 64 characters of 0 to 9 and a to f.",
    r"^(\d{4}-\d\d-\d\d)?$": "It is not a day; write it as 2026-12-01.",
    r"^$|^([01][0-9]|2[0-3]):[0-5][0-9]$": "It is not a time; write it as 22:00.",
    r"^$|^[^\s@<>,;]+@[^\s@<>,;]+$": "It is not an address of mail, such as anna@hospital.example.",
}
"""What patterns demand, in words; others are shown to programs as they are."""

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
