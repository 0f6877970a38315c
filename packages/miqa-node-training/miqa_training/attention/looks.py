"""What the transformer adds to a look: features of the whole image, and a descriptor of each place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from miqa_node.stages.assess.anomaly.hog import histograms
from miqa_training.attention.export import ATTENTION, INPUT, OUTPUTS, TOKENS

POOLED = 4
"""Number of cells along a side to which the attention of each head is averaged."""


@dataclass(frozen=True, slots=True)
class AttentionLook:
    """``features`` (F,) of the image; ``places`` by kind, each (rows, columns, C); ``attention`` (rows, columns)."""

    features: NDArray[np.float64]
    places: Mapping[str, NDArray[np.float32]]
    attention: NDArray[np.float32]


class TransformerGraph:
    """The exported graph; ``view`` is the normalised picture (side, side) that it was made for."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def attend(self, view: NDArray[np.float32]) -> AttentionLook:
        """Look at one picture."""
        tensors = self._session.run(list(OUTPUTS), {INPUT: view[None, None].astype(np.float32)})
        outputs = dict(zip(OUTPUTS, tensors, strict=True))
        tokens, attention = outputs[TOKENS][0], outputs[ATTENTION][0]
        gradients = place_gradients(view, tokens.shape[1])
        deep = np.ascontiguousarray(tokens.transpose(1, 2, 0))
        return AttentionLook(
            features=attention_features(tokens, attention),
            places={"transformer": deep, "gradients": gradients},
            attention=attention.mean(axis=0),
        )


def attention_features(tokens: NDArray[np.float32], attention: NDArray[np.float32]) -> NDArray[np.float64]:
    """Features of the whole image, of tokens (C, rows, columns) and attention (heads, rows, columns).

    Attention-weighted mean and standard deviation of the tokens, and each head's attention in coarse cells.
    """
    weights = attention.mean(axis=0).ravel()
    weights = weights / weights.sum()
    flat = tokens.reshape(len(tokens), -1)
    mean = flat @ weights
    deviation = np.sqrt(np.maximum(((flat - mean[:, None]) ** 2) @ weights, 0.0))
    heads, rows, columns = attention.shape
    coarse = attention.reshape(heads, POOLED, rows // POOLED, POOLED, columns // POOLED).mean(axis=(2, 4))
    return np.concatenate([mean, deviation, coarse.ravel()]).astype(np.float64)


def place_gradients(view: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
    """Orientations of each cell, normalised by its neighbourhood, and their strength, (cells, cells, 10)."""
    votes = histograms(view, cells)
    padded = np.pad(votes, ((1, 1), (1, 1), (0, 0)), mode="edge")
    around = np.sum([padded[row : row + cells, column : column + cells] for row, column in np.ndindex(3, 3)], axis=0)
    total = np.sqrt((around**2).sum(axis=2, keepdims=True)) + 1e-6
    strength = np.log1p(votes.sum(axis=2, keepdims=True))
    return np.concatenate([votes / total, strength], axis=2).astype(np.float32)
