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
from miqa_node.core.language.catalogue import LANGUAGE, reworded
from miqa_node.core.words.object_words import object_title, title_of
from miqa_node.core.words.picture_place import is_whole
from miqa_node.core.words.subject import of_finding
from miqa_node.stages.report.mask import outlines_of, region_masks, threshold_map
from miqa_node.stages.report.picture import rgb

Polygon = tuple[tuple[float, float], ...]

LONG_SIDE_PX = 384
"""Side of the grid for the outlines; maps are even coarser."""
MAX_PARTS = 6
LEAST_SHARE = 0.0005
"""Parts smaller than this share of the image are left out."""


@dataclass(frozen=True, slots=True)
class FindingOutline:
    """A finding that is present, or all regions of an object that have one title.

    ``colour`` is sRGB as ``#rrggbb``. ``polygons`` hold corners (x, y) as fractions of the image's width and height;
    it is empty for a finding of the whole image or without a map. The title stands at the first of them.
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
    return tuple(outline for one in present for outline in _outlines(one, assessment, maps, threshold))


def _outlines(
    finding: Finding, assessment: Assessment, maps: SaliencyMaps, threshold: float
) -> Iterator[FindingOutline]:
    saliency, header = maps.findings.get(finding.name), assessment.header
    colour = "#{:02x}{:02x}{:02x}".format(*rgb(of_finding(finding, assessment).colour))
    titled: dict[str, list[Polygon]] = {}
    if saliency is not None and not is_whole(finding) and header.rows and header.columns:
        scale = min(1.0, LONG_SIDE_PX / max(header.rows, header.columns))
        shape = max(1, round(header.rows * scale)), max(1, round(header.columns * scale))
        for title, mask in _masks(finding, saliency.values, shape, threshold):
            titled.setdefault(title, []).extend(_polygons(mask))
    for title, polygons in titled.items() or [(title_of(finding, LANGUAGE.get()), [])]:
        yield FindingOutline(finding.name, title, colour, tuple(polygons[:MAX_PARTS]))


def _masks(
    finding: Finding, values: NDArray[np.float32], shape: tuple[int, int], threshold: float
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield what is drawn with its title: each region of an object by itself, as it is named."""
    regions = finding.place.regions if finding.place is not None else ()
    if not regions:
        yield title_of(finding, LANGUAGE.get()), threshold_map(values, shape, threshold)
        return
    masks, _ = region_masks(values, [one.peak for one in regions], shape)
    for region, mask in zip(regions, masks, strict=True):
        yield reworded(object_title(region)), mask


def _polygons(mask: NDArray[np.bool_]) -> Iterator[Polygon]:
    rows, columns = mask.shape
    if not mask.any():
        return
    for number, polygon in enumerate(outlines_of(mask)[:MAX_PARTS]):
        if number and cv2.contourArea(polygon.astype(np.float32)) < LEAST_SHARE * mask.size:
            continue
        yield tuple((round(float(x) / columns, 4), round(float(y) / rows, 4)) for x, y in polygon[:-1])
