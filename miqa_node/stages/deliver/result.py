"""A result as a table of destinations gets it that takes results rather than files (docs/how-to/extend.md)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from miqa_node.core.domain.event import EventOrigin
from miqa_node.core.domain.instance import StudyRecord
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.worklist import Review

RESULT = "result."
"""How the types of events begin that carry results; their status follows."""


class ResultStatus(StrEnum):
    """How final a result is, in words of FHIR."""

    PRELIMINARY = "preliminary"
    """Flagged: a person has yet to decide."""
    FINAL = "final"
    CORRECTED = "corrected"
    """The destination got a final one before."""


@dataclass(frozen=True, slots=True)
class ResultContent:
    """A verdict on an image or series as its report tells it, or a person's decision about it (``review``).

    ``result_id`` has 20 characters, as many as HL7 v2.5.1 allows in MSH-10; the same result has the same.
    ``has_former``: whether the destination got another one of the image or series, which this takes the place of.
    ``study`` names patient and study as they were received; of a series, the image is the one that stands for it.
    """

    result_id: str
    status: ResultStatus
    has_former: bool
    made_at: datetime
    origin: EventOrigin
    study: StudyRecord
    judgement: Judgement
    is_series: bool
    review: Review | None

    @property
    def is_flagged(self) -> bool:
        """Whether the node flagged it, and said why."""
        return self.judgement.disposition.flagged and bool(self.judgement.disposition.reasons)
