"""What more sizes of the global view, its mirror image and a centre–surround filter would do for objects and devices.

    python -m benchmarks.second_look --data DIR

The shipped quality network is read back from its graph and sees each image at several sizes, also mirrored; maps and
scores are averaged. From a map its surround may be subtracted (a Gaussian of 2 cells at 384 px: D. Marr and E.
Hildreth, Proc. R. Soc. Lond. B 207 (1980) 187–217), so that one electrode counts more than a run of leads. Judged are
held-out patients of the training's hospital and the development set: macro mean over hospitals, and pooled.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.machine import describe, keep
from miqa_node.stages.assess.preprocess import GlobalView, Preprocess, prepare
from miqa_training.datasets import DatasetRecord, held_out, may_ship, read_records
from miqa_training.fit import PLACED
from miqa_training.hospitals import Observations, by_hospital, separation
from miqa_training.networks import QualityNet, pool
from miqa_training.readers import pointing
from miqa_training.samples import CLASSES
from miqa_training.scores import read_image, sixteen_bits
from miqa_training.start import read_package

PACKAGE = Path("models/quality-0.9.3")
SIZES = (384, 448, 512)
CELLS = 72
"""Side to which the maps of all sizes are brought."""
SURROUND = 2.0 * CELLS / 48
WAYS = tuple(
    (sizes, mirrored, surround)
    for sizes in ((384,), (384, 448), (384, 448, 512))
    for mirrored in (False, True)
    for surround in (False, True)
)


@dataclass(frozen=True, slots=True)
class Look:
    """One size of one image, as it is and mirrored: ``scores`` (2, 2) and ``maps`` (2, 2, CELLS, CELLS) by thing."""

    scores: NDArray[np.float64]
    maps: NDArray[np.float32]


def main() -> None:
    """Judge both sets in every way and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    data, machine = parser.parse_args().data, describe()
    net = QualityNet(len(CLASSES), PLACED).eval()
    read_package(net, PACKAGE, CLASSES)
    train = read_records(data / "cxr_train", data / "annotations" / "train.jsonl")
    sets = {
        "held_out": [r for r in train if r.objects is not None and may_ship(r) and held_out(r)],
        "development": read_records(data / "cxr_eval", data / "annotations" / "eval.jsonl"),
    }
    keep("second_look", machine, {name: _judged(net, records) for name, records in sets.items()})


def _judged(net: QualityNet, records: Sequence[DatasetRecord]) -> list[dict[str, Any]]:
    looks = [{size: _look(net, record, size) for size in SIZES} for record in records]
    return [_row(records, looks, *way) for way in WAYS]


def _look(net: QualityNet, record: DatasetRecord, size: int) -> Look:
    display = sixteen_bits(read_image(record))
    view = prepare(display, None, Preprocess(global_view=GlobalView(rows=size, columns=size))).global_view
    with torch.no_grad():
        both = torch.from_numpy(np.concatenate([view, view[..., ::-1]]))
        cells = net.evidence(net.global_net(both)[1])[:, list(PLACED)]
        scores = net.map_weight[list(PLACED)] * pool(cells) + net.bias[list(PLACED)]
        maps = cells.sigmoid().numpy()
    maps[1] = maps[1, ..., ::-1]
    enlarged = [[cv2.resize(one, (CELLS, CELLS)) for one in each] for each in np.ascontiguousarray(maps)]
    return Look(scores.double().numpy(), np.array(enlarged, np.float32))


def _row(
    records: Sequence[DatasetRecord], looks: Sequence[dict[int, Look]], sizes: Sequence[int], mirrored: bool,
    surround: bool,
) -> dict[str, Any]:  # fmt: skip
    way = slice(None) if mirrored else slice(1)
    scores = np.stack([np.mean([look[size].scores[way].mean(0) for size in sizes], 0) for look in looks])
    maps = [np.mean([look[size].maps[way].mean(0) for size in sizes], 0) for look in looks]
    peaks = [(record, _peak(each.max(0), surround)) for record, each in zip(records, maps, strict=True)]
    rows = [n for n, record in enumerate(records) if record.has_real_object is not None]
    both = Observations(
        scores.max(1)[rows],
        np.array([records[n].has_real_object for n in rows], np.bool_),
        np.array([records[n].source for n in rows], np.str_),
        np.array([records[n].patient for n in rows], np.str_),
    )
    played = pointing("both", [peak for peak in peaks if peak[0].objects])
    figures = {"auroc": by_hospital(both, separation), "pointing": played["all"], "compact": played["compact"]}
    return {
        "sizes": list(sizes),
        "mirrored": mirrored,
        "surround": surround,
        **{name: {key: figure[key] for key in ("macro", "pooled")} for name, figure in figures.items()},
    }


def _peak(cells: NDArray[np.float32], surround: bool) -> tuple[float, float]:
    """(x, y) of the highest cell as fractions of the image."""
    values = cells - cv2.GaussianBlur(cells, (0, 0), SURROUND) if surround else cells
    row, column = np.unravel_index(int(np.argmax(values)), values.shape)
    return (float(column) + 0.5) / CELLS, (float(row) + 0.5) / CELLS


if __name__ == "__main__":
    main()
