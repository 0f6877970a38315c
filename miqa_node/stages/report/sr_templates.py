"""The templates of the report (PS3.16): document, measurement groups, tracking, algorithm, places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.codes import Code
from miqa_node.core.words import codes
from miqa_node.core.words.algorithms import Algorithm
from miqa_node.stages.report.content_items import (
    ContentItem,
    Relationship,
    code_item,
    container,
    reference_item,
    region_item,
    text_item,
    uid_item,
)
from miqa_node.stages.report.source import Source
from miqa_node.stages.report.text import phrase

_FINDING_CATEGORY = Code("276214006", "SCT", "Finding category")  # as TID 1501 spells it
IMAGE_GROUP, REGION_GROUP, MEASUREMENT_REPORT = "1501", "1410", "1500"


def measurement_report(
    observers: Sequence[ContentItem], procedure: Code, library: ContentItem | None, groups: Sequence[ContentItem]
) -> list[ContentItem]:
    """The content of TID 1500; the image library is between the procedure and the measurements."""
    return [
        code_item(codes.LANGUAGE_OF_CONTENT, codes.US_ENGLISH, Relationship.HAS_CONCEPT_MOD),
        *observers,
        code_item(codes.PROCEDURE_REPORTED, procedure, Relationship.HAS_CONCEPT_MOD),
        *(() if library is None else (library,)),
        container(codes.IMAGING_MEASUREMENTS, groups),
    ]


def measurement_group(
    template: str,
    tracking: Sequence[ContentItem],
    finding: Code,
    algorithm: Sequence[ContentItem],
    *,
    category: Code | None = None,
    sites: Sequence[ContentItem] = (),
    numbers: Sequence[ContentItem] = (),
    evaluations: Sequence[ContentItem] = (),
    places: Sequence[ContentItem] = (),
) -> ContentItem:
    """TID 1501 of the whole image, or TID 1410 of a region; ``places`` are its images, its region or its segment."""
    categories = () if category is None else (code_item(_FINDING_CATEGORY, category),)
    about = [*tracking, *categories, code_item(codes.FINDING, finding), *sites, *algorithm]
    return container(codes.MEASUREMENT_GROUP, [*about, *numbers, *evaluations, *places], template=template)


def tracked(uid: str, identifier: str) -> list[ContentItem]:
    """Rows 1a and 2 of TID 1501 and 1410."""
    return [
        text_item(codes.TRACKING_IDENTIFIER, identifier, Relationship.HAS_OBS_CONTEXT),
        uid_item(codes.TRACKING_UID, uid, Relationship.HAS_OBS_CONTEXT),
    ]


def made_by(first: Algorithm, *others: Algorithm, parameters: Sequence[str] = ()) -> list[ContentItem]:
    """TID 4019, which has room for one algorithm; others whose results a rule added follow in its parameters."""
    added = [f"with {one.name} {one.version}" for one in others]
    stated = ", ".join(filter(None, (_checksum(first), *added, *parameters)))
    rows = [(codes.ALGORITHM_NAME, first.name), (codes.ALGORITHM_VERSION, first.version)]
    rows += [(codes.ALGORITHM_PARAMETERS, stated)] if stated else []
    return [text_item(key, phrase(text), Relationship.HAS_CONCEPT_MOD) for key, text in rows]


def _checksum(algorithm: Algorithm) -> str:
    return f"sha256 {algorithm.sha256}" if algorithm.sha256 else ""


def finding_site(site: Code, side: Code | None) -> ContentItem:
    """The body site, with the side of a paired part."""
    item = code_item(codes.FINDING_SITE, site, Relationship.HAS_CONCEPT_MOD)
    if side is not None:
        item.children.append(code_item(codes.SIDE, side, Relationship.HAS_CONCEPT_MOD))
    return item


def projects_over(anatomy: Code, side: Code | None) -> ContentItem:
    """What something outside of the patient hides on the image: it is no finding in that organ."""
    item = code_item(codes.PROJECTS_OVER.code, anatomy)
    if side is not None:
        item.children.append(code_item(codes.SIDE, side, Relationship.HAS_CONCEPT_MOD))
    return item


def image_item(
    name: Code, source: Source, relationship: Relationship, frames: Sequence[int] | None = None
) -> ContentItem:
    """A source image, or some of its frames."""
    return reference_item("IMAGE", name, source.sop_class_uid, source.sop_instance_uid, relationship, frames)


def place(
    purpose: Code, graphic_type: str, points: NDArray[np.float64], source: Source, frames: Sequence[int] | None,
    relationship: Relationship,
) -> ContentItem:  # fmt: skip
    """Points (n, 2) on an image, each (column, row)."""
    image = image_item(codes.SOURCE, source, Relationship.SELECTED_FROM, frames)
    return region_item(purpose, graphic_type, points.ravel().tolist(), relationship, image)
