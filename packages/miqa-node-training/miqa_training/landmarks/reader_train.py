"""Writes the landmark package whose rotation and cut lungs are calibrated on readers' grades."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from miqa_node.stages.assess.card import GRAPH_NAME, checked_card, read_sections
from miqa_node.stages.assess.landmarks.card import CLOSE_UP_GRAPH, LandmarkCard
from miqa_node.stages.assess.landmarks.estimate import LandmarkEstimate
from miqa_node.stages.assess.sidecars import LANDMARKS
from miqa_training.datasets import DatasetRecord, held_out, read_records
from miqa_training.landmarks.estimate import reader_of
from miqa_training.landmarks.evaluate import presentation
from miqa_training.landmarks.package import CUT_FINDINGS, copy_with_rules
from miqa_training.landmarks.points import LandmarkAnnotation, read_annotations
from miqa_training.landmarks.reader_figures import left_out_chances, operating_points, reader_figures
from miqa_training.landmarks.reader_rules import GradedImage, fit_cuts, fit_rotation
from miqa_training.landmarks.rotation_flags import rotation_flags

CLIPPED, ROTATION = "clipped_anatomy", "rotation"
RULE_LIMITS = (
    (
        "Rotation and cut lungs are what readers would call so; two readers agree on whether a patient is rotated in "
        "two of three images. Where clavicles and angles are hidden, the rest of the chest decides."
    ),
)


def add_reader_rules(start: Path, data_dir: Path, out: Path, version: str) -> Path:
    """Fit both rules and write the package ``start`` with them to ``out``; its folder.

    ``data_dir`` is the folder of all collections.
    """
    images = graded_images(start, data_dir)
    chances = left_out_chances(images)
    points = operating_points(chances)
    rules = {"patient_rotated": (fit_rotation(images), points.rotated)}
    rules |= dict.fromkeys(CUT_FINDINGS, (fit_cuts(images), points.cut))
    card = checked_card(LandmarkCard, read_sections(start), start.name)
    training: dict[str, Any] = {
        **card.training,
        "reader_rules": {
            "start": start.name,
            "images": len(images),
            "graded_rotation": sum(one.rotated is not None for one in images),
            "rotated": sum(one.rotated is True for one in images),
            "named_sides": sum(one.cut is not None for one in images),
            "cut": sum(bool(one.cut) or bool(one.clipped) for one in images),
            "command": f"miqa-node train positioning --start models/{start.name} --data DIR --out models "
            f"--version {version}",
        },
    }
    changes = {
        "version": version,
        "limits": list(dict.fromkeys((*card.limits, *RULE_LIMITS))),
        "training": training,
        "metrics": {
            **card.metrics,
            "reader_rules": reader_figures(chances, points),
            "rotation_flags": rotation_flags(chances),
        },
    }
    return copy_with_rules(start, out / f"{LANDMARKS}-{version}", rules, changes)


def graded_images(package: Path, data_dir: Path) -> list[GradedImage]:
    """The images of ``cxr_train`` and ``cxr_eval`` that readers graded, as the package's networks see them."""
    reader = reader_of(package / GRAPH_NAME, package / CLOSE_UP_GRAPH)
    images = []
    for folder, lines in (("cxr_train", "train.jsonl"), ("cxr_eval", "eval.jsonl")):
        records = read_records(data_dir / folder, data_dir / "annotations" / lines)
        drawn = {a.record.path.name: a for a in read_annotations(data_dir / "landmarks" / lines, records)}
        for record in records:
            annotation = drawn.get(record.path.name)
            if annotation is not None or record.grades:
                pixels = np.asarray(cv2.imread(str(record.path), cv2.IMREAD_GRAYSCALE), np.uint8)
                trained = folder == "cxr_train" and annotation is not None and not held_out(record)
                images.append(_graded(record, annotation, reader(presentation(pixels)), trained=trained))
    return images


def _graded(
    record: DatasetRecord, annotation: LandmarkAnnotation | None, estimate: LandmarkEstimate, *, trained: bool
) -> GradedImage:
    turned = [int(record.grades[ROTATION])] if record.grades else []
    return GradedImage(
        estimate,
        source=record.source,
        patient=record.patient,
        turned=max([*turned, *(annotation.grades[:1] if annotation else ())], default=None),
        seen=trained,
        rotated=annotation.grades[0] > 0 if annotation else None,
        cut=annotation.cut if annotation else None,
        clipped=int(record.grades[CLIPPED]) if record.grades else None,
    )
