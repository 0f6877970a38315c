"""Labels: opinions of people or other systems about an image, and how they came about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.instance import InstanceDigest

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

    @property
    def on_request(self) -> bool:
        """Whether readers are asked for such labels, of images that were not flagged."""
        return self in (LabelOrigin.SPOT_CHECK, LabelOrigin.SECOND_READING)


class ObjectKind(StrEnum):
    """What a reader marks on a chest with one click: what can be taken off by its place, and snaps; devices by use."""

    NECK = "neck"
    CLOTHES = "clothes"
    SNAP = "snap"
    REMOVABLE = "removable"
    """Anything else that can be taken off."""
    MONITORING = "monitoring"
    IMPLANT = "implant"
    TUBE_LINE = "tube_line"

    @property
    def finding(self) -> FindingName:
        """The finding of the taxonomy, which has the code."""
        return FindingName.DEVICE_IN_VIEW if self in _DEVICES else FindingName.FOREIGN_OBJECT

    @property
    def usual_size(self) -> tuple[float, float]:
        """Width and height of the box of one click, as fractions of the image: a little more than readers draw."""
        return _SIZES[self]


_DEVICES = frozenset({ObjectKind.MONITORING, ObjectKind.IMPLANT, ObjectKind.TUBE_LINE})
_SIZES = {
    ObjectKind.NECK: (0.38, 0.16),
    ObjectKind.CLOTHES: (0.06, 0.06),
    ObjectKind.SNAP: (0.04, 0.04),
    ObjectKind.REMOVABLE: (0.07, 0.07),
    ObjectKind.MONITORING: (0.08, 0.08),
    ObjectKind.IMPLANT: (0.11, 0.16),
    ObjectKind.TUBE_LINE: (0.22, 0.37),
}
"""From the medians of 2138 boxes of the project's training images."""


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
