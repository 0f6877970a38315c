"""The radiographs that the demonstration's modality takes: two real ones, and one of them with simulated defects."""

from __future__ import annotations

import numpy as np

from miqa_node.core.domain.finding import FindingName
from miqa_selftest.radiographs import (
    CHEST_PITCH_MM,
    Image,
    SampleImage,
    SimulatedDefect,
    make_radiographs,
)
from miqa_training.degrade import degrade, gate

_SEED = 20261


def _defect(
    finding: FindingName, title: str, accession_number: str, severity: float, seed: int = _SEED
) -> SimulatedDefect:
    def make(image: Image) -> Image:
        return degrade(image, finding, severity, np.random.default_rng(seed), CHEST_PITCH_MM)

    return SimulatedDefect(finding, title, accession_number, severity, make)


DEFECTS = (
    # An example that the model detects; its card states the motion that it misses (some directions, double outlines).
    _defect(FindingName.MOTION_BLUR, "4 mm of motion", "SIM-MOTION", 1.0, seed=0),
    _defect(FindingName.FOREIGN_OBJECT, "objects on the chest", "SIM-OBJECT", 1.0, seed=5),
    _defect(FindingName.NOISE, "1/16 of the dose", "SIM-DOSE", 1.0),
    _defect(FindingName.CLIPPED_ANATOMY, "lungs cut off by 30 mm", "SIM-CLIPPED", 1.0),
    SimulatedDefect(FindingName.GATE, "grey scale inverted", "SIM-INVERTED", 1.0, gate.inverted),
)


def make_samples() -> list[SampleImage]:
    """All samples, the real ones first; SettingsError if the package pydicom-data is not installed."""
    return make_radiographs(DEFECTS)
