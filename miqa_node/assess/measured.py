"""Feeds packages that judge measurements instead of pixels, and says what each measurement did to the judgement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from miqa_node.assess.card import MeasuredInput
from miqa_node.assess.measure.projection import measure
from miqa_node.domain.assessment import Contribution, Measurement
from miqa_node.domain.image import Radiograph
from miqa_node.domain.instance import Header, SeriesInstanceUid, SopInstanceUid, StudyInstanceUid

INPUT = "measurements"
"""The graph's input, shape (1, F), in the order of the card."""
CONTRIBUTIONS = "contributions"
"""The graph's output, shape (1, C, F): logit of class c = its bias + the sum over its row."""
PICTURE_HEADER = Header(
    sop_class_uid="1.2.840.10008.5.1.4.1.1.7",
    sop_instance_uid=SopInstanceUid("2.25.1"),
    series_instance_uid=SeriesInstanceUid("2.25.2"),
    study_instance_uid=StudyInstanceUid("2.25.3"),
    transfer_syntax_uid="1.2.840.10008.1.2.1",
    modality="DX",
    body_part_examined="CHEST",
    view_position="PA",
)
"""What a golden and an image of training say of themselves: a frontal chest without spacing and exposure index."""


def measure_picture(display: NDArray[np.uint16]) -> tuple[Measurement, ...]:
    """The measurements of display pixels, (rows, columns), taken at 8 bits without a header, as in training."""
    picture = (display >> 8).astype(np.uint8)
    whole = picture.astype(np.uint16) * np.uint16(257)
    return measure(Radiograph(stored=picture, display=whole, stored_range=(0, 255), spacing_mm=None), PICTURE_HEADER)


def measurement_vector(measurements: Iterable[Measurement], names: Sequence[str]) -> NDArray[np.float32]:
    """The named measurements in order, NaN where one could not be taken."""
    taken: Mapping[str, float] = {m.name: m.value for m in measurements}
    return np.array([taken.get(name, np.nan) for name in names], np.float32)


def inputs_of(measurements: Iterable[Measurement], wanted: Sequence[MeasuredInput]) -> dict[str, NDArray[np.float32]]:
    """The graph's input; what could not be measured has the value that the card gives for it."""
    row = measurement_vector(measurements, [one.name for one in wanted])
    usual = np.array([one.imputed for one in wanted], np.float32)
    return {INPUT: np.where(np.isnan(row), usual, row)[None]}


def contributions_of(
    parts: NDArray[np.float32], measurements: Iterable[Measurement], wanted: Sequence[MeasuredInput]
) -> tuple[Contribution, ...]:
    """The parts, shape (F,), of one finding's logit by measurement, the strongest first."""
    taken = {m.name: m for m in measurements}
    found = []
    for part, one in zip(parts, wanted, strict=True):
        measurement = taken.get(one.name)
        value, unit = (measurement.value, measurement.unit) if measurement else (None, "")
        found.append(Contribution(one.name, value, unit, float(part)))
    return tuple(sorted(found, key=lambda c: -abs(c.part)))
