"""Locations of findings as polygons, which leave the image under them visible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.finding import Finding
from miqa_node.core.domain.image import SaliencyMaps
from miqa_node.core.domain.object_place import SPOT
from miqa_node.core.language.catalogue import LANGUAGE
from miqa_node.core.words.headline import is_whole
from miqa_node.core.words.object_words import title_of
from miqa_node.core.words.subject import of_finding
from miqa_node.stages.report.mask import outlines_of, threshold_map
from miqa_node.stages.report.picture import rgb

LONG_SIDE_PX = 384
"""Side of the grid for the outlines; maps are even coarser."""
MAX_PARTS = 6
LEAST_SHARE = 0.0005
"""Parts smaller than this share of the image are left out."""


@dataclass(frozen=True, slots=True)
class FindingOutline:
    """A finding that is present.

    ``colour`` is sRGB as ``#rrggbb``. ``polygons`` hold corners (x, y) as fractions of the image's width and height;
    it is empty for a finding of the whole image or without a map.
    """

    name: str
    title: str
    colour: str
    polygons: tuple[tuple[tuple[float, float], ...], ...]

    def document(self) -> dict[str, Any]:
        """JSON for the page."""
        return asdict(self)


def outlines(assessment: Assessment, maps: SaliencyMaps, threshold: float) -> tuple[FindingOutline, ...]:
    """The findings that are present, the most probable first; ``threshold`` is the share of a map's peak."""
    present = sorted((one for one in assessment.findings if one.present), key=lambda one: -one.probability)
    return tuple(_outline(one, assessment, maps, threshold) for one in present)


def _outline(finding: Finding, assessment: Assessment, maps: SaliencyMaps, threshold: float) -> FindingOutline:
    saliency = maps.findings.get(finding.name)
    subject = of_finding(finding, assessment)
    header = assessment.header
    polygons: tuple[tuple[tuple[float, float], ...], ...] = ()
    if saliency is not None and not is_whole(finding) and header.rows and header.columns:
        scale = min(1.0, LONG_SIDE_PX / max(header.rows, header.columns))
        shape = max(1, round(header.rows * scale)), max(1, round(header.columns * scale))
        share = threshold if finding.place is None or not finding.place.regions else SPOT
        polygons = tuple(_polygons(threshold_map(saliency.values, shape, share)))
    title, colour = title_of(finding, LANGUAGE.get()), "#{:02x}{:02x}{:02x}".format(*rgb(subject.colour))
    return FindingOutline(finding.name, title, colour, polygons)


def _polygons(mask: NDArray[np.bool_]) -> Iterator[tuple[tuple[float, float], ...]]:
    rows, columns = mask.shape
    if not mask.any():
        return
    for number, polygon in enumerate(outlines_of(mask)[:MAX_PARTS]):
        if number and cv2.contourArea(polygon.astype(np.float32)) < LEAST_SHARE * mask.size:
            continue
        yield tuple((round(float(x) / columns, 4), round(float(y) / rows, 4)) for x, y in polygon[:-1])
