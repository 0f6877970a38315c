"""What a reader marks an object on a chest as, and the finding that this is."""

from __future__ import annotations

from enum import StrEnum

from miqa_node.core.domain.finding import FindingName


class ObjectKind(StrEnum):
    """Kinds that are marked with one click: of what can be taken off by place, and snaps; of devices by their use."""

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
