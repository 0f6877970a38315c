"""The silent first days of each body part: verdicts on its images are recorded, nobody is asked, nothing is ACCEPT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from miqa_node.core.language.phrase import Phrase


@dataclass(frozen=True, slots=True)
class PartStart:
    """Since when the node has judged images of a body part; ``ended_at`` if ``actor`` ended its silent days."""

    body_part: str
    began_at: datetime
    ended_at: datetime | None = None
    actor: str = ""
    comment: str = ""

    def until(self, days: float) -> datetime:
        """When its silent days end, or ended: after ``days``, or when somebody ended them or confirmed its limits."""
        end = self.began_at + timedelta(days=days)
        return end if self.ended_at is None else min(end, self.ended_at)


@dataclass(frozen=True, slots=True)
class PartSilence:
    """A body part; ``silent_until`` is None if verdicts on it count."""

    start: PartStart
    silent_until: datetime | None


@dataclass(frozen=True, slots=True)
class Silence:
    """The silent days of all parts: ``days`` for each, 0 for none."""

    days: float
    starts: Mapping[str, PartStart]

    def until(self, body_part: str, now: datetime) -> datetime | None:
        """Until when the part is silent; None if it is not. Those of a part without an image begin now."""
        if not self.days:  # nor while another thread has just noted the first image of the part, after ``now``
            return None
        end = self.starts.get(body_part, PartStart(body_part, now)).until(self.days)
        return end if now < end else None

    def why(self, body_part: str, now: datetime) -> str:
        """Why the verdict on an image of the part is only recorded; empty if it counts."""
        if (until := self.until(body_part, now)) is None:
            return ""
        end = f"{until:%Y-%m-%d %H:%M}"
        if not body_part:
            return Phrase(
                "Experimental, nobody was asked: images without a known body part are silent until {until} UTC, or "
                "until somebody ends that (miqa-node silence) or confirms limits made from enough of them (miqa-node "
                "tune).",
                until=end,
            )
        return Phrase(
            "Experimental, nobody was asked: images of {part} are silent until {until} UTC, or until somebody ends "
            "that (miqa-node silence) or confirms limits made from enough of them (miqa-node tune).",
            part=body_part,
            until=end,
        )

    def parts(self, now: datetime) -> dict[str, datetime]:
        """The parts that are silent now, with the end of each, the earliest first."""
        ends = {part: end for part in self.starts if (end := self.until(part, now)) is not None}
        return dict(sorted(ends.items(), key=lambda one: (one[1], one[0])))

    def listed(self, now: datetime) -> list[PartSilence]:
        """Every part that came, by name."""
        return [PartSilence(self.starts[part], self.until(part, now)) for part in sorted(self.starts)]
