"""Checks two shortcuts of a network: simulated pictures may lack rounding to 8 bits, or their original grain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import cv2
import numpy as np

from miqa_node.core.domain.finding import FindingName
from miqa_training.datasets import DatasetRecord
from miqa_training.degrade import Image
from miqa_training.degrade.grain import noise_deviation
from miqa_training.degrade.physics import clip
from miqa_training.graph import ImageJudge
from miqa_training.samples import COLUMN
from miqa_training.scores import JudgedCase, auroc, judge, other_record, read_image, rounded, simulate

BLUR = (FindingName.MOTION_BLUR, FindingName.UNSHARP)
LEVELS = (0.5, 0.75, 1.0)


def grain_figures(
    graph: ImageJudge, records: Sequence[DatasetRecord], clean: Sequence[JudgedCase],
    findings: Sequence[FindingName], seed: int = 23,
) -> dict[str, Any]:  # fmt: skip
    """AUROC (severity .5 and more, against unchanged images) of the same pictures with different rounding and grain.

    ``rounded`` to 8 bits, as evaluations judge them, and not; for blur also ``own_grain``: the picture's grain is
    extracted with another filter than the simulator's (non-local means) and added to the blurred picture.
    """
    scores: dict[str, dict[str, list[float]]] = {}
    for number, record in enumerate(records):
        image = read_image(record)
        other = read_image(other_record(records, number))
        calm = _denoised(image)
        for place, finding in enumerate(findings):
            origin, level = (seed, number, place, 0), LEVELS[(number + place) % len(LEVELS)]
            made = simulate(image, other, finding, level, origin)
            ways = {"rounded": rounded(made), "not_rounded": made}
            if finding in BLUR:
                ways["own_grain"] = rounded(clip(simulate(calm, other, finding, level, origin) + (image - calm)))
            for way, picture in ways.items():
                logit = judge(graph, record, picture, exact=True).logits[COLUMN[finding]]
                scores.setdefault(str(finding), {}).setdefault(way, []).append(float(logit))
    rows: dict[str, Any] = {}
    for name, by_way in scores.items():
        negative = np.array([case.logits[COLUMN[name]] for case in clean], np.float64)
        rows[name] = {way: round(auroc(np.array(values), negative), 3) for way, values in by_way.items()}
    return {
        "largest_change_by_rounding": _largest(rows, "not_rounded"),
        "largest_change_by_own_grain": _largest(rows, "own_grain"),
        "findings": rows,
    }


def _denoised(image: Image) -> Image:
    """Non-local means (Buades et al., CVPR 2005), with the standard deviation of the picture's noise."""
    pixels = np.rint(image * 255).astype(np.uint8)
    strength = max(1.0, 1.2 * 255 * noise_deviation(image))
    return cast("Image", cv2.fastNlMeansDenoising(pixels, None, strength, 5, 11).astype(np.float32) / np.float32(255))


def _largest(rows: dict[str, Any], way: str) -> float:
    return round(max([abs(float(row[way]) - float(row["rounded"])) for row in rows.values() if way in row]), 3)
