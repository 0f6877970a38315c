"""The package under evaluation, run as in the node, on images from any source; needs no torch."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header
from miqa_node.core.settings import Accelerator, AssessSettings, load_settings
from miqa_node.libraries.plain_statistics.platt import sigmoid
from miqa_node.stages.assess.contracts.base import CONTRIBUTIONS, ModelMaterial
from miqa_node.stages.assess.contracts.measurements import inputs_of, measure_picture
from miqa_node.stages.assess.packages import Package, open_package
from miqa_node.stages.measure.projection import measure
from miqa_training.graph import GraphPrediction
from miqa_training.samples import CLASSES

ABSENT_LOGIT = -30.0
"""Logit of a class that the package does not have: practically never."""
TIMED_SIDE_PX, TIMED_ROUNDS = 2048, 5


@dataclass(frozen=True, slots=True)
class CardScales:
    """Calibration and operating points of the card, by column of CLASSES."""

    temperature: NDArray[np.float64]
    bias: NDArray[np.float64]
    threshold: NDArray[np.float64]

    def probability(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Calibrated probabilities of logits (…, C)."""
        shifted = (np.asarray(logits, np.float64) + self.bias) / self.temperature
        return sigmoid(shifted)


class EvaluationSubject:
    """A checked package as a :class:`~miqa_training.graph.ImageJudge`, columns in the order of CLASSES."""

    def __init__(self, folder: Path, settings: AssessSettings | None = None) -> None:
        """Open and check the package, goldens included; raise ModelPackageError with the reason if it is unusable."""
        self._settings = settings or load_settings().assess
        self.package: Package = open_package(folder, Accelerator.CPU, self._settings, goldens_required=False)
        names = [row.name for row in self.package.card.outputs.classes]
        self.known = [name for name in CLASSES if name in names]
        self._from = np.array([names.index(name) for name in self.known], int)
        self._to = np.array([CLASSES.index(name) for name in self.known], int)

    def __call__(self, display: NDArray[np.uint16]) -> GraphPrediction:
        """Judge display pixels of a frontal chest without a header."""
        if self.package.judges_measurements:
            return self._read(self._of_measurements(measure_picture(display)))
        return self._of_pixels(ModelMaterial(Radiograph(display, display, (0, 65535), None)))

    def judge_file(self, header: Header, radiograph: Radiograph) -> GraphPrediction:
        """Judge a decoded file with what its header says, as the node does."""
        if self.package.judges_measurements:
            return self._read(self._of_measurements(measure(radiograph, header)))
        return self._of_pixels(ModelMaterial(radiograph, header=header))

    @property
    def scales(self) -> CardScales:
        """The card's scales for the logits."""
        rows = self.package.card.outputs.classes
        scales = CardScales(np.ones(len(CLASSES)), np.zeros(len(CLASSES)), np.full(len(CLASSES), 2.0))
        for source, target in zip(self._from, self._to, strict=True):
            row = rows[source]
            scales.temperature[target], scales.bias[target] = row.temperature, row.bias
            scales.threshold[target] = row.threshold
        return scales

    def column(self, name: str) -> int:
        """The package's own column of a class."""
        return [row.name for row in self.package.card.outputs.classes].index(name)

    def strongest(self, display: NDArray[np.uint16], name: str, count: int = 3) -> list[tuple[str, float]]:
        """For a package of measurements: those with the largest contributions to the logit of a class."""
        outputs = self._of_measurements(measure_picture(display))
        parts = outputs[CONTRIBUTIONS][0, self.column(name)]
        names = [one.name for one in self.package.card.measurements]
        order = np.argsort(-np.abs(parts))[:count]
        return [(names[i], float(parts[i])) for i in order]

    def milliseconds(self) -> float:
        """Median time for a 2048 × 2048 image from display pixels to outputs, with the settings' number of threads."""
        display = np.random.default_rng(0).integers(0, 65536, (TIMED_SIDE_PX, TIMED_SIDE_PX)).astype(np.uint16)
        times = []
        for _ in range(TIMED_ROUNDS):
            started = time.perf_counter()
            self(display)
            times.append(time.perf_counter() - started)
        return float(np.median(times)) * 1e3

    def _of_measurements(self, measurements: tuple[Measurement, ...]) -> dict[str, NDArray[np.float32]]:
        return self.package.run(inputs_of(measurements, self.package.card.measurements))

    def _of_pixels(self, material: ModelMaterial) -> GraphPrediction:
        return self._read(self.package.run(self.package.contract.prepare(self.package.card, material).arrays))

    def _read(self, outputs: dict[str, NDArray[np.float32]]) -> GraphPrediction:
        logits = np.full(len(CLASSES), ABSENT_LOGIT, np.float32)
        severity = np.zeros(len(CLASSES), np.float32)
        logits[self._to] = outputs["logits"][0, self._from]
        severity[self._to] = outputs["severity"][0, self._from]
        maps = np.zeros((len(CLASSES), 1, 1), np.float32)
        if "maps" in outputs:
            own = outputs["maps"][0]
            maps = np.zeros((len(CLASSES), *own.shape[1:]), np.float32)
            maps[self._to] = own[self._from]
        return GraphPrediction(logits, severity, maps)
