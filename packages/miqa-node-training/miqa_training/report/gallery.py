"""The worst errors of a package as pictures: clearest misses, strongest false alarms, and reasons."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.taxonomy.lookup import defect_names
from miqa_node.stages.explain.methods import normalised
from miqa_training.degrade import Image
from miqa_training.report import measures
from miqa_training.report.material import EvaluationMaterial
from miqa_training.report.subject import EvaluationSubject
from miqa_training.samples import COLUMN
from miqa_training.scores import JudgedCase

SIDE_PX = 300
JPEG_QUALITY = 80
MAP_SHARE = 0.55
"""Opacity of the map at its peak."""


@dataclass(frozen=True, slots=True)
class GalleryError:
    """One error: pictures as data URIs; ``overlay`` is empty for packages without maps, ``reasons`` for those with."""

    finding: str
    kind: str
    probability: float
    threshold: float
    level: float
    name: str
    picture: str
    overlay: str
    reasons: list[tuple[str, float]]


def worst_errors(subject: EvaluationSubject, material: EvaluationMaterial, count: int) -> list[GalleryError]:
    """``count`` misses of marked severity and ``count`` false alarms of each finding, the worst first."""
    scales, shown = subject.scales, []
    for finding in defect_names():
        if finding not in subject.known:
            continue
        column = COLUMN[finding]
        missed = sorted(measures.positives(material.judged, finding), key=lambda c: float(c.logits[column]))
        alarms = sorted(measures.negatives(material.judged, finding), key=lambda c: -float(c.logits[column]))
        for kind, cases in (("missed", missed), ("false alarm", alarms)):
            for case in cases[:count]:
                probability = float(scales.probability(case.logits)[column])
                if (probability >= scales.threshold[column]) == (kind == "false alarm"):
                    shown.append(_show(subject, material, case, finding, kind, probability))
    return shown


def _show(
    subject: EvaluationSubject,
    material: EvaluationMaterial,
    case: JudgedCase,
    finding: FindingName,
    kind: str,
    probability: float,
) -> GalleryError:
    image = material.image(case)
    display = np.rint(image * np.float32(65535)).astype(np.uint16)
    overlay, reasons = "", []
    if subject.package.judges_measurements:
        reasons = subject.strongest(display, finding)
    else:
        overlay = picture_uri(_overlay(image, normalised(subject(display).maps[COLUMN[finding]])))
    return GalleryError(
        finding=finding,
        kind=kind,
        probability=probability,
        threshold=float(subject.scales.threshold[COLUMN[finding]]),
        level=case.level,
        name=case.record.path.name,
        picture=picture_uri(_grey(image)),
        overlay=overlay,
        reasons=reasons,
    )


def _grey(image: Image) -> NDArray[np.uint8]:
    scale = SIDE_PX / max(image.shape)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return np.asarray(np.clip(np.rint(np.asarray(small) * 255), 0, 255), np.uint8)


def _overlay(image: Image, values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The picture in BGR with the map as a colour overlay."""
    grey = _grey(image)
    fine = cv2.resize(values, grey.shape[::-1], interpolation=cv2.INTER_LINEAR)
    heat = cv2.applyColorMap(np.rint(np.clip(fine, 0, 1) * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    share = (MAP_SHARE * np.clip(fine, 0, 1))[..., None]
    return np.asarray(np.rint(grey[..., None] * (1 - share) + heat * share), np.uint8)


def picture_uri(pixels: NDArray[np.uint8]) -> str:
    """A gray or BGR picture as a data URI."""
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
