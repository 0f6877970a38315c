"""Samples of the landmark network: pictures preprocessed as in the node, and their targets as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from miqa_node.stages.assess.classify.picture import prepare
from miqa_node.stages.assess.landmarks.picture import PICTURE, STORED_PX
from miqa_training.datasets import ImageCache, held_out, may_ship, read_records
from miqa_training.degrade import Image
from miqa_training.landmarks.losses import LandmarkTargets
from miqa_training.landmarks.points import LandmarkAnnotation, read_annotations
from miqa_training.landmarks.variation import LandmarkSample, vary_sample

ROTATED_AS_OFTEN = 2.5
"""Oversampling factor of rotated and cut images; a fifth of the images is rotated."""


@dataclass(frozen=True, slots=True)
class LandmarkData:
    """Images for fitting and those of held-out patients, with their 8-bit pixels by file name."""

    fitting: list[LandmarkAnnotation]
    held_out: list[LandmarkAnnotation]
    pixels: dict[str, NDArray[np.uint8]]

    def chosen(self, rng: np.random.Generator) -> LandmarkAnnotation:
        """Draw an image for fitting; rotated and cut images are rare and drawn ROTATED_AS_OFTEN times as often."""
        chances = np.array([ROTATED_AS_OFTEN if a.grades[0] or a.cut else 1.0 for a in self.fitting])
        return self.fitting[int(rng.choice(len(chances), p=chances / chances.sum()))]


def read_landmark_data(data_dir: Path, cache_dir: Path) -> LandmarkData:
    """The training annotations of ``data_dir``; the licence of every image allows shipped weights.

    Raises
    ------
    ValueError
        The licence of an annotated image does not allow its use for weights that ship.
    """
    records = read_records(data_dir / "cxr_train")
    annotations = read_annotations(data_dir / "landmarks" / "train.jsonl", records)
    if not all(may_ship(a.record) for a in annotations):
        raise ValueError("The licence of an annotated image does not allow its use for weights that ship.")
    fitting = [a for a in annotations if not held_out(a.record)]
    return LandmarkData(fitting, [a for a in annotations if held_out(a.record)], read_pixels(annotations, cache_dir))


def read_pixels(annotations: Sequence[LandmarkAnnotation], cache_dir: Path) -> dict[str, NDArray[np.uint8]]:
    """8-bit pixels by file name, the longer side at most STORED_PX."""
    cache = ImageCache(cache_dir, [a.record.path for a in annotations])
    return {a.record.path.name: _small(cache[a.record.path]) for a in annotations}


def _small(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = STORED_PX / max(pixels.shape)
    if scale >= 1.0:
        return np.ascontiguousarray(pixels)
    return np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def picture(image: Image) -> Tensor:
    """The network's input (1, 256, 256) of an image with values 0 to 1, prepared as the node prepares it."""
    return torch.from_numpy(prepare(display_of(image), PICTURE)[0])


def display_of(image: Image) -> NDArray[np.uint16]:
    """Presentation values of an image with values 0 to 1."""
    return np.asarray(np.rint(image * np.float32(65535)), np.uint16)


def draw(data: LandmarkData, seed: int, index: int) -> tuple[Tensor, LandmarkTargets]:
    """Training sample number ``index`` of a seed; always the same one."""
    rng = np.random.default_rng((seed, index))
    annotation = data.chosen(rng)
    sample = vary_sample(annotation, data.pixels[annotation.record.path.name], rng)
    return picture(sample.image), targets(annotation, sample)


def targets(annotation: LandmarkAnnotation, sample: LandmarkSample) -> LandmarkTargets:
    """The targets of one sample, as tensors without a batch axis."""
    grades = [float(grade >= least) for grade in annotation.grades for least in (1, 2)]

    def tensor(values: object) -> Tensor:
        return torch.as_tensor(np.asarray(values, np.float32))

    return LandmarkTargets(
        points=tensor(sample.points),
        weight=tensor(0.4 + annotation.sure),
        visible=tensor(sample.visible),
        cut=tensor(sample.cut),
        margin=tensor(sample.margin),
        ribs=tensor([sample.ribs]),
        rotation=tensor([sample.rotation]),
        grade=tensor(grades),
        mark=tensor([float(mark) for mark in annotation.marks]),
        mirrored=tensor([float(sample.mirrored)]),
    )
