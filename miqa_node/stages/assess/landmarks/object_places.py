"""Says what an object that can be taken off lies over, by the outlines of the lungs and the points of the chest.

A necklace over the neck and a snap beside the chest hide nothing; one over a lung or the mediastinum may hide what the
image was made for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.image import SaliencyMap
from miqa_node.core.domain.landmarks import Landmarks, Outline, patient_side
from miqa_node.core.domain.model_identity import ModelIdentity
from miqa_node.core.domain.object_place import SPOT, ChestRegion, ObjectPlace, ObjectRegion, WornAt
from miqa_node.core.words.algorithms import name_and_version

ORDER = tuple(ChestRegion)
"""What matters most first."""
BORDER = 0.01
"""Distance outside of a lung's outline, as a share of the image, that still counts as over it."""
PART_OVER = 0.25
"""Share of a drawn region from which on it lies over what is below, wherever its highest point is. Of 23 drawn boxes
over a lung or the mediastinum of two sets that chose the points of objects-0.2.1, the highest points alone lie there in
15, this part in 16."""
DEVICE_SHARE = 0.5
"""Share of a region that is drawn as a device, too, from which on it is one. Of 84 images with devices only of two sets
it leaves 4 flagged instead of 8, of 71 with removable objects 15 instead of 18; chosen on these."""
APEX = 0.25
"""Upper part of a lung's height that is its apex."""
BELOW_CLAVICLES, BESIDE_SPINE, BESIDE_NECK = 0.12, 0.25, 0.35
"""What is worn at the neck or the ears ends so far below the clavicles, in heights of the lungs, and so far beside the
spine, in widths of the rib cage, the latter above the lungs. So do all 15 necklaces and 18 of 19 earrings that a reader
named on training images, and 15 of 171 snaps, none of 15 buttons and 31 hooks and clips."""
MOST_SEVERE = {ChestRegion.LUNG: 1.0, ChestRegion.MEDIASTINUM: 0.75, ChestRegion.OUTSIDE: 0.25}
"""Severity that an object can have, by what it lies over: outside of both it hides nothing."""

MOST_REGIONS = 20
"""Largest number of regions of an object, as many as are drawn."""

Point = tuple[float, float]


class Spot(NamedTuple):
    """One connected part of a map: its highest point, and its cells (row, column) of a map of ``shape``."""

    peak: Point
    cells: tuple[tuple[int, int], ...]
    shape: tuple[int, int]
    score: float = 0.0

    @property
    def middle(self) -> Point:
        """The mean of its cells."""
        xs, ys = zip(*self.centres(), strict=True)
        return sum(xs) / len(xs), sum(ys) / len(ys)

    def centres(self) -> list[Point]:
        """The middle of each cell."""
        rows, columns = self.shape
        return [((float(column) + 0.5) / columns, (float(row) + 0.5) / rows) for row, column in self.cells]


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
        return ChestRegion.MEDIASTINUM if self._is_between_lungs(point) else ChestRegion.OUTSIDE

    def _is_between_lungs(self, point: Point) -> bool:
        corners = np.array([corner for lung in self.lungs.values() for corner in lung], np.float32)
        return cv2.pointPolygonTest(cv2.convexHull(corners), point, False) >= 0 and point[1] <= self._lowest_dome()

    def below(self, spot: Spot) -> tuple[ChestRegion, str]:
        """What a drawn region lies over, and the image's side of the lung if it is one.

        A quarter of the region suffices, or its highest point.
        """
        centres = [spot.peak, *spot.centres()]
        lungs = [self.lung_at(centre) for centre in centres]
        least = PART_OVER * len(centres)
        if lungs[0] or sum(map(bool, lungs)) >= least:
            return ChestRegion.LUNG, lungs[0] or max(self.lungs, key=lungs.count)
        between = [self._is_between_lungs(centre) for centre in centres]
        inside = sum(bool(lung) or is_between for lung, is_between in zip(lungs, between, strict=True))
        return (ChestRegion.MEDIASTINUM if between[0] or inside >= least else ChestRegion.OUTSIDE), ""

    def reaches_both(self, spot: Spot) -> bool:
        """Whether a drawn region lies over both lungs, each with a part that counts."""
        lungs = [self.lung_at(centre) for centre in spot.centres()]
        return all(lungs.count(side) >= PART_OVER / 2 * len(lungs) for side in self.lungs)

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

    def beside_spine(self, spot: Spot) -> str:
        """The image's side of the spine on which the whole spot is drawn; empty for one that reaches across it.

        Between the centres of cells the map is interpolated, so that a spot is drawn up to one cell wider.
        """
        rows, columns = np.array(spot.cells, float).T
        spine = self._spine((rows + 0.5) / spot.shape[0])
        if ((columns + 1.5) / spot.shape[1] < spine).all():
            return "left"
        return "right" if ((columns - 0.5) / spot.shape[1] > spine).all() else ""

    def _spine(self, heights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The middle of the spine at these heights: a line through its points, else midway between the lungs."""
        middle = [self.points[name] for name in ("spine_clav", "spine_low") if name in self.points]
        if len(middle) == 2 and middle[0][1] != middle[1][1]:
            (x0, y0), (x1, y1) = middle
            return x0 + (heights - y0) * (x1 - x0) / (y1 - y0)
        inner = max(x for x, _ in self.lungs["left"]) + min(x for x, _ in self.lungs["right"])
        return np.full_like(heights, middle[0][0] if middle else inner / 2.0)

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
    placed_by = ModelIdentity(*name_and_version(landmarks.package), landmarks.sha256)
    devices = [one.name for one in findings if one.present and one.name == FindingName.DEVICE_IN_VIEW]
    device = next((maps[one] for one in devices if one in maps), None)
    return tuple(
        _placed(one, chest, (maps[name], device), orientation, placed_by) if one.present and one.name == name else one
        for one in findings
    )


def _placed(
    finding: Finding,
    chest: ChestMap,
    maps: tuple[SaliencyMap, SaliencyMap | None],
    orientation: tuple[str, ...],
    placed_by: ModelIdentity,
) -> Finding:
    saliency, device = maps
    every = spots_of(saliency.values)
    if not every:
        return finding
    spots = every if device is None else [one for one in every if not is_device(one, device.values)]
    if not spots:  # an electrode or a lead is never taken off
        return replace(finding, threshold=float(np.nextafter(finding.probability, 2.0)))
    place = place_of(spots, chest, orientation)
    severity = min(finding.severity, MOST_SEVERE[place.over[0]])
    return replace(finding, place=place, severity=severity, made_by=(*finding.made_by, placed_by))


def is_device(spot: Spot, values: NDArray[np.float32]) -> bool:
    """Whether a region lies for the most part where a medical device is drawn in the same image, given its map."""
    rows, columns = np.array(spot.cells).T
    device = cv2.resize(values, spot.shape[::-1], interpolation=cv2.INTER_LINEAR)
    least = SPOT * max(float(values.max(initial=0.0)), float(np.finfo(np.float32).tiny))
    drawn = device[rows, columns] >= least
    return bool(drawn.mean() >= DEVICE_SHARE)


def place_of(spots: Sequence[Spot], chest: ChestMap, orientation: tuple[str, ...]) -> ObjectPlace:
    """The place of an object whose evidence has ``spots``, the strongest first."""
    every = [_region(spot, chest, orientation) for spot in spots]
    regions = sorted(every, key=lambda one: (not one.hides, -one.score))[:MOST_REGIONS]
    main, over = regions[0], {one.over for one in every}
    return ObjectPlace(tuple(sorted(over, key=ORDER.index)), main.side, main.apex, main.worn, tuple(regions))


def _region(spot: Spot, chest: ChestMap, orientation: tuple[str, ...]) -> ObjectRegion:
    over, lung = chest.below(spot)
    is_beside, middle = bool(lung) and chest.beside_spine(spot) == lung, spot.middle
    is_both = bool(lung) and not is_beside and chest.reaches_both(spot)
    at_middle = chest.lung_at(middle)
    is_edge = not is_both and ((at_middle != lung) if lung else over is not chest.anatomy(middle))
    return ObjectRegion(
        spot.peak,
        over,
        side=patient_side(lung, orientation) if is_beside else "",
        apex=bool(lung) and not is_edge and chest.in_apex(lung, middle),
        worn=chest.worn(spot.peak),
        score=spot.score,
        edge=is_edge and over is not ChestRegion.OUTSIDE,
        both=is_both,
    )


def spots_of(values: NDArray[np.float32]) -> list[Spot]:
    """Each connected part of a map's high values, the one with the highest cell first."""
    high = (values >= SPOT * float(values.max(initial=0.0))) & (values > 0.0)
    count, parts = cv2.connectedComponents(high.astype(np.uint8), connectivity=8)
    rows, columns = values.shape
    spots = []
    for number in range(1, count):
        row, column = np.unravel_index(int(np.where(parts == number, values, -1.0).argmax()), values.shape)
        cells = tuple(zip(*np.nonzero(parts == number), strict=True))
        peak, score = ((float(column) + 0.5) / columns, (float(row) + 0.5) / rows), float(values[row, column])
        spots.append(Spot(peak, cells, (rows, columns), round(score, 4)))
    return sorted(spots, key=lambda one: -one.score)
