"""Simulators of every quality defect, in physical units: the source of bad images for training and the demonstration.

``degrade(image, finding, severity, rng, pixel_pitch_mm)`` is the entry point. Images are float32 display values in
[0, 1], 0 black, of shape (rows, columns). Severity in [0, 1] is continuous; each simulator states the physical values
for 0.25, 0.5, 0.75 and 1. The same generator state gives the same image; only numpy and OpenCV are needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pkgutil import resolve_name

import numpy as np

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.taxonomy.lookup import finding_entries
from miqa_node.dicom.pixels.pitch import pitch_of
from miqa_node.errors import SettingsError
from miqa_training.degrade import gate
from miqa_training.degrade.foreign_object import FAMILIES
from miqa_training.degrade.physics import DonorMaterial, Image, Simulator

__all__ = ["FAMILIES", "DonorMaterial", "Image", "degrade", "gate", "pitch_of", "simulators"]


def degrade(
    image: Image,
    finding: FindingName,
    severity: float,
    rng: np.random.Generator,
    pixel_pitch_mm: float,
    material: DonorMaterial | None = None,
) -> Image:
    """The image with one defect; severity 0 returns a copy.

    ``pixel_pitch_mm`` converts millimetres to pixels; use ``pitch_of(image)`` if the pitch is unknown. ValueError for a
    severity outside [0, 1], a pitch that is not positive, or a finding without a simulator (the gate).
    """
    if not 0.0 <= severity <= 1.0:
        msg = f"severity must lie in [0, 1], not {severity}"
        raise ValueError(msg)
    if pixel_pitch_mm <= 0.0:
        msg = f"the pixel pitch must be positive, not {pixel_pitch_mm} mm"
        raise ValueError(msg)
    simulator = simulators().get(finding)
    if simulator is None:
        msg = f"no simulator makes {finding}; the gate's images come from degrade.gate"
        raise ValueError(msg)
    if severity == 0.0:
        return image.copy()
    return simulator.apply(image, severity, rng, pixel_pitch_mm, material or DonorMaterial())


@cache
def simulators() -> Mapping[FindingName, Simulator]:
    """The simulator of each finding in the taxonomy, in the order in which defects affect an image.

    SettingsError names an entry whose ``simulator`` cannot be loaded.
    """
    loaded = {name: _load(name, entry.simulator) for name, entry in finding_entries().items() if entry.simulator}
    return dict(sorted(loaded.items(), key=lambda item: item[1].order))


def _load(name: FindingName, reference: str) -> Simulator:
    try:
        simulator = resolve_name(reference)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(f"The simulator {reference} of {name} cannot be loaded: {error}") from error
    if not isinstance(simulator, Simulator):
        raise SettingsError(f"{reference}, the simulator of {name}, is not a Simulator.")
    return simulator
