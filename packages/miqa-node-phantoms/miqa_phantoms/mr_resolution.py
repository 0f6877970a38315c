"""Resolution of a plain MR phantom with a slanted square: where the modulation transfer (MTF) falls to one half."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from miqa_node.core.domain.phantom import PhantomKind
from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import NO_PHASE, PhantomStack
from miqa_node.features.phantoms.values import PhantomValue, Region, polyline
from miqa_node.libraries.phantom_shapes.arrays import Array
from miqa_node.libraries.phantom_shapes.disc import Disc, find_disc
from miqa_node.libraries.phantom_shapes.sampling import between_pixels
from miqa_node.stages.measure.series_view import Values

SEARCH_SHARE = 0.5
"""Of the phantom's radius, within which the square lies."""
DARK_SHARE = 0.5
SIDE_MM = (20.0, 60.0)
ALONG_SHARE = 0.6
"""Of a side that is read: not its corners."""
ACROSS_PIXELS = 10.0
"""On both sides of an edge."""
PARTS = 8
"""Points of the edge's profile in a pixel."""
LEAST_SLANT_DEG = 2.0
"""An edge along the pixels has no points between them."""
GROUP = "pixel_size_of_resolution_mm"
NO_SQUARE = Phrase("The dark square in the middle of the phantom was not found.")
STRAIGHT = Phrase("The square lies along the rows: its edges show nothing between pixels. Turn it by some degrees.")


class SquareEdge(NamedTuple):
    """One side of the square, right and down in mm from the first pixel."""

    middle: Array
    along: Array
    """Direction of the side."""
    outwards: Array
    half_mm: float


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    place = len(stack.images) // 2
    image, spacing, read_on = stack.images[place], stack.spacing_mm, stack.read_on(place)
    edges = find_edges(image, spacing)
    if edges is None:
        return measure.none(NO_SQUARE)
    slant = min(abs(float(np.degrees(np.arctan2(*np.sort(np.abs(one.along)))))) for one in edges)
    if slant < LEAST_SLANT_DEG:
        return measure.none(STRAIGHT)
    phase_down = stack.slices[place].phase_columns
    if phase_down is None:
        return measure.none(NO_PHASE)
    values = []
    for value, is_down in zip(measure.values, (not phase_down, phase_down), strict=True):
        ours = [one for one in edges if (abs(one.outwards[1]) > abs(one.outwards[0])) == is_down]
        sizes = [0.5 / half_frequency(*edge_profile(image, spacing, one)) for one in ours]
        values.append(value.read(float(np.mean(sizes)), measure.source, read_on, [_line(one, spacing) for one in ours]))
    return values


def find_edges(image: Values, spacing: tuple[float, float]) -> list[SquareEdge] | None:
    """The four sides of the dark square; None without one."""
    disc = find_disc(image, spacing)
    if disc is None:
        return None
    corners = _corners(image, disc)
    if corners is None:
        return None
    points = corners * (spacing[1], spacing[0])
    middle = points.mean(axis=0)
    edges = []
    for first, second in zip(points, np.roll(points, -1, axis=0), strict=True):
        length = float(np.hypot(*(second - first)))
        if not SIDE_MM[0] <= length <= SIDE_MM[1]:
            return None
        outwards = (first + second) / 2.0 - middle
        edge = SquareEdge(
            (first + second) / 2.0,
            (second - first) / length,
            outwards / np.hypot(*outwards),
            ALONG_SHARE * length / 2.0,
        )
        edges.append(edge)
    return edges


def _corners(image: Values, disc: Disc) -> Array | None:
    """Column and row of the corners of the largest dark part in the middle."""
    inside = disc.within(image.shape, SEARCH_SHARE * disc.radius_mm)
    level = float(np.percentile(image[inside], 75))
    dark = (inside & (image < DARK_SHARE * level)).astype(np.uint8)
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(dark, connectivity=4)
    if count < 2:
        return None
    largest = 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax())
    contours, _ = cv2.findContours((labels == largest).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    rectangle = cv2.minAreaRect(contours[0])
    return np.asarray(cv2.boxPoints(rectangle), np.float64)


def edge_profile(image: Values, spacing: tuple[float, float], edge: SquareEdge) -> tuple[Array, float]:
    """Mean signal by the distance from the edge, and the step between its points in mm; NaN-free."""
    pixel = float(np.sqrt(spacing[0] * spacing[1]))
    rows, columns = np.mgrid[0 : image.shape[0], 0 : image.shape[1]]
    right, down = columns * spacing[1] - edge.middle[0], rows * spacing[0] - edge.middle[1]
    along = right * edge.along[0] + down * edge.along[1]
    across = right * edge.outwards[0] + down * edge.outwards[1]
    reach = ACROSS_PIXELS * pixel
    near = (np.abs(along) <= edge.half_mm) & (np.abs(across) <= reach + 2.0 * pixel)
    along, across, signal = along[near], across[near], image[near].astype(np.float64)
    offset, slope = _straightened(image, spacing, edge)
    distance = (across - offset - slope * along) / np.hypot(1.0, slope)
    step = pixel / PARTS
    bins = np.floor((distance + reach) / step).astype(int)
    inside = (bins >= 0) & (bins < round(2.0 * reach / step))
    counts = np.bincount(bins[inside], minlength=round(2.0 * reach / step))
    sums = np.bincount(bins[inside], weights=signal[inside], minlength=len(counts))
    filled = np.flatnonzero(counts)
    return np.interp(np.arange(len(counts)), filled, sums[filled] / counts[filled]), step


def _straightened(image: Values, spacing: tuple[float, float], edge: SquareEdge) -> tuple[float, float]:
    """Where the edge truly lies: outwards of the rectangle's side in its middle, and by how much more a mm along it."""
    pixel = float(np.sqrt(spacing[0] * spacing[1]))
    along = np.arange(-edge.half_mm, edge.half_mm, pixel / 2.0)
    across = np.arange(-4.0 * pixel, 4.0 * pixel, pixel / PARTS)
    right = edge.middle[0] + along[:, None] * edge.along[0] + across * edge.outwards[0]
    down = edge.middle[1] + along[:, None] * edge.along[1] + across * edge.outwards[1]
    rays = between_pixels(image, down / spacing[0], right / spacing[1])
    half = (rays[:, :PARTS].mean() + rays[:, -PARTS:].mean()) / 2.0
    crossings = across[np.argmax(rays >= half, axis=1)]
    slope, offset = np.polyfit(along, crossings, 1)
    return float(offset), float(slope)


def half_frequency(profile: Array, step_mm: float) -> float:
    """Cycles per mm at which the transfer of an edge's profile falls to one half of that without a pattern."""
    spread = np.gradient(profile) * np.hanning(len(profile))
    transfer = np.abs(np.fft.rfft(spread, 16 * len(profile)))
    transfer /= transfer[0]
    below = int(np.argmax(transfer < 0.5))
    part = (transfer[below - 1] - 0.5) / (transfer[below - 1] - transfer[below])
    return float((below - 1 + part) / (16 * len(profile) * step_mm))


def _line(edge: SquareEdge, spacing: tuple[float, float]) -> Region:
    return polyline((edge.middle + sign * edge.half_mm * edge.along) / (spacing[1], spacing[0]) for sign in (-1.0, 1.0))


MEASURE = PhantomMeasure(
    name="mr_resolution",
    order=22,
    kinds=frozenset({PhantomKind.MR_RESOLUTION}),
    values=(
        PhantomQuantity(
            f"{GROUP}.frequency",
            "mm",
            Phrase("Half of the period at which the MTF is one half, along the frequency encoding."),
        ),
        PhantomQuantity(
            f"{GROUP}.phase",
            "mm",
            Phrase("Half of the period at which the MTF is one half, along the phase encoding."),
        ),
    ),
    formula="1 / (2 · frequency at MTF ½) of the derivative of the edge's profile; mean of the two opposite edges",
    source="IPEM Report 112 (slanted edge), as hazen 2.0.0 has it in spatial_resolution.py",
    tolerance="0.1 mm",
    run=run,
)
