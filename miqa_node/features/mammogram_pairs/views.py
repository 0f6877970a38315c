"""The four standard views of screening, and which of them a study has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from miqa_node.core.domain import derivation
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.language.phrase import Phrase
from miqa_node.stages.units.kinds import is_tomosynthesis

_COMPUTED = ("TOMO", "GENERATED_2D")
"""Words of Image Type (0008,0008): slices, projections, and pictures made of them (PS3.3 C.8.31.1.1)."""


class StandardView(StrEnum):
    """A breast and a projection."""

    R_CC = "R CC"
    L_CC = "L CC"
    R_MLO = "R MLO"
    L_MLO = "L MLO"


@dataclass(frozen=True, slots=True)
class Mammogram:
    """An image with what was measured of it, in the units of the measurements; None before it was."""

    digest: InstanceDigest
    header: Header
    received_at: datetime
    numbers: Mapping[str, float] | None

    @property
    def order(self) -> tuple[datetime, datetime, str]:
        """By acquisition, otherwise by arrival."""
        at = self.received_at.replace(tzinfo=None)
        return self.header.acquired_at or at, at, self.digest


@dataclass(frozen=True, slots=True)
class ViewImages:
    """The exposures of a standard view in the order of acquisition; none if the view is missing."""

    view: StandardView
    digests: tuple[InstanceDigest, ...]


@dataclass(frozen=True, slots=True)
class OtherMammogram:
    """An image that counts as no standard view, and why."""

    digest: InstanceDigest
    reason: str


@dataclass(frozen=True, slots=True)
class StudyViews:
    """The mammograms of a study by view."""

    by_view: Mapping[StandardView, Sequence[Mammogram]]
    others: tuple[OtherMammogram, ...]


def views_of(mammograms: Iterable[Mammogram]) -> StudyViews:
    """Each exposure once, as the image that is for presentation."""
    by_view: dict[StandardView, list[Mammogram]] = {view: [] for view in StandardView}
    others = []
    for one in sorted(mammograms, key=lambda one: one.order):
        reason = other_reason(one.header)
        if reason:
            others.append(OtherMammogram(one.digest, reason))
        else:
            _add(by_view[StandardView(_view(one.header))], one)
    return StudyViews(by_view, tuple(others))


def other_reason(header: Header) -> str:
    """Why an image counts as none of the standard views; empty if it is one."""
    if header.quality_control:
        return Phrase("test object")
    is_volume = header.number_of_frames > 1 or is_tomosynthesis(header)
    if is_volume or any(word.startswith(_COMPUTED) for word in header.image_type):
        return Phrase("tomosynthesis, or made of it")
    if header.view_modifier:
        return Phrase("{view} with {modifier}", view=_view(header), modifier=Phrase(header.view_modifier))
    if header.image_laterality not in ("R", "L"):
        return Phrase("the header names no single side")
    if not header.view_position:
        return Phrase("the header names no view")
    return "" if _view(header) in set(StandardView) else Phrase("{view}, another view", view=_view(header))


def _view(header: Header) -> str:
    return f"{header.image_laterality} {header.view_position}".strip()


def _add(images: list[Mammogram], one: Mammogram) -> None:
    """Unless the exposure is there; of raw data and the image made of them, the image stays."""
    for place, other in enumerate(images):
        if derivation.is_same_exposure(one.header, other.header):
            if derivation.rank(one.header) < derivation.rank(other.header):
                images[place] = one
            return
    images.append(one)
