"""What a person or another system says of an image: a label, with everything that is needed to judge it later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from miqa_node.domain.instance import InstanceDigest

LabelId = NewType("LabelId", int)


class LabelOrigin(StrEnum):
    """How a label came about."""

    DECISION = "decision"
    """Somebody decided about a flagged study."""
    AUDIT = "audit"
    """Somebody judged an accepted image that was drawn at random."""
    SECOND_READING = "second_reading"
    """Somebody judged an image again without knowing what the first reader or the model had said."""
    REJECTION_NOTE = "rejection_note"
    """Another system sent a key object "Rejected for Quality Reasons" (DCM 113001)."""
    IMPORT = "import"
    """From a file."""


class RequestKind(StrEnum):
    """Why people are asked for a label that nothing flagged."""

    AUDIT = "audit"
    SECOND_READING = "second_reading"


@dataclass(frozen=True, slots=True)
class Region:
    """A place that somebody drew: corners (x, y) of a polygon as fractions of the image's width and height."""

    points: tuple[tuple[float, float], ...]
    finding: str = ""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(x0, y0, x1, y1) around it."""
        across, down = [x for x, _ in self.points], [y for _, y in self.points]
        return min(across), min(down), max(across), max(down)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is said of an image.

    ``findings`` are names of the taxonomy: empty for a good image, None for a bad one when nobody said how.
    ``rejects``: the image was taken out of use, not only criticised. ``reason`` is a code value of CID 7011.
    ``sampled`` is the probability with which the image was chosen to be judged. ``source_uid`` is the SOP Instance
    UID of the object that said it, where one did: it says it once.
    """

    actor: str
    origin: LabelOrigin
    bad: bool
    rejects: bool = False
    findings: tuple[str, ...] | None = None
    reason: str = ""
    regions: tuple[Region, ...] = ()
    blind: bool = False
    sampled: float = 1.0
    source_uid: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """A judgement as it is kept: of which image, when, and what the node had said of it by then."""

    label_id: LabelId
    digest: InstanceDigest
    at: datetime
    judgement: Judgement
    verdict: str
    model_name: str
    model_version: str
    model_sha256: str
    policy_version: str
