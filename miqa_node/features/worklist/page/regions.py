"""Regions that a person draws on images, as pages and programs send them with a decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from miqa_node.core.domain.label import ObjectKind, RegionOutline
from miqa_node.errors import InputError
from miqa_node.interfaces.web.fields import MAX_REGIONS, KnownFinding, Polygon
from miqa_node.interfaces.web.values import DIGEST


class DrawnRegion(BaseModel):
    """A region that a person drew on an image."""

    model_config = ConfigDict(extra="forbid")

    digest: str = Field(pattern=DIGEST, description="The image that it lies on.")
    points: Polygon
    finding: KnownFinding | Literal[""] = Field("", description="What it is, if that can be named.")
    kind: ObjectKind | Literal[""] = Field(
        "", description="Of an object its kind; `finding` is then the kind's, and may be left out."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind and self.finding not in ("", self.kind.finding):
            raise ValueError(f"an object of the kind {self.kind.value!r} is no {self.finding}")
        return self


Regions = Annotated[list[DrawnRegion], Field(max_length=MAX_REGIONS)]
_regions = TypeAdapter(Regions)


def read_regions(text: str) -> dict[str, list[RegionOutline]]:
    """The drawn regions by digest, from the page's JSON; InputError if it is malformed."""
    if not text:
        return {}
    try:
        drawn = _regions.validate_json(text)
    except ValidationError as error:
        raise InputError("regions: not what this page draws.") from error
    return by_image(drawn)


def by_image(drawn: Sequence[DrawnRegion]) -> dict[str, list[RegionOutline]]:
    """Regions by the digest of their image."""
    regions_by_image: dict[str, list[RegionOutline]] = {}
    for one in drawn:
        kind = one.kind or None
        finding = str(kind.finding if kind else one.finding)
        region = RegionOutline(tuple((x, y) for x, y in one.points), finding, kind)
        regions_by_image.setdefault(one.digest, []).append(region)
    return regions_by_image
