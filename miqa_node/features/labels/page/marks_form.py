"""Objects that a person marks on an image without judging it, from the study's page or the REST interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from miqa_node.core.domain.label import ObjectKind, RegionOutline
from miqa_node.errors import InputError
from miqa_node.interfaces.web.fields import MAX_REGIONS, Polygon


class MarkedObject(BaseModel):
    """One object on an image."""

    model_config = ConfigDict(extra="forbid")

    points: Polygon
    kind: ObjectKind = Field(description="What it is.")


MarkedObjects = Annotated[list[MarkedObject], Field(max_length=MAX_REGIONS)]
_objects = TypeAdapter(MarkedObjects)


def read_objects(text: str) -> list[MarkedObject]:
    """The marked objects of the page's JSON; InputError if it is malformed."""
    try:
        return _objects.validate_json(text)
    except ValidationError as error:
        raise InputError("objects: not what this page marks.") from error


def outlines(marked: Sequence[MarkedObject]) -> list[RegionOutline]:
    """The objects as they are stored."""
    return [RegionOutline(tuple((x, y) for x, y in one.points), str(one.kind.finding), one.kind) for one in marked]
