"""The contract of packages that judge measurements instead of pixels, and report the contribution of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Contribution, Measurement
from miqa_node.core.domain.image import Radiograph
from miqa_node.stages.assess.card import Card, MeasuredInput
from miqa_node.stages.assess.contracts.base import (
    CONTRIBUTIONS,
    LOGITS,
    SEVERITY,
    Array,
    Arrays,
    Contract,
    ModelMaterial,
)
from miqa_node.stages.assess.goldens import golden_radiograph
from miqa_node.stages.measure.projection import measure
from miqa_node.stages.measure.view import PICTURE_HEADER

INPUT = "measurements"
"""The graph's input, shape (1, F), in the order of the card."""


@dataclass(frozen=True, slots=True)
class MeasuredInputs:
    """One row of numbers; it allows no map."""

    arrays: Arrays

    def to_source(self, values: Array) -> Array:
        """Unchanged."""
        return values


class Measurements(Contract):
    """Input ``measurements`` (1, F) in the order of the card's ``measurements``.

    Outputs: ``logits`` and ``severity`` (1, C), and ``contributions`` (1, C, F): the logit of class c is its bias plus
    the sum over row c.
    """

    name = "measurements"

    def tensors(self, card: Card) -> tuple[Sequence[str], Sequence[str]]:  # noqa: ARG002 - always the same
        """See the class."""
        return (INPUT,), (LOGITS, SEVERITY, CONTRIBUTIONS)

    def prepare(self, card: Card, material: ModelMaterial) -> MeasuredInputs:
        """Missing measurements get the card's imputed value."""
        return MeasuredInputs(inputs_of(material.measurements, card.measurements))

    def golden(self, card: Card, data: bytes) -> ModelMaterial:
        """A grayscale PNG of presentation values, measured here."""
        return ModelMaterial(measurements=measure_picture(golden_radiograph(card.label, data).display))


MEASUREMENTS = Measurements()


def measure_picture(display: NDArray[np.uint16]) -> tuple[Measurement, ...]:
    """The measurements of display pixels, (rows, columns), at 8 bits and without a header, as in training."""
    picture = (display >> 8).astype(np.uint8)
    whole = picture.astype(np.uint16) * np.uint16(257)
    return measure(Radiograph(stored=picture, display=whole, stored_range=(0, 255), spacing_mm=None), PICTURE_HEADER)


def measurement_vector(measurements: Iterable[Measurement], names: Sequence[str]) -> NDArray[np.float32]:
    """The named measurements in order, NaN where one could not be taken."""
    values: Mapping[str, float] = {m.name: m.value for m in measurements}
    return np.array([values.get(name, np.nan) for name in names], np.float32)


def inputs_of(measurements: Iterable[Measurement], inputs: Sequence[MeasuredInput]) -> dict[str, NDArray[np.float32]]:
    """The graph's input; a missing measurement has the card's imputed value."""
    row = measurement_vector(measurements, [one.name for one in inputs])
    usual = np.array([one.imputed for one in inputs], np.float32)
    return {INPUT: np.where(np.isnan(row), usual, row)[None]}


def contributions_of(
    parts: NDArray[np.float32], measurements: Iterable[Measurement], inputs: Sequence[MeasuredInput]
) -> tuple[Contribution, ...]:
    """Contributions of the measurements, shape (F,), to one finding's logit, the strongest first."""
    by_name = {m.name: m for m in measurements}
    rows = []
    for part, one in zip(parts, inputs, strict=True):
        measurement = by_name.get(one.name)
        value, unit = (measurement.value, measurement.unit) if measurement else (None, "")
        rows.append(Contribution(one.name, value, unit, float(part)))
    return tuple(sorted(rows, key=lambda c: -abs(c.part)))
