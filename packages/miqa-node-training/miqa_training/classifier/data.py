"""Reads the images for a classifier from one folder per label or a CSV, and splits them by patient and seed.

A CSV has the columns ``file`` (relative to the CSV) and ``label``, and optionally ``patient`` and ``split`` (train,
validate or test). Where no patient is stated, DICOM files are split by Patient ID and its issuer. Files with the same
bytes stay in one part, with all images of the patients who have them, so neither an image nor a patient is in training
and test.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.observe.progress import counted
from miqa_node.core.settings import load_settings
from miqa_node.dicom.pixels.picture import is_picture, read_picture
from miqa_node.errors import DecodeError, SettingsError, UnreadableError
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.assess.classify.labelled import LabelledFile, read_labelled
from miqa_node.stages.assess.classify.learned import mark_of
from miqa_node.stages.assess.classify.picture import PictureInput, looked_at, sized

VALIDATE_SHARE = 0.2
"""Share of the patients for choosing threshold and temperature."""
TEST_SHARE = 0.2
"""Share of the patients for the figures; nothing is chosen on them."""
MOST_IMAGES = 200_000
LEAST_IMAGES = 12
"""Minimum number of images per label: fewer leave nothing to calibrate or test with."""
COLOUR_SAMPLE = 64
"""Number of images examined to decide whether a data set has colour."""
COLOUR_DIFFERENCE = 0.02
"""Minimum mean difference of the channels, as a share of the range, for a picture to count as coloured."""


class ClassifierPart(StrEnum):
    """What an image is used for."""

    TRAIN = "train"
    VALIDATE = "validate"
    TEST = "test"


PART_WORDS = {
    "train": ClassifierPart.TRAIN,
    **dict.fromkeys(("val", "valid", "validation", "validate"), ClassifierPart.VALIDATE),
    "test": ClassifierPart.TEST,
}


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One labelled image. Images with the same ``patient`` stay in one part."""

    path: Path
    label: str
    patient: str
    part: ClassifierPart | None = None


def read_examples(source: Path, seed: int) -> list[LabelledImage]:
    """The images of a folder with one subfolder per label, or of a CSV, each with its part.

    Raises
    ------
    ValueError
        A column or file is missing, there are too few images or labels; the text says what to do.
    """
    examples = _read(source)
    if len(examples) > MOST_IMAGES:
        raise ValueError(
            f"There are {len(examples)} images; {MOST_IMAGES} is the limit. Give a CSV with a part of them."
        )
    counts = Counter(example.label for example in examples)
    if len(counts) < 2:
        raise ValueError(
            f"{source.name} has images of {'one label' if counts else 'no label'}; two or more are needed: one folder "
            "for each with its images in it, or a CSV with the columns file and label."
        )
    if few := [f"{label} ({count})" for label, count in sorted(counts.items()) if count < LEAST_IMAGES]:
        raise ValueError(f"Too few images of {', '.join(few)}; {LEAST_IMAGES} of each label are the least.")
    grouped = _same_bytes_together(examples)
    has_part = [example.part is not None for example in grouped]
    if any(has_part) and not all(has_part):
        raise ValueError("The column split must be filled for every image, or for none.")
    parted = grouped if all(has_part) else _split(grouped, seed)
    _check_parts(parted)
    return parted


def labels_of(examples: Sequence[LabelledImage]) -> list[str]:
    """The labels in the order of the network's logit columns."""
    return sorted({example.label for example in examples})


class PixelReader:
    """Reads image files as presentation values: PNG, JPEG and DICOM, gray or colour. Close it."""

    def __init__(self) -> None:
        self._pool = WorkerPool(load_settings())
        self.marks: dict[Path, str] = {}
        """The mark of each image that was prepared."""

    def read(self, path: Path) -> Radiograph:
        """Gray presentation values, and the colours if there are any; DecodeError names a file that is unreadable."""
        try:
            if is_picture(path):
                return read_picture(path, modality="OT", body_part="", view="")[1]
            return self._pool.decode(path)
        except UnreadableError as error:
            raise DecodeError(f"{path}: {error}") from error

    def have_colour(self, examples: Sequence[LabelledImage]) -> bool:
        """Whether any of the first images has colours other than gray."""
        step = max(1, len(examples) // COLOUR_SAMPLE)
        return any(_is_coloured(self.read(example.path)) for example in examples[::step])

    def prepared(self, examples: Sequence[LabelledImage], spec: PictureInput) -> NDArray[np.uint8]:
        """All images as the package's own preprocessing sizes them, (N, rows, columns) or (N, rows, columns, 3)."""
        shape = (len(examples), spec.rows, spec.columns, *((3,) if spec.colour else ()))
        made = np.zeros(shape, np.uint8)
        for number, example in enumerate(counted(examples, "Reading images")):
            radiograph = self.read(example.path)
            self.marks[example.path] = mark_of(radiograph)
            small = sized(looked_at(radiograph, spec), spec)
            made[number] = small[..., None] if spec.colour and small.ndim == 2 else small
        return made

    def close(self) -> None:
        """End the decoding processes."""
        self._pool.close()


def _read(source: Path) -> list[LabelledImage]:
    try:
        return [_with_part(one) for one in read_labelled(source)]
    except SettingsError as error:
        raise ValueError(str(error)) from error


def _with_part(one: LabelledFile) -> LabelledImage:
    word = one.columns.get("split", "").lower()
    if word and word not in PART_WORDS:
        raise ValueError(f"{one.place}: the split is {word!r}; train, validate and test are known.")
    return LabelledImage(one.path, one.label, one.patient, PART_WORDS.get(word))


def _same_bytes_together(examples: Sequence[LabelledImage]) -> list[LabelledImage]:
    """The examples, each with a patient; patients who have a file with the same bytes are one."""
    firsts: dict[str, LabelledImage] = {}
    same: dict[str, str] = {}
    named = []

    def whole(patient: str) -> str:
        while patient in same:
            patient = same[patient]
        return patient

    for number, example in enumerate(counted(examples, "Reading images")):
        digest = hashlib.sha256(example.path.read_bytes()).hexdigest()
        own = replace(example, patient=example.patient or f"file {number}")
        first = firsts.setdefault(digest, own)
        if example.label != first.label:
            raise ValueError(
                f"{first.path} and {example.path} are the same image with the labels {first.label} and "
                f"{example.label}; leave one of them out."
            )
        if (one := whole(own.patient)) != (other := whole(first.patient)):
            same[one] = other
        named.append(own)
    return [replace(example, patient=whole(example.patient)) for example in named]


def _split(examples: Sequence[LabelledImage], seed: int) -> list[LabelledImage]:
    """Assign patients to parts label by label, so that each part has its share of every label."""
    rng = np.random.default_rng(seed)
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for example in examples:
        labels[example.patient][example.label] += 1
    part_of: dict[str, ClassifierPart] = {}
    by_label: dict[str, list[str]] = defaultdict(list)
    for patient in sorted(labels):
        rarest = min(labels[patient], key=lambda name: (sum(c[name] > 0 for c in labels.values()), name))
        by_label[rarest].append(patient)
    for label in sorted(by_label):
        patients = by_label[label]
        order = [patients[i] for i in rng.permutation(len(patients))]
        test = max(1, round(TEST_SHARE * len(order)))
        validate = max(1, round(VALIDATE_SHARE * len(order)))
        for number, patient in enumerate(order):
            held = (
                ClassifierPart.TEST
                if number < test
                else ClassifierPart.VALIDATE
                if number < test + validate
                else ClassifierPart.TRAIN
            )
            part_of[patient] = held
    return [replace(example, part=part_of[example.patient]) for example in examples]


def _check_parts(examples: Sequence[LabelledImage]) -> None:
    for part in ClassifierPart:
        present = {example.label for example in examples if example.part is part}
        if missing := sorted({example.label for example in examples} - present):
            raise ValueError(
                f"The {part.value} part has no image of {', '.join(missing)}: there are too few patients, or the "
                "column split leaves it out."
            )
    shared: dict[str, set[ClassifierPart]] = defaultdict(set)
    for example in examples:
        if example.part is not None:
            shared[example.patient].add(example.part)
    if twice := sum(len(parts) > 1 for parts in shared.values()):
        raise ValueError(f"{twice} patients (or identical files) are in more than one part; correct the column split.")


def _is_coloured(radiograph: Radiograph) -> bool:
    if radiograph.colour is None:
        return False
    small = radiograph.colour[:: max(1, radiograph.shape[0] // 64), :: max(1, radiograph.shape[1] // 64)].astype(float)
    return float(np.ptp(small, axis=2).mean()) / 65535.0 > COLOUR_DIFFERENCE
