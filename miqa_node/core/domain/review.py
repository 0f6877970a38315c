"""A person's decision about one image, as stated in objects for archives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.worklist import Resolution


@dataclass(frozen=True, slots=True)
class Review:
    """Who decided what and when; without ``resolution``, the previous decision was withdrawn.

    ``number`` is the number of the decision. ``findings`` are those of the image's label, None if it leaves them open.
    """

    number: int
    actor: str
    at: datetime
    resolution: Resolution | None
    comment: str = ""
    findings: tuple[FindingName, ...] | None = None

    def agrees_on(self, finding: FindingName) -> bool | None:
        """Whether the person confirmed a finding of the node; None if that was left open."""
        return None if self.resolution is None or self.findings is None else finding in self.findings

    @property
    def sentence(self) -> str:
        """The decision in words."""
        comment = f": {self.comment}" if self.comment else ""
        match self.resolution:
            case None:
                return f"Decision taken back by {self.actor}, the study is open again{comment}"
            case Resolution.DISMISSED:
                return f"Dismissed by {self.actor}, the image is good{comment}"
            case Resolution.ACCEPTED:
                return f"Accepted by {self.actor}, good enough for its purpose{comment}"
            case Resolution.RETAKEN:
                return f"Not to be used, a new exposure was requested by {self.actor}{comment}"
            case Resolution.CONFIRMED:
                return f"Rejected by {self.actor}{comment}"
