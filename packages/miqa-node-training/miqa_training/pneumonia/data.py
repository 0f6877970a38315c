"""Radiographs labelled pneumonia or normal, split by patient and cached as pictures for the networks.

Children (Kermany et al.) and adults (NIH, some read again for RSNA) differ in age, hospital, view and processing. A
network that sees both can learn these differences instead of disease, so every sample has its population.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.observe.progress import counted
from miqa_node.dicom.pixels.picture import read_picture
from miqa_node.stages.assess.classify.learned import mark_of
from miqa_node.stages.assess.classify.picture import PictureInput, sized
from miqa_training.datasets import EVALUATION_HOSPITAL_URL
from miqa_training.patients import PatientPart, digest_of, part_of, table

LABELS = ("Normal", "Pneumonia")
NEGATIVE, POSITIVE = LABELS


class Population(StrEnum):
    """The origin of a radiograph: Kermany's children from Guangzhou, or NIH's patients, nearly all adults."""

    CHILDREN = "children"
    ADULTS = "adults"


@dataclass(frozen=True, slots=True)
class PneumoniaSample:
    """One radiograph. ``strong``: a radiologist's label, not one mined from a report."""

    path: Path
    patient: str
    population: Population
    pneumonia: bool
    strong: bool
    part: PatientPart
    age: str
    view: str
    licence: str
    source: str


def read_samples(folder: Path) -> list[PneumoniaSample]:
    """The samples of ``cxr_pneumonia/manifest.csv``, each with the part of its patient.

    Patients used to fit the quality network but not the networks of this package are used for calibration.
    """
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return [_sample(folder, row) for row in csv.DictReader(file)]


def _sample(folder: Path, row: dict[str, str]) -> PneumoniaSample:
    part = part_of(row["source_set"], row["patient"], set_aside=row["split"] == "val")
    return PneumoniaSample(
        path=(folder / row["file"]).resolve(),
        patient=row["patient"],
        population=Population.CHILDREN if row["source_set"] == "ker224" else Population.ADULTS,
        pneumonia=row["label"] == "pneumonia",
        strong=not row["label_strength"].startswith("weak"),
        part=PatientPart.CALIBRATE if part is PatientPart.TRAIN_QUALITY else part,
        age=row["age"],
        view=row["view"],
        licence=row["licence"],
        source=row["source_set"],
    )


def read_all(data: Path) -> list[PneumoniaSample]:
    """The samples of the collection and those of further hospitals; ``data`` is the folder of all collections."""
    return [*read_samples(data / "cxr_pneumonia"), *read_elsewhere(data)]


PNEUMONIA_ELSEWHERE = frozenset({"COVID-19", "Pneumocystis", "Pneumonia"})
NORMAL_ELSEWHERE = frozenset({"No finding", "No Finding", "normal"})
NIH, KERMANY = "nih", "ker"


def read_elsewhere(data: Path) -> list[PneumoniaSample]:
    """Adults of further hospitals in ``cxr_eval`` and ``cxr_train``, with the collections' labels.

    Most of the pneumonia labels are COVID-19 by a test of the patient: some of these radiographs show nothing. Few
    collections have both labels. Images that one collection took from another count once. Patients used to fit or
    calibrate the quality package are left out.
    """
    samples = []
    for folder in (folder for folder in (data / "cxr_eval", data / "cxr_train") if folder.is_dir()):
        with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
            samples += [_elsewhere(folder, row) for row in csv.DictReader(file) if _is_elsewhere(row)]
    return samples


def _is_elsewhere(row: dict[str, str]) -> bool:
    return (
        row["label"] in PNEUMONIA_ELSEWHERE | NORMAL_ELSEWHERE
        and not row["source_set"].startswith((NIH, KERMANY))
        and not (row["source_set"] == "cohen" and EVALUATION_HOSPITAL_URL in row["notes"])
        and table().get(digest_of(row["source_set"], row["patient"])) in {None, PatientPart.ELSEWHERE}
    )


def _elsewhere(folder: Path, row: dict[str, str]) -> PneumoniaSample:
    return PneumoniaSample(
        path=(folder / row["file"]).resolve(),
        patient=row["patient"],
        population=Population.ADULTS,
        pneumonia=row["label"] in PNEUMONIA_ELSEWHERE,
        strong=False,
        part=PatientPart.ELSEWHERE,
        age=row["age"],
        view=row["view"].removesuffix(" Supine"),
        licence=row["licence"],
        source=row["source_set"],
    )


def calibrates(sample: PneumoniaSample) -> bool:
    """Whether the sample is used for calibration.

    True if no network was trained on the patient, a radiologist gave the label, and the hospital has both labels. With
    a single label, a network may know the label from the hospital's look, and calibration would mistake that for skill.
    """
    return sample.part is PatientPart.CALIBRATE and sample.strong


def learned_marks(samples: Sequence[PneumoniaSample]) -> list[str]:
    """Marks of the images that networks or calibrations learned from; a site's certificate needs other patients."""
    learned = [one for one in samples if one.part in {PatientPart.TRAIN, PatientPart.CALIBRATE}]
    pictures = (read_picture(one.path, modality="DX", body_part="CHEST", view="")[1] for one in learned)
    return [mark_of(picture) for picture in pictures]


@dataclass(frozen=True, slots=True)
class BoxedImage:
    """A radiograph with radiologists' boxes of opacities, (x0, y0, x1, y1) as fractions of the image."""

    path: Path
    patient: str
    boxes: tuple[tuple[float, float, float, float], ...]


def read_boxes(folder: Path, kinds: Sequence[str] = ("Pneumonia", "Lung Opacity")) -> list[BoxedImage]:
    """The images of ``cxr_boxes/manifest.csv`` with a box of these kinds."""
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    drawn = []
    for row in rows:
        width, height = int(row["width"]), int(row["height"])
        boxes = tuple(
            (x / width, y / height, (x + w) / width, (y + h) / height)
            for x, y, w, h, kind, _ in json.loads(row["boxes"])
            if kind in kinds
        )
        if boxes:
            drawn.append(BoxedImage(folder / row["file"], row["patient"], boxes))
    return drawn


def read_display(path: Path) -> NDArray[np.uint16]:
    """A picture file as presentation values, (rows, columns)."""
    pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if pixels is None:
        raise FileNotFoundError(f"{path} is not a readable picture.")
    return np.asarray(pixels).astype(np.uint16) * np.uint16(257)


def cached_pictures(samples: Sequence[PneumoniaSample], spec: PictureInput, cache: Path) -> NDArray[np.uint8]:
    """All samples as the package's own preprocessing makes them, (N, rows, columns); kept under ``cache``."""
    key = hashlib.sha256(f"{spec.model_dump_json()}{[s.path.name for s in samples]}".encode()).hexdigest()[:16]
    file = cache / f"pneumonia-{key}.npy"
    if file.is_file():
        return np.asarray(np.load(file, mmap_mode="r"))
    pictures = np.stack([sized(read_display(sample.path), spec) for sample in counted(samples, "Reading images")])
    cache.mkdir(parents=True, exist_ok=True)
    np.save(file, pictures)
    return pictures
