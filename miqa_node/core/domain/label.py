"""Labels: opinions of people or other systems about an image, and how they came about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.object_kind import ObjectKind

LabelId = NewType("LabelId", int)


class LabelOrigin(StrEnum):
    """How a label came about."""

    DECISION = "decision"
    """A decision about a flagged study."""
    SPOT_CHECK = "audit"
    """A judgement of an accepted image drawn at random."""
    SECOND_READING = "second_reading"
    """A second judgement of an image, blind to the first reader and the model."""
    REJECTION_NOTE = "rejection_note"
    """Another system sent a key object "Rejected for Quality Reasons" (DCM 113001)."""
    IMPORT = "import"
    """Imported from a file."""


class RequestKind(StrEnum):
    """Why readers are asked about an image that was not flagged."""

    SPOT_CHECK = "audit"
    SECOND_READING = "second_reading"


@dataclass(frozen=True, slots=True)
class RegionOutline:
    """A region that a reader drew: corners (x, y) of a polygon as fractions of the image's width and height.

    ``kind`` is that of an object, whose ``finding`` is then the kind's.
    """

    points: tuple[tuple[float, float], ...]
    finding: str = ""
    kind: ObjectKind | None = None

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The bounding box (x0, y0, x1, y1)."""
        across, down = [x for x, _ in self.points], [y for _, y in self.points]
        return min(across), min(down), max(across), max(down)


@dataclass(frozen=True, slots=True)
class ReaderOpinion:
    """The opinion of a reader, or of another system, about an image.

    ``findings`` are names of the taxonomy: empty for a good image, None for a bad one without details. ``rejects``: the
    image was rejected for use, not only criticised. ``reason`` is a code value of CID 7011. ``sampled`` is the
    probability with which the image was chosen to be judged. ``source_uid`` is the SOP Instance UID of the object that
    contained it, if any; each object counts once.
    """

    actor: str
    origin: LabelOrigin
    bad: bool
    rejects: bool = False
    findings: tuple[str, ...] | None = None
    reason: str = ""
    regions: tuple[RegionOutline, ...] = ()
    blind: bool = False
    sampled: float = 1.0
    source_uid: str = ""


@dataclass(frozen=True, slots=True)
class ImageMarks:
    """All objects that a person saw on an image, without an opinion about the image; empty if there were none."""

    digest: InstanceDigest
    at: datetime
    actor: str
    regions: tuple[RegionOutline, ...]


@dataclass(frozen=True, slots=True)
class LabelRecord:
    """An opinion as stored: image, time, and the verdict, model and policy at that time."""

    label_id: LabelId
    digest: InstanceDigest
    at: datetime
    judgement: ReaderOpinion
    verdict: str
    model_name: str
    model_version: str
    model_sha256: str
    policy_version: str
