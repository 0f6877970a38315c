"""Figures of a network that is given exposure indices: with a header that fits the simulated dose, and without one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.instance import Header
from miqa_training.datasets import DatasetRecord
from miqa_training.degrade import Image
from miqa_training.dose import dose_header
from miqa_training.graph import QualityGraph
from miqa_training.samples import COLUMN
from miqa_training.scores import auroc, eight_bits, other_record, read_image, simulate

FINDINGS = (FindingName.NOISE, FindingName.UNDEREXPOSURE, FindingName.OVEREXPOSURE_SATURATION)
LEVELS = (0.5, 0.75, 1.0)


def dose_figures(graph: QualityGraph, records: Sequence[DatasetRecord], seed: int = 29) -> dict[str, dict[str, float]]:
    """AUROC (severity .5 and more, against unchanged images) without a header and with a simulated one, by finding."""
    return {str(finding): _figures(graph, records, finding, (seed, place)) for place, finding in enumerate(FINDINGS)}


def _figures(
    graph: QualityGraph, records: Sequence[DatasetRecord], finding: FindingName, seed: tuple[int, int]
) -> dict[str, float]:
    pixels: tuple[list[float], list[float]] = ([], [])
    indices: tuple[list[float], list[float]] = ([], [])
    for number, record in enumerate(records):
        image, level = read_image(record), LEVELS[number % len(LEVELS)]
        other = read_image(other_record(records, number))
        made = simulate(image, other, finding, level, (*seed, number))
        for changed, picture in enumerate((image, made)):
            header = _header(finding, level * changed, (*seed, number, changed))
            for scores, of_dose in ((pixels, None), (indices, header)):
                scores[changed].append(_logit(graph, picture, of_dose, finding))
    return {
        way: round(auroc(np.array(positive), np.array(negative)), 3)
        for way, (negative, positive) in (("without_header", pixels), ("with_header", indices))
    }


def _header(finding: FindingName, severity: float, seed: tuple[int, ...]) -> Header:
    rng = np.random.default_rng(seed)
    header = None
    while header is None:
        header = dose_header({finding: severity}, rng)
    return header


def _logit(graph: QualityGraph, picture: Image, header: Header | None, finding: FindingName) -> float:
    return float(graph(eight_bits(picture), header).logits[COLUMN[finding]])
