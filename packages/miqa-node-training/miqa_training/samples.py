"""One training sample: an image as some hospital might have made it, with known defects, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.finding import FindingName, GateClass
from miqa_node.core.taxonomy.lookup import defect_names, gate_names
from miqa_node.stages.assess.numbers import numbers_of
from miqa_node.stages.assess.preprocess import (
    Preprocess,
    crop_origins,
    cut_crops,
    displayed_range,
    global_view,
    normalise,
    working_image,
)
from miqa_training.corpus import real_cutouts
from miqa_training.datasets import DEVICE_KINDS, REMOVABLE_KINDS, DatasetRecord, ImageCache, ObjectBox
from miqa_training.degrade import FAMILIES, DonorMaterial, Image, degrade, gate, pitch_of, simulators
from miqa_training.dose import dose_header
from miqa_training.presentation import LARGE_PX, BaseImage, deliver, tone, vary
from miqa_training.scores import sixteen_bits

CLASSES: tuple[str, ...] = tuple(str(name) for name in (*defect_names(), *gate_names()))
COLUMN = {name: index for index, name in enumerate(CLASSES)}
OBJECTS: Mapping[FindingName, frozenset[str]] = {
    FindingName.FOREIGN_OBJECT: REMOVABLE_KINDS, FindingName.DEVICE_IN_VIEW: DEVICE_KINDS,
}  # fmt: skip
"""Findings of real things, with the annotated kinds of each; what is of one kind is a hard negative of the other."""
MAP_CLASSES = (*OBJECTS, FindingName.DETECTOR_OVERLAY_ARTIFACT)
"""Findings with a place that training knows: their maps are supervised."""
MOVES_PIXELS = frozenset({FindingName.CLIPPED_ANATOMY, FindingName.ROTATION_ORIENTATION, FindingName.DOUBLE_EXPOSURE})
HARD_TO_SEE = frozenset({
    FindingName.MOTION_BLUR, FindingName.UNSHARP, FindingName.NOISE, FindingName.CONTRAST_PROCESSING,
    FindingName.GRID_ARTIFACT, FindingName.DETECTOR_OVERLAY_ARTIFACT, FindingName.FOREIGN_OBJECT,
})  # fmt: skip
MAP_STRIDE = 8
UNKNOWN = -1.0
CLEAN_SHARE, GATE_SHARE = 0.22, 0.10
CUTOUT_SHARE = 0.35
"""Of the images with simulated objects or devices: real ones, cut from other training images."""
LEAST_SEVERITY = 0.12
MARKED_GRADE = 2
GRADED_AS = {
    "clipped_anatomy": FindingName.CLIPPED_ANATOMY,
    "rotation": FindingName.ROTATION_ORIENTATION,
    "under_exposed": FindingName.UNDEREXPOSURE,
    "noise": FindingName.NOISE,
    "over_exposed": FindingName.OVEREXPOSURE_SATURATION,
    "blur": FindingName.UNSHARP,
    "low_contrast": FindingName.CONTRAST_PROCESSING,
    "grid_or_detector_artifact": FindingName.GRID_ARTIFACT,
}
"""A reader's grade above 0 leaves the class undecided unless it is simulated: the grades are weak labels."""


@dataclass(frozen=True, slots=True)
class TrainingSample:
    """What a net gets and should say.

    ``global_view`` (1, H, W); ``crops`` (K, 1, h, w); ``present`` and ``severity`` (C,), -1 where unknown;
    ``cells`` (3, H/8, W/8): for each of MAP_CLASSES 1 here, 0 not here, -1 unknown;
    ``boxes`` (3, H/8, W/8) int: number of the annotated box that a cell lies in (a lead runs somewhere in it), 0 none;
    ``numbers`` (2·N,): what the network is given beside the pixels.
    """

    global_view: NDArray[np.float32]
    crops: NDArray[np.float32]
    present: NDArray[np.float32]
    severity: NDArray[np.float32]
    cells: NDArray[np.float32]
    boxes: NDArray[np.int16]
    numbers: NDArray[np.float32]


class Sampler:
    """Draws samples; sample ``index`` of a seed is always the same."""

    def __init__(
        self, records: Sequence[DatasetRecord], cache: ImageCache, others: Sequence[NDArray[np.uint8]],
        spec: Preprocess,
        *, seed: int, crops: int,
    ) -> None:  # fmt: skip
        """``others``: 8-bit images other than frontal chests, beside the phantoms."""
        self._records, self._cache, self._others, self._spec = records, cache, others, spec
        self._seed, self._crops = seed, crops
        self._pieces = {finding: real_cutouts(records, cache, kinds) for finding, kinds in OBJECTS.items()}
        weights = np.array([1.0 if r.objects is None else 6.0 if r.has_removable else 4.0 for r in records])
        clear = np.array([1.3 if r.has_real_object is False else 1.0 for r in records])
        large = np.array([1.6 if max(cache[r.path].shape) > LARGE_PX else 1.0 for r in records])
        weight = weights * clear * large
        self._weight = weight / weight.sum()

    def __call__(self, index: int) -> TrainingSample:
        """Sample number ``index``."""
        rng = np.random.default_rng((self._seed, index))
        record = self._records[int(rng.choice(len(self._records), p=self._weight))]
        base = vary(record, self._cache[record.path], rng)
        kind = rng.uniform()
        if kind < GATE_SHARE:
            return self._gate_sample(base, rng)
        severities = {} if kind < GATE_SHARE + CLEAN_SHARE else draw_defects(rng)
        return self._defect_sample(base, severities, rng)

    def _defect_sample(
        self, base: BaseImage, severities: dict[FindingName, float], rng: np.random.Generator
    ) -> TrainingSample:
        image, pitch = base.image, pitch_of(base.image)
        other = self._another(rng) if severities else None
        touched: dict[FindingName, Image] = {}
        for finding in (f for f in simulators() if f in severities):
            before = image
            material = DonorMaterial(other=other, cutouts=self._pieces.get(finding, ()))
            if material.cutouts and rng.uniform() < CUTOUT_SHARE:
                image = FAMILIES["cutouts"](image, severities[finding], rng, pitch, material)
            else:
                image = degrade(image, finding, severities[finding], rng, pitch, material)
            if finding in MAP_CLASSES:
                touched[finding] = np.abs(image - before)
        present, severity = self._labels(base, severities)
        cells, boxes = self._places(base, severities, touched)
        dose = None if base.record.grades.get("noise", 0) else severities  # nobody knows that of a noisy image
        return self._finish(deliver(image, rng), present, severity, cells, boxes, rng, dose)

    def _gate_sample(self, base: BaseImage, rng: np.random.Generator) -> TrainingSample:
        present = np.full(len(CLASSES), UNKNOWN, np.float32)
        kind = GateClass(str(rng.choice(np.array(list(gate_names())), p=(0.35, 0.4, 0.25))))
        shape = (int(rng.integers(384, 640)), int(rng.integers(384, 640)))
        if kind == GateClass.INVERTED:
            image = gate.inverted(base.image)
        elif kind == GateClass.BLANK:
            image = gate.blank(shape, rng)
        else:
            image = self._no_chest(base, shape, rng)
        present[[COLUMN[g] for g in gate_names()]] = 0.0
        present[COLUMN[kind]] = 1.0
        severity = np.full(len(CLASSES), UNKNOWN, np.float32)
        severity[COLUMN[kind]] = 1.0
        side = self._spec.global_view.rows // MAP_STRIDE
        nowhere = np.full((len(MAP_CLASSES), side, side), UNKNOWN, np.float32)
        return self._finish(deliver(image, rng), present, severity, nowhere, np.zeros(nowhere.shape, np.int16), rng)

    def _no_chest(self, base: BaseImage, shape: tuple[int, int], rng: np.random.Generator) -> Image:
        kind = rng.uniform()
        if kind < 0.35:
            return gate.not_frontal_chest(base.image, rng)
        if kind < 0.6 or not self._others:
            return gate.phantom(shape, rng)
        other = self._others[int(rng.integers(len(self._others)))]
        other = np.rot90(other, int(rng.integers(4)))[:, :: int(rng.choice((1, -1)))]
        scale = rng.uniform(300, 640) / max(other.shape)
        small = cv2.resize(np.ascontiguousarray(other), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return tone(np.asarray(small, np.float32) / np.float32(255), rng)

    def _another(self, rng: np.random.Generator) -> Image:
        record = self._records[int(rng.integers(len(self._records)))]
        pixels = self._cache[record.path]
        step = max(1, max(pixels.shape) // 512)
        return np.ascontiguousarray(pixels[::step, ::step]).astype(np.float32) / np.float32(255)

    def _labels(
        self, base: BaseImage, severities: dict[FindingName, float]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        present = np.zeros(len(CLASSES), np.float32)
        severity = np.zeros(len(CLASSES), np.float32)
        for grade, finding in GRADED_AS.items():
            if base.record.grades.get(grade, 0) > 0:
                present[COLUMN[finding]] = severity[COLUMN[finding]] = UNKNOWN
        if base.record.grades.get("noise", 0) >= MARKED_GRADE:  # the one grade that readers agree on
            present[COLUMN[FindingName.NOISE]] = 1.0
        for finding in OBJECTS:
            real = base.record.has(finding)
            if real is not False:
                present[COLUMN[finding]] = 1.0 if real else UNKNOWN
                severity[COLUMN[finding]] = UNKNOWN
        for name in base.record.findings or ():  # from readers of the site; the severity is unknown
            present[COLUMN[name]], severity[COLUMN[name]] = 1.0, UNKNOWN
        for finding, value in severities.items():
            present[COLUMN[finding]] = 1.0
            severity[COLUMN[finding]] = value
        if FindingName.UNDEREXPOSURE in severities and FindingName.NOISE not in severities:
            present[COLUMN[FindingName.NOISE]] = severity[COLUMN[FindingName.NOISE]] = UNKNOWN  # too little is noisy
        return present, severity

    def _places(
        self, base: BaseImage, severities: dict[FindingName, float], touched: dict[FindingName, Image]
    ) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
        side = self._spec.global_view.rows // MAP_STRIDE
        cells = np.zeros((len(MAP_CLASSES), side, side), np.float32)
        boxes = np.zeros((len(MAP_CLASSES), side, side), np.int16)
        if base.record.objects is None:
            cells[: len(OBJECTS)] = UNKNOWN
        # Large boxes first: where a small thing lies in the loose box of a lead, the place is the small thing's.
        for number, box in enumerate(sorted(base.boxes, key=_area, reverse=True), 1):
            area = _cells_of(box.box, side)
            for plane, kinds in enumerate(OBJECTS.values()):
                if box.kind in kinds:
                    cells[plane][area], boxes[plane][area] = UNKNOWN, number if box.sure else 0
                elif not box.sure or boxes[plane][area].any():
                    cells[plane][area], boxes[plane][area] = UNKNOWN, 0
        for plane, finding in enumerate(MAP_CLASSES):
            if finding in touched:
                small = cv2.resize(touched[finding], (side, side), interpolation=cv2.INTER_AREA)
                peak = float(touched[finding].max())
                here, maybe = small > max(0.05 * peak, 0.004), small > 0.01 * peak
                cells[plane] = np.where(here, 1.0, np.where(maybe, UNKNOWN, cells[plane]))
                if finding in OBJECTS:
                    another = 1 - plane
                    free = here & (boxes[another] == 0)
                    cells[another] = np.where(free & (cells[another] == UNKNOWN), 0.0, cells[another])
        if MOVES_PIXELS & severities.keys():
            cells[:], boxes[:] = UNKNOWN, 0
        return cells, boxes

    def _finish(
        self, image: Image, present: NDArray[np.float32], severity: NDArray[np.float32],
        cells: NDArray[np.float32], boxes: NDArray[np.int16], rng: np.random.Generator,
        dose: Mapping[FindingName, float] | None = None,
    ) -> TrainingSample:  # fmt: skip
        """The package's own preprocessing; a few random crops represent the whole grid.

        ``dose`` holds the simulated defects if they tell the dose.
        """
        spec = self._spec
        small = working_image(sixteen_bits(image), spec.crops)
        displayed = displayed_range(small, spec.normalise)
        working = normalise(small, displayed, spec.normalise)
        origins = np.array(crop_origins(working.shape, spec.crops))
        chosen = origins[rng.permutation(len(origins))[: self._crops]]
        if len(chosen) < self._crops:
            chosen = np.concatenate([chosen, chosen[rng.integers(len(chosen), size=self._crops - len(chosen))]])
        chosen = chosen + rng.integers(-20, 21, chosen.shape)
        chosen = np.clip(chosen, 0, np.array(working.shape) - spec.crops.size_px)
        crops = cut_crops(working, [(int(y), int(x)) for y, x in chosen], spec.crops.size_px)
        header = dose_header(dose, rng) if dose is not None else None
        numbers = numbers_of(spec.numbers, displayed, header)[0]
        return TrainingSample(
            global_view(working, spec.global_view)[0], crops, present, severity, cells, boxes, numbers
        )


def draw_defects(rng: np.random.Generator) -> dict[FindingName, float]:
    """One defect (60 %), two (30 %) or three (10 %) with severities from 0.12 to 1; those hard to see more often."""
    count = int(rng.choice((1, 2, 3), p=(0.6, 0.3, 0.1)))
    weight = np.array([2.0 if defect in HARD_TO_SEE else 1.0 for defect in defect_names()])
    chosen = rng.choice(len(defect_names()), count, replace=False, p=weight / weight.sum())
    return {defect_names()[i]: float(rng.uniform(LEAST_SEVERITY, 1.0)) for i in chosen}


def _area(box: ObjectBox) -> float:
    x0, y0, x1, y1 = box.box
    return (x1 - x0) * (y1 - y0)


def _cells_of(box: tuple[float, float, float, float], side: int) -> tuple[slice, slice]:
    x0, y0, x1, y1 = box
    left, top = int(np.floor(x0 * side)), int(np.floor(y0 * side))
    return slice(top, max(int(np.ceil(y1 * side)), top + 1)), slice(left, max(int(np.ceil(x1 * side)), left + 1))
