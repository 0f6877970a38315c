"""Features of many drawn samples on disk, in shards: what the head is fitted to. An interrupted run goes on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from miqa_node.core.files.whole_file import whole_file
from miqa_node.stages.assess.preprocess import Crops, GlobalView, Preprocess, prepare
from miqa_training.any_part.features import CROP_PX, LONG_PX, PER_SIDE, SEEN, VIEW_PX, PartFeatures, joined, sizes
from miqa_training.any_part.sampler import PartSample
from miqa_training.fit import PLACED
from miqa_training.networks import QualityNet
from miqa_training.samples import CLASSES as QUALITY_CLASSES
from miqa_training.scores import sixteen_bits
from miqa_training.start import read_package

SPEC = Preprocess(
    global_view=GlobalView(rows=VIEW_PX, columns=VIEW_PX),
    crops=Crops(size_px=CROP_PX, long_side_px=LONG_PX, most_per_side=PER_SIDE),
    numbers=("displayed_span", "displayed_mean"),
)
"""The preprocessing of the package."""
SHARD = 50
ReadFeatures = Callable[[NDArray[np.uint16]], tuple[NDArray[np.float32], ...]]
"""Features and numbers of display values (rows, columns), 0 black and 65,535 white."""


@dataclass(frozen=True, slots=True)
class SampleTable:
    """M samples: features (M, F), numbers (M, 4), truth (M, C), and where each comes from."""

    features: NDArray[np.float32]
    numbers: NDArray[np.float32]
    present: NDArray[np.float32]
    severity: NDArray[np.float32]
    source: NDArray[np.str_]
    name: NDArray[np.str_]
    family: NDArray[np.str_]


class FeatureReader:
    """Features and numbers of an image as the node would compute them."""

    def __init__(self, quality: Path, groups: Collection[str] = SEEN) -> None:
        net = QualityNet(len(QUALITY_CLASSES), PLACED)
        read_package(net, quality, QUALITY_CLASSES)
        self.net = PartFeatures(net, groups).eval()
        self.sizes: dict[str, int] = {}
        """Features of each group, in the order in which they are joined."""
        with torch.no_grad():
            self.sizes = sizes(self.net(torch.zeros(1, 1, VIEW_PX, VIEW_PX), torch.zeros(1, 1, CROP_PX, CROP_PX)))

    @torch.no_grad()
    def __call__(self, display: NDArray[np.uint16]) -> tuple[NDArray[np.float32], ...]:
        """All without the axis of images; 0 is black, 65,535 white."""
        inputs = prepare(display, None, SPEC)
        groups = self.net(torch.from_numpy(inputs.global_view), torch.from_numpy(inputs.crops))
        return joined(groups)[0].numpy(), inputs.numbers[0]


def collect(
    draw: Callable[[int], Callable[[], PartSample]], reader: ReadFeatures, folder: Path, shards: Sequence[int],
    done: Callable[[str, int], None] = lambda *_: None,
) -> None:  # fmt: skip
    """Write the shards that are not there yet; ``draw`` makes the sampler of a shard."""
    folder.mkdir(parents=True, exist_ok=True)
    for shard in shards:
        path = folder / f"{shard:05d}.npz"
        if path.exists():
            continue
        sampler = draw(shard)
        rows = [_row(sampler(), reader) for _ in range(SHARD)]
        columns: dict[str, Any] = {
            field.name: np.stack([row[at] for row in rows]) for at, field in enumerate(fields(SampleTable))
        }
        with whole_file(path) as part, part.open("wb") as stream:
            np.savez(stream, **columns)
        done("samples", shard)


def _row(sample: PartSample, reader: ReadFeatures) -> tuple[NDArray[np.generic], ...]:
    features = reader(sixteen_bits(sample.image.numpy()))
    words = (sample.picture.source, sample.picture.name, sample.family)
    return *features, sample.present, sample.severity, *(np.array(word) for word in words)


def read_table(folder: Path) -> SampleTable:
    """All shards of a folder."""
    shards = [np.load(path) for path in sorted(folder.glob("*.npz"))]
    return SampleTable(*(np.concatenate([shard[field.name] for shard in shards]) for field in fields(SampleTable)))
