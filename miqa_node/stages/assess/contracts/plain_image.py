"""The contract of an ordinary network: one image in, one row of logits out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from miqa_node.stages.assess.card import Card
from miqa_node.stages.assess.contracts.base import (
    LOGITS,
    MAPS,
    SEVERITY,
    Array,
    Arrays,
    Contract,
    MapTensors,
    ModelMaterial,
    probabilities,
)
from miqa_node.stages.assess.goldens import golden_radiograph
from miqa_node.stages.assess.section import Section
from miqa_node.stages.assess.session import GraphSession

WHITE = 65535.0
LEAST_PROBABILITY = 1e-7
"""Limit of probabilities from the graph, so that 0 and 1 have a finite logit."""

Side = Annotated[int, Field(ge=8, le=4096)]
Std = Annotated[float, Field(gt=0)]


class PlainCall(Section):
    """The card's section ``call``: the graph's tensors, and how its input is made from pixels.

    Presentation values are scaled so that black is 0 and white is ``white``; then (x - mean) / std, per channel if
    several values are given. ``fit`` "pad" keeps the aspect and fills with black, "stretch" does not. Without a
    ``severity`` output the calibrated probability serves as severity.
    """

    input: str
    rows: Side
    columns: Side
    channels: Literal[1, 3] = 1
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    fit: Literal["stretch", "pad"] = "stretch"
    white: Std = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[Std, ...] = (1.0,)
    logits: str = LOGITS
    gives: Literal["logits", "probabilities"] = "logits"
    severity: str = ""


@dataclass(frozen=True, slots=True)
class PlainInputs:
    """``shares`` are the parts of the input's height and width that the image covers, in the middle."""

    arrays: Arrays
    shares: tuple[float, float] = (1.0, 1.0)

    def to_source(self, values: Array) -> Array:
        """The map without the padding."""
        inner = [(round(n * (1 - share) / 2), n) for n, share in zip(values.shape, self.shares, strict=True)]
        (top, rows), (left, columns) = inner
        return values[top : max(rows - top, top + 1), left : max(columns - left, left + 1)]


class PlainImage(Contract):
    """One input of any name, size and layout; ``logits`` (1, C), a severity (1, C) and class maps are optional."""

    name = "plain_image"
    needs_measurements = False
    section = PlainCall

    def tensors(self, card: Card) -> tuple[Sequence[str], Sequence[str]]:
        """As the card names them."""
        call = _call(card)
        return (call.input,), tuple(name for name in (call.logits, call.severity, card.saliency.maps) if name)

    def prepare(self, card: Card, material: ModelMaterial) -> PlainInputs:
        """See :class:`PlainCall`."""
        call = _call(card)
        display, valid = material.image.display, material.image.valid
        if valid is not None:
            display = np.where(valid, display, np.uint16(0))
        size, shares = _size(display.shape, call)
        shrinks = size[0] < display.shape[0] or size[1] < display.shape[1]
        small = cv2.resize(display, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        canvas = np.zeros((call.rows, call.columns), np.float32)
        top, left = (call.rows - size[0]) // 2, (call.columns - size[1]) // 2
        canvas[top : top + size[0], left : left + size[1]] = small.astype(np.float32) * np.float32(call.white / WHITE)
        return PlainInputs({call.input: _as_input(canvas, call)}, shares)

    def run(self, card: Card, session: GraphSession, inputs: Arrays, further: Sequence[str] = ()) -> dict[str, Array]:
        """The outputs under the names of the node."""
        call = _call(card)
        outputs = super().run(card, session, inputs, further)
        logits = np.atleast_2d(outputs[call.logits]).astype(np.float32)
        if call.gives == "probabilities":
            sure = np.clip(logits.astype(np.float64), LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
            logits = np.log(sure / (1.0 - sure)).astype(np.float32)
        severity = (
            np.atleast_2d(outputs[call.severity]) if call.severity else probabilities(card, logits).astype(np.float32)
        )
        maps = {MAPS: outputs[card.saliency.maps]} if card.saliency.maps else {}
        return {**{name: outputs[name] for name in further}, LOGITS: logits, SEVERITY: severity, **maps}

    def golden(self, card: Card, data: bytes) -> ModelMaterial:
        """A grayscale PNG of presentation values."""
        return ModelMaterial(golden_radiograph(card.label, data))

    def map_tensors(self, card: Card) -> MapTensors:
        """Maps lie over the input."""
        call = _call(card)
        axes = (2, 3) if call.layout == "NCHW" else (1, 2)
        return MapTensors(call.input, call.logits, card.saliency.maps, card.saliency.taps, axes)


def _call(card: Card) -> PlainCall:
    return PlainCall.model_validate(card.call)


def _size(shape: tuple[int, ...], call: PlainCall) -> tuple[tuple[int, int], tuple[float, float]]:
    """Size of the image in the input (rows, columns), and its share of the input."""
    if call.fit == "stretch":
        return (call.rows, call.columns), (1.0, 1.0)
    scale = min(call.rows / shape[0], call.columns / shape[1])
    size = max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))
    return size, (size[0] / call.rows, size[1] / call.columns)


def _as_input(canvas: NDArray[np.float32], call: PlainCall) -> Array:
    """(1, channels, rows, columns) or (1, rows, columns, channels), normalised."""
    mean, std = (np.broadcast_to(np.array(v, np.float32), (call.channels,)) for v in (call.mean, call.std))
    stack = (canvas[None] - mean[:, None, None]) / std[:, None, None]
    return np.ascontiguousarray((stack if call.layout == "NCHW" else stack.transpose(1, 2, 0))[None])


PLAIN_IMAGE = PlainImage()
