"""Separates removable objects from medical devices, region by region.

A few dozen training images show clothing, jewellery or hair. A network that learns from whole images learns those by
heart; their places, judged by features that many images have shaped, are enough for a linear rule. So when a run ends,
the layer ``removable`` of the network is fitted anew by logistic regression: on the strongest places of all read images
and on the centres of compact boxes; and, with little weight, on simulated objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from miqa_node.stages.assess.preprocess import Preprocess, prepare
from miqa_training.datasets import DEVICE_KINDS, REMOVABLE_KINDS, DatasetRecord, ImageCache, ObjectBox
from miqa_training.networks import QualityNet, strongest_places
from miqa_training.samples import MAP_CLASSES, OBJECTS, Sampler

SIMULATED_SAMPLES = 1200
SIMULATED_WEIGHT = 0.1
"""Weight of all simulated places as a share of that of all real ones. With as much weight as the real ones, simulated
objects are found better (AUROC .93 instead of .90), real ones of other hospitals worse (.69 instead of .87)."""
INVERSE_PENALTY = 1.7
"""``C`` of the logistic regression for weights that sum to 1 and features of variance 1; a third or three times as much
gives the same separation."""
MARGIN = 0.35
"""Cells around a box that count as in it."""
LARGEST_BOX = 8
"""Cells: only the centre of a smaller box is certain to show the object."""
PLANE = MAP_CLASSES.index(next(iter(OBJECTS)))


@dataclass(frozen=True, slots=True)
class LabelledPlaces:
    """Features (N, channels) of places of images, and which of them show something that can be taken off."""

    features: NDArray[np.float32]
    removable: NDArray[np.bool_]


@torch.no_grad()
def separate_removable(
    net: QualityNet, records: Iterable[DatasetRecord], cache: ImageCache, sampler: Sampler, spec: Preprocess
) -> int:
    """Fit ``net.removable``; returns how many real places with something that can be taken off it was fitted to.

    Without such places the layer stays as it was trained.
    """
    net = net.eval()
    real = _joined(_read_places(net, record, cache, spec) for record in records if record.objects is not None)
    if not real.removable.any():
        return 0
    simulated = _joined(_simulated_places(net, sampler))
    features = np.concatenate([real.features, simulated.features])
    removable = np.concatenate([real.removable, simulated.removable])
    weight = np.concatenate([_evenly(real, 1.0), _evenly(simulated, SIMULATED_WEIGHT)])
    weight[removable] *= weight[~removable].sum() / weight[removable].sum()
    mean, scale = features.mean(0), features.std(0) + 1e-6
    rule = LogisticRegression(C=INVERSE_PENALTY, max_iter=1000)
    rule.fit((features - mean) / scale, removable, sample_weight=weight / weight.sum())
    slope = rule.coef_[0] / scale
    column = net.placed[0]
    net.removable.weight.copy_(torch.from_numpy(slope.astype(np.float32))[None, :, None, None])
    net.removable.bias.fill_(float(rule.intercept_[0] - slope @ mean))  # type: ignore[union-attr, unused-ignore]
    net.map_weight[column], net.bias[column] = 1.0, 0.0
    return int(real.removable.sum())


def _read_places(net: QualityNet, record: DatasetRecord, cache: ImageCache, spec: Preprocess) -> LabelledPlaces:
    """Strongest places of an image that a reader has annotated, and the centres of compact boxes."""
    display = cache[record.path].astype(np.uint16) * 257
    features, chosen = _places(net, prepare(display, None, spec).global_view)
    side = chosen.shape[0]
    marked, doubtful = np.zeros_like(chosen), np.zeros_like(chosen)
    for box in record.objects or ():
        if box.kind in REMOVABLE_KINDS:
            (marked if box.sure else doubtful)[_cells(box, side)] = True
    places = [(row, column, bool(marked[row, column])) for row, column in np.argwhere(chosen & (marked | ~doubtful))]
    for box in record.objects or ():
        area = _cells(box, side)
        if box.sure and max(part.stop - part.start for part in area) <= LARGEST_BOX:
            centre = (area[0].start + area[0].stop - 1) // 2, (area[1].start + area[1].stop - 1) // 2
            if box.kind in REMOVABLE_KINDS or box.kind in DEVICE_KINDS:
                places.append((*centre, box.kind in REMOVABLE_KINDS))
    return LabelledPlaces(
        np.array([features[:, row, column] for row, column, _ in places], np.float32).reshape(-1, features.shape[0]),
        np.array([removable for *_, removable in places], np.bool_),
    )


def _simulated_places(net: QualityNet, sampler: Sampler) -> Iterator[LabelledPlaces]:
    """Strongest places of training samples, whose cells are known where something was simulated."""
    for index in range(SIMULATED_SAMPLES):
        sample = sampler(index)
        features, chosen = _places(net, sample.global_view[None])
        cells, boxes = sample.cells[PLANE], sample.boxes[PLANE]
        removable = (cells == 1) | (boxes > 0)
        chosen &= removable | (cells == 0)
        yield LabelledPlaces(features[:, chosen].T.astype(np.float32), removable[chosen])


def _places(net: QualityNet, view: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Fused features (channels, h, w) of a global view (1, 1, H, W), and its strongest places (h, w)."""
    _, fused = net.global_net(torch.from_numpy(view))
    return fused[0].numpy(), strongest_places(net.objects(net.evidence(fused)))[0, 0].numpy()


def _cells(box: ObjectBox, side: int) -> tuple[slice, slice]:
    x0, y0, x1, y1 = (edge * side for edge in box.box)
    columns = slice(max(0, int(np.floor(x0 - MARGIN))), min(side, int(np.ceil(x1 + MARGIN))))
    return slice(max(0, int(np.floor(y0 - MARGIN))), min(side, int(np.ceil(y1 + MARGIN)))), columns


def _evenly(places: LabelledPlaces, total: float) -> NDArray[np.float64]:
    return np.full(len(places.removable), total / max(1, len(places.removable)))


def _joined(parts: Iterable[LabelledPlaces]) -> LabelledPlaces:
    every = list(parts)
    return LabelledPlaces(
        np.concatenate([part.features for part in every]), np.concatenate([part.removable for part in every])
    )
