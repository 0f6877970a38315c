"""The contract of packages that judge a CT or MR series: its measurements, its voxels, or both."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Annotated

import cv2
import numpy as np
from pydantic import Field, model_validator

from miqa_node.core.domain.assessment import Measurement
from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.card import Card
from miqa_node.stages.assess.contracts.base import (
    CONTRIBUTIONS,
    LOGITS,
    SEVERITY,
    Array,
    Arrays,
    Contract,
    ModelMaterial,
    probabilities,
)
from miqa_node.stages.assess.contracts.measurements import INPUT, MeasuredInputs, inputs_of
from miqa_node.stages.assess.section import Section
from miqa_node.stages.assess.session import GraphSession

Side = Annotated[int, Field(ge=1, le=1024)]


class VolumeCall(Section):
    """A volume input, shape (1, 1, slices, rows, columns).

    Slices are chosen evenly over the stack and resized; values of the modality (Hounsfield units in CT) from ``low`` to
    ``high`` become 0 to 1, values beyond are clipped.
    """

    input: str
    slices: Side
    rows: Side
    columns: Side
    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> VolumeCall:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self


class SeriesCall(Section):
    """The card's section ``call``: the volume, and the outputs; all are optional but ``logits``.

    Without a ``severity`` output the calibrated probability serves as severity.
    """

    volume: VolumeCall | None = None
    logits: str = LOGITS
    severity: str = ""
    contributions: str = ""


class Series(Contract):
    """Inputs: ``measurements`` (1, F) if the card lists measurements, and the volume that ``call`` describes."""

    name = "series"
    unit = "series"
    section = SeriesCall

    def tensors(self, card: Card) -> tuple[Sequence[str], Sequence[str]]:
        """As the card names them; ModelPackageError if the graph would have no input."""
        call = _call(card)
        inputs = [*([INPUT] if card.measurements else []), *([call.volume.input] if call.volume else [])]
        if not inputs:
            raise ModelPackageError("{label}: the card names neither measurements nor a volume.", label=card.label)
        return inputs, [name for name in (call.logits, call.severity, call.contributions) if name]

    def prepare(self, card: Card, material: ModelMaterial) -> MeasuredInputs:
        """Missing measurements get the card's imputed value."""
        arrays = dict(inputs_of(material.measurements, card.measurements)) if card.measurements else {}
        volume = _call(card).volume
        if volume is not None:
            arrays[volume.input] = as_volume(material.slices(volume.slices), volume)
        return MeasuredInputs(arrays)

    def run(self, card: Card, session: GraphSession, inputs: Arrays, further: Sequence[str] = ()) -> dict[str, Array]:
        """The outputs under the names of the node."""
        call = _call(card)
        outputs = super().run(card, session, inputs, further)
        logits = outputs[call.logits]
        severity = outputs[call.severity] if call.severity else probabilities(card, logits).astype(np.float32)
        parts = {CONTRIBUTIONS: outputs[call.contributions]} if call.contributions else {}
        return {**{name: outputs[name] for name in further}, LOGITS: logits, SEVERITY: severity, **parts}

    def golden(self, card: Card, data: bytes) -> ModelMaterial:
        """JSON ``{"measurements": {name: value}}``, or an NPZ with that JSON as ``json`` (uint8) and ``volume``.

        ``volume`` holds values of the modality, shape (slices, rows, columns).
        """
        try:
            if not data.startswith(b"PK"):
                return ModelMaterial(measurements=_measurements(data))
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                volume = archive["volume"].astype(np.float32)
                written = archive["json"].tobytes() if "json" in archive.files else b'{"measurements": {}}'
            return ModelMaterial(measurements=_measurements(written), slices=lambda count: pick(list(volume), count))
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise ModelPackageError("{label}: a golden input is neither JSON nor NPZ.", label=card.label) from error


def pick(slices: Sequence[Array], count: int) -> list[Array]:
    """Up to ``count`` slices, evenly spread.

    >>> [int(one[0, 0]) for one in pick([np.full((1, 1), n, np.float32) for n in range(10)], 3)]
    [0, 4, 9]
    """
    if not slices:
        return []
    return [slices[i] for i in np.unique(np.linspace(0, len(slices) - 1, count).astype(int))]


def as_volume(slices: Sequence[Array], call: VolumeCall) -> Array:
    """(1, 1, slices, rows, columns), 0 to 1; too few slices are repeated, an empty stack is filled with ``low``."""
    volume = np.zeros((call.slices, call.rows, call.columns), np.float32)
    for place, index in enumerate(np.linspace(0, len(slices) - 1, call.slices).round().astype(int) if slices else ()):
        small = cv2.resize(slices[index], (call.columns, call.rows), interpolation=cv2.INTER_AREA)
        volume[place] = np.clip((small - call.low) / (call.high - call.low), 0.0, 1.0)
    return volume[None, None]


def _call(card: Card) -> SeriesCall:
    return SeriesCall.model_validate(card.call)


def _measurements(data: bytes) -> list[Measurement]:
    return [Measurement(name, float(value), "") for name, value in json.loads(data)["measurements"].items()]


SERIES = Series()
