"""Runs the object network on one image: findings with their evidence maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.taxonomy.lookup import reason_code
from miqa_node.libraries.plain_statistics.platt import expit
from miqa_node.stages.assess.classify.picture import PictureInput, normalised, place_in, resized, stretched
from miqa_node.stages.assess.landmarks.picture import stored_copy
from miqa_node.stages.assess.objects.card import LOGITS, MAPS, ObjectCard, ObjectFinding

Run = Callable[[NDArray[np.float32]], Mapping[str, NDArray[np.float32]]]
"""The graph on a prepared image (1, 1, rows, columns): its outputs by name."""
LARGE = 0.04
"""Share of the image that an object of severity 1 covers: a large pendant, a zip. A snap has a fifth of it."""
SEEN_FROM = 0.5
"""Evidence from which a cell counts as covered."""


@dataclass(frozen=True, slots=True)
class ObjectEvidence:
    """A finding and its map: probabilities (rows, columns) of the source image's cells."""

    finding: Finding
    map: NDArray[np.float32]


class ObjectNetwork:
    """One package's graph with its card."""

    def __init__(self, run: Run, card: ObjectCard) -> None:
        self._run, self._card = run, card

    def __call__(self, display: NDArray[np.uint16], valid: NDArray[np.bool_] | None = None) -> list[ObjectEvidence]:
        """Findings of presentation values (rows, columns); padding (``valid`` is False) is black to the network."""
        small, mask = stored_copy(display, valid)
        return self.evidence(stretched(small, self._card.picture.stretch, mask))

    def evidence(self, values: NDArray[np.float32]) -> list[ObjectEvidence]:
        """Findings of a stretched copy, 0 to 1, (rows, columns)."""
        picture = self._card.picture
        outputs = self._run(normalised(resized(values, picture), picture))
        maps = np.stack([of_source(one, values.shape, picture) for one in outputs[MAPS][0]])
        return [
            _evidence(row, float(logit), maps)
            for row, logit in zip(self._card.findings, outputs[LOGITS][0], strict=True)
        ]


def of_source(values: NDArray[np.float32], shape: tuple[int, ...], picture: PictureInput) -> NDArray[np.float32]:
    """The cells of a map over the input that lie on the source image."""
    top, left, rows, columns = place_in(shape, picture)
    down, across = values.shape[0] / picture.rows, values.shape[1] / picture.columns
    first, last = round(top * down), max(round(top * down) + 1, round((top + rows) * down))
    begin, end = round(left * across), max(round(left * across) + 1, round((left + columns) * across))
    return np.ascontiguousarray(values[first:last, begin:end])


def _evidence(row: ObjectFinding, logit: float, maps: NDArray[np.float32]) -> ObjectEvidence:
    weights = np.array(row.evidence, np.float32)[:, None, None]
    shown = np.asarray((maps * weights).max(0), np.float32)
    covered = float((maps[weights[:, 0, 0] > 0].max(0) >= SEEN_FROM).mean())
    name = FindingName(row.name)
    probability = expit((logit + row.bias) / row.temperature)
    severity = min(1.0, (covered / LARGE) ** 0.5)
    finding = Finding(name, reason_code(name), float(probability), severity, row.threshold)
    return ObjectEvidence(finding, shown)


def smoothed(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The map with the noise of single cells removed; beyond its edges there is nothing, or peaks would move there."""
    return np.asarray(cv2.GaussianBlur(values, (0, 0), 1.0, borderType=cv2.BORDER_CONSTANT), np.float32)
