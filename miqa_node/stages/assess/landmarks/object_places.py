"""Says what an object that can be taken off lies over, by the outlines of the lungs and the points of the chest.

A necklace over the neck and a snap beside the chest hide nothing; one over a lung or the mediastinum may hide what the
image was made for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.image import SaliencyMap
from miqa_node.core.domain.landmarks import Landmarks, Outline, patient_side
from miqa_node.core.domain.object_place import ChestRegion, ObjectPlace, WornAt

SPOT = 0.5
"""Share of a map's highest value from which a cell belongs to a spot."""
ORDER = tuple(ChestRegion)
"""What matters most first."""
BORDER = 0.01
"""Distance outside of a lung's outline, as a share of the image, that still counts as over it."""
APEX = 0.25
"""Upper part of a lung's height that is its apex."""
BELOW_CLAVICLES, BESIDE_SPINE, BESIDE_NECK = 0.12, 0.25, 0.35
"""What is worn at the neck or the ears ends so far below the clavicles, in heights of the lungs, and so far beside the
spine, in widths of the rib cage, the latter above the lungs. So do all 15 necklaces and 18 of 19 earrings that a reader
named on training images, and 15 of 171 snaps, none of 15 buttons and 31 hooks and clips."""
MOST_SEVERE = {ChestRegion.LUNG: 1.0, ChestRegion.MEDIASTINUM: 0.75, ChestRegion.OUTSIDE: 0.25}
"""Severity that an object can have, by what it lies over: outside of both it hides nothing."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ChestMap:
    """The outlines and points of one chest, in fractions of the image."""

    lungs: Mapping[str, Outline]
    points: Mapping[str, Point]

    @classmethod
    def of(cls, landmarks: Landmarks) -> Self | None:
        """None without the outlines of both lungs."""
        whole = {"left", "right"} <= set(landmarks.lungs)
        return cls(landmarks.lungs, landmarks.points) if whole else None

    def anatomy(self, point: Point) -> ChestRegion:
        """What lies at a point."""
        if self.lung_at(point):
            return ChestRegion.LUNG
        corners = np.array([corner for lung in self.lungs.values() for corner in lung], np.float32)
        between = cv2.pointPolygonTest(cv2.convexHull(corners), point, False) >= 0
        return ChestRegion.MEDIASTINUM if between and point[1] <= self._lowest_dome() else ChestRegion.OUTSIDE

    def lung_at(self, point: Point) -> str:
        """The image's side of the lung at a point; empty if there is none."""
        depth = {
            side: cv2.pointPolygonTest(np.array(outline, np.float32), point, True)
            for side, outline in self.lungs.items()
        }
        side = max(depth, key=lambda name: depth[name])
        return side if depth[side] >= -BORDER else ""

    def in_apex(self, side: str, point: Point) -> bool:
        """Whether a point of a lung is in its upper part."""
        heights = [y for _, y in self.lungs[side]]
        return point[1] <= min(heights) + APEX * (max(heights) - min(heights))

    def worn(self, point: Point) -> WornAt | None:
        """How an object at a point is worn; None where the clavicles or the rib cage are hidden."""
        spine = self.points.get("spine_clav")
        if spine is None or not {"lat_l", "lat_r"} <= set(self.points):
            return None
        width = self.points["lat_r"][0] - self.points["lat_l"][0]
        heights = [y for lung in self.lungs.values() for _, y in lung]
        beside = abs(point[0] - spine[0]) / max(width, 0.1)
        high = point[1] <= spine[1] + BELOW_CLAVICLES * (max(heights) - min(heights))
        neck = (beside <= BESIDE_SPINE and high) or (beside <= BESIDE_NECK and point[1] <= min(heights))
        return WornAt.NECK if neck else WornAt.CLOTHES

    def _lowest_dome(self) -> float:
        domes = [self.points[name][1] for name in ("dome_l", "dome_r") if name in self.points]
        return max(domes) if domes else max(y for lung in self.lungs.values() for _, y in lung)


def with_places(
    findings: Sequence[Finding], maps: Mapping[FindingName, SaliencyMap], landmarks: Landmarks,
    orientation: tuple[str, ...],
) -> tuple[Finding, ...]:  # fmt: skip
    """The findings; one of something that can be taken off gets its place, and no more severity than fits it."""
    chest = ChestMap.of(landmarks)
    name = FindingName.FOREIGN_OBJECT
    if chest is None or name not in maps:
        return tuple(findings)
    return tuple(
        _placed(one, chest, maps[name], orientation) if one.present and one.name == name else one for one in findings
    )


def _placed(finding: Finding, chest: ChestMap, saliency: SaliencyMap, orientation: tuple[str, ...]) -> Finding:
    spots = spots_of(saliency.values)
    if not spots:
        return finding
    place = place_of(spots, chest, orientation)
    return replace(finding, place=place, severity=min(finding.severity, MOST_SEVERE[place.over[0]]))


def place_of(spots: Sequence[Point], chest: ChestMap, orientation: tuple[str, ...]) -> ObjectPlace:
    """The place of an object whose evidence has ``spots``, the strongest first."""
    anatomies = [chest.anatomy(spot) for spot in spots]
    over = tuple(sorted(set(anatomies), key=ORDER.index))
    main = spots[anatomies.index(over[0])]
    lung = chest.lung_at(main)
    return ObjectPlace(
        over,
        side=patient_side(lung, orientation) if lung else "",
        apex=bool(lung) and chest.in_apex(lung, main),
        worn=chest.worn(main),
    )


def spots_of(values: NDArray[np.float32]) -> list[Point]:
    """The highest cell (x, y) of each connected part of a map's high values, the highest first."""
    high = (values >= SPOT * float(values.max(initial=0.0))) & (values > 0.0)
    count, parts = cv2.connectedComponents(high.astype(np.uint8), connectivity=8)
    rows, columns = values.shape
    peaks = []
    for number in range(1, count):
        row, column = np.unravel_index(int(np.where(parts == number, values, -1.0).argmax()), values.shape)
        peaks.append((float(values[row, column]), ((float(column) + 0.5) / columns, (float(row) + 0.5) / rows)))
    return [point for _, point in sorted(peaks, key=lambda peak: -peak[0])]
