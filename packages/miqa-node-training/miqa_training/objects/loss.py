"""Loose boxes as labels of maps: the best cells inside each sure box are to be high, all cells outside all boxes low.

A box of a lead or a necklace is mostly empty, so only its best cells count (multiple instances). A cell of another
class's box is outside: each class is a hard negative of the others. Unsure boxes are neither inside nor outside.
Where devices are known to be, but nobody drew them, the map of devices is told "somewhere", never "nowhere". Between
the images of a batch, those with something removable are to score higher than those without.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from miqa_training.objects.score import image_scores

COMPACT = 0.2
"""Longer side of a box, as a share of the picture, up to which it holds one object rather than a run of leads."""
BEST_OF_COMPACT, BEST_OF_LONG = 0.12, 0.03
"""Share of the cells of a box that are to be high."""
MOST_CELLS = 48
LEAST_SIDE = 0.006
HARDEST = 20
"""Number of the highest cells outside that count once more."""
MOST_PER_CLASS = 4.0
"""Boxes of one class beyond this share its weight, so that pictures full of leads do not drown the others."""
ANYWHERE = 6
"""Cells that are to be high where a class is present at an unknown place."""
ORDER = 0.5
"""Weight of the order of images: with something removable above those without."""


@dataclass(frozen=True, slots=True)
class ObjectTargets:
    """Targets of N pictures with up to K boxes.

    ``boxes`` (N, K, 4) as x0, y0, x1, y1, shares of the picture; ``kind`` (N, K) index of the map, -1 if unused;
    ``sure`` (N, K); ``outside`` (N, 3) weight of the cells outside, 0 where the class was not read;
    ``somewhere`` (N, 3) weight of "present, but nobody drew where".
    """

    boxes: Tensor
    kind: Tensor
    sure: Tensor
    outside: Tensor
    somewhere: Tensor


def object_loss(logits: Tensor, targets: ObjectTargets) -> tuple[Tensor, dict[str, float]]:
    """The loss and its parts, means over the pictures; ``logits`` (N, 3, n, n)."""
    count, maps, side = logits.shape[:3]
    inside = _inside(targets.boxes, side, 0.0)
    near = _inside(targets.boxes, side, 1.0)
    big = (targets.boxes[..., 2:] - targets.boxes[..., :2]).amax(-1)
    used = (targets.kind >= 0) & (big >= LEAST_SIDE)
    hits = logits.new_zeros(())
    spurious = logits.new_zeros(())
    for one in range(maps):  # of removable objects, devices, tubes
        mine = used & (targets.kind == one)
        free = ~(near & mine[..., None, None]).any(1).flatten(1)
        values = logits[:, one].flatten(1)
        spurious = spurious + _outside(values, free, targets.outside[:, one])
        hits = hits + _best(values, inside.flatten(2), mine & targets.sure, big)
        any_device = values if one == 0 else logits[:, 1:].amax(1).flatten(1)
        anywhere = F.softplus(-any_device.topk(ANYWHERE, 1).values).mean(1)
        hits = hits + 0.5 * (anywhere * targets.somewhere[:, one]).sum()
    hits, spurious, order = hits / count, spurious / count, _order(logits, targets, used)
    parts = {"found": float(hits.detach()), "spurious": float(spurious.detach()), "order": float(order.detach())}
    return hits + spurious + ORDER * order, parts


def _order(logits: Tensor, targets: ObjectTargets, used: Tensor) -> Tensor:
    """Mean loss of the pairs of an image with something removable and one without."""
    drawn = (targets.kind == 0) & (targets.boxes[..., 2:] > targets.boxes[..., :2]).all(-1)
    with_one, without = (drawn & targets.sure & used).any(1), ~drawn.any(1) & (targets.outside[:, 0] > 0)
    score = image_scores(logits)[:, 0]
    pairs = F.softplus(-(score[with_one][:, None] - score[without][None]))
    return pairs.mean() if pairs.numel() else logits.new_zeros(())


def device_cells(targets: ObjectTargets, side: int) -> Tensor:
    """(N, side, side): the cells at sure boxes of devices and tubes."""
    drawn = (targets.kind > 0) & targets.sure
    return (_inside(targets.boxes, side, 1.0) & drawn[..., None, None]).any(1)


def _inside(boxes: Tensor, side: int, margin: float) -> Tensor:
    """(N, K, n, n): the cells that a box touches, and ``margin`` cells around them."""
    cells = torch.arange(side, device=boxes.device, dtype=boxes.dtype)
    low, high = (boxes[..., :2] * side).floor() - margin, (boxes[..., 2:] * side).ceil() + margin
    within = (cells >= low[..., None]) & (cells < high[..., None])
    return within[:, :, 1, :, None] & within[:, :, 0, None, :]


def _best(values: Tensor, inside: Tensor, sure: Tensor, big: Tensor) -> Tensor:
    """Sum over the sure boxes of the mean loss of their best cells."""
    picture, box = sure.nonzero(as_tuple=True)
    if not len(picture):
        return values.new_zeros(())
    within = inside[picture, box]
    masked = values[picture].masked_fill(~within, -1e4)
    area = within.sum(1)
    size = big[picture, box]
    amount = torch.where(size < COMPACT, (area * BEST_OF_COMPACT).clamp(min=1), (area * BEST_OF_LONG).clamp(min=2))
    amount = torch.minimum(amount.floor(), area.to(amount.dtype)).clamp(max=MOST_CELLS)
    best = masked.topk(min(MOST_CELLS, masked.shape[1]), 1).values
    mask = torch.arange(best.shape[1], device=best.device) < amount[:, None]
    each = (F.softplus(-best) * mask).sum(1) / amount.clamp(min=1)
    share = (MOST_PER_CLASS / sure.sum(1).clamp(min=1)).clamp(max=1.0)[picture]
    return 0.5 * (each * share * (area > 0)).sum()


def _outside(values: Tensor, free: Tensor, weight: Tensor) -> Tensor:
    """Focal sum over all cells outside, and the mean of the hardest."""
    each = F.softplus(values) * free
    focus = torch.sigmoid(values).detach().clamp(min=0.02)
    return ((0.5 / 30 * (each * focus).sum(1) + 0.6 * each.topk(HARDEST, 1).values.mean(1)) * weight).sum()
