"""Compares reviewers' drawings with the node's maps (Dice and IoU of masks), and measures enhancement inside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.image import ANOMALY, SaliencyMap
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import LabelRecord, RegionOutline
from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.errors import NotFoundError
from miqa_node.libraries.plain_statistics.overlap import Mask, dice, iou
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.stages.report.mask import threshold_map

GRID = 256
"""Cells along a side of the grid in which masks are compared."""
FINE = 8
"""Parts of a cell's side in which drawings are filled: OpenCV fills the whole border, which makes small ones larger."""
SSIM_SIDE = 11
"""Width of the SSIM window: smaller boxes have no SSIM."""


@dataclass(frozen=True, slots=True)
class MaskFigures:
    """One finding: number of images with a drawing, number of these with a map, and their agreement.

    ``centre`` is the Dice of a square in the middle of the image with the area of the drawing: a baseline that ignores
    the image. Means over the images with a map; None without any.
    """

    finding: str
    drawn: int
    mapped: int
    dice: float | None
    iou: float | None
    centre: float | None


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Similarity of enhanced images and originals, mean over images: of the whole image, and inside drawings."""

    images: int
    psnr_db: float
    ssim: float
    psnr_marked_db: float
    ssim_marked: float


Pixels = NDArray[np.float32]
NONE_AGAIN: Mapping[str, int] = {}
Compare = Callable[[Pixels, Pixels], float]


def mask_figures(
    labels: Sequence[LabelRecord], objects: ObjectStore, threshold: float, generations: Mapping[str, int] = NONE_AGAIN
) -> list[MaskFigures]:
    """Figures of each drawn finding, compared with the maps that the node stored at the assessment.

    A mark without a finding is compared with the anomaly map. ``generations`` are those of images judged again.
    """
    rows: dict[str, list[tuple[float, float, float] | None]] = {}
    for label in labels:
        maps = kept_maps(objects, label.digest, generations.get(label.digest, 0))
        for finding in dict.fromkeys(region.finding or ANOMALY for region in label.judgement.regions):
            drawn = drawn_mask([r for r in label.judgement.regions if (r.finding or ANOMALY) == finding])
            saliency = maps.get(finding)
            figures = None
            if saliency is not None and drawn.any():
                mask = threshold_map(saliency.values, (GRID, GRID), threshold)
                figures = dice(mask, drawn), iou(mask, drawn), dice(_middle(float(drawn.mean())), drawn)
            rows.setdefault(finding, []).append(figures)
    return [_row(finding, rows[finding]) for finding in sorted(rows)]


def fidelity(
    labels: Sequence[LabelRecord],
    load: Callable[[InstanceDigest], tuple[Pixels, Pixels]],
    psnr_db: Compare,
    ssim: Compare,
) -> Fidelity | None:
    """Figures of an enhancement on the images with drawings; None without any.

    ``load`` returns (original, enhanced) display values in [0, 1]. For a mark, its bounding box is compared.
    """
    rows = []
    for label in labels:
        original, enhanced = load(label.digest)
        inside = [_cut(region, original, enhanced) for region in label.judgement.regions]
        marked = [(psnr_db(b, a), ssim(b, a)) for a, b in inside if min(a.shape) > SSIM_SIDE]
        if marked:
            psnr_marked, ssim_marked = np.mean(marked, axis=0)
            rows.append((psnr_db(enhanced, original), ssim(enhanced, original), psnr_marked, ssim_marked))
    if not rows:
        return None
    psnr, similar, psnr_marked, ssim_marked = (float(value) for value in np.mean(rows, axis=0))
    return Fidelity(len(rows), psnr, similar, psnr_marked, ssim_marked)


def kept_maps(objects: ObjectStore, digest: InstanceDigest, generation: int) -> dict[str, SaliencyMap]:
    """The stored maps of an image by name, see :class:`SaliencyMaps`; empty if there are none."""
    try:
        return Artifacts(objects).maps(digest, generation).by_name()
    except NotFoundError:
        return {}


def drawn_mask(regions: Sequence[RegionOutline]) -> Mask:
    """Cells of the grid at least half in the polygons; of drawings that are too thin for that, all they touch."""
    side = GRID * FINE
    fine = np.zeros((side, side), np.float32)
    for region in regions:
        corners = np.rint(np.clip(np.array(region.points, np.float64), 0.0, 1.0) * side - 0.5).astype(np.int32)
        cv2.fillPoly(fine, [corners.reshape(-1, 1, 2)], 1.0)
    covered = cv2.resize(fine, (GRID, GRID), interpolation=cv2.INTER_AREA)
    mask = covered >= 0.5
    return mask if mask.any() else covered > 0.0


def _row(finding: str, rows: Sequence[tuple[float, float, float] | None]) -> MaskFigures:
    entries = [row for row in rows if row is not None]
    if not entries:
        return MaskFigures(finding, len(rows), 0, None, None, None)
    means = [float(value) for value in np.mean(entries, axis=0)]
    return MaskFigures(finding, len(rows), len(entries), means[0], means[1], means[2])


def _middle(area: float) -> Mask:
    """A square in the middle that covers a share of the image."""
    half = round(GRID * area**0.5 / 2)
    mask = np.zeros((GRID, GRID), bool)
    mask[GRID // 2 - half : GRID // 2 + half, GRID // 2 - half : GRID // 2 + half] = True
    return mask


def _cut(region: RegionOutline, original: Pixels, enhanced: Pixels) -> tuple[Pixels, Pixels]:
    rows, columns = original.shape
    x0, y0, x1, y1 = np.clip(region.box, 0.0, 1.0)
    part = slice(int(y0 * rows), int(np.ceil(y1 * rows))), slice(int(x0 * columns), int(np.ceil(x1 * columns)))
    return original[part], enhanced[part]
