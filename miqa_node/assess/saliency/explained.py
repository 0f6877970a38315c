"""A package's graph and the further sessions that explain it, each made when it is first needed.

Session A says what is in every image. Session B holds only the part that makes maps from gradients; it is for those
few images that are flagged. One run of it answers for several classes: a row of ``seed`` each.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from miqa_node.assess.card import Card
from miqa_node.assess.saliency.gradient import SEED
from miqa_node.assess.saliency.graph_maps import add_maps
from miqa_node.assess.saliency.prune import split_by_input
from miqa_node.assess.session import Session
from miqa_node.settings import Accelerator, AssessSettings

LOGITS = "logits"
CHANGING = "global_view"
"""The input that has a place in the image."""

Arrays = Mapping[str, NDArray[np.float32]]


class ExplainedGraph:
    """The graph of a file; may be used from several threads."""

    def __init__(self, path: Path, card: Card, accelerator: Accelerator, settings: AssessSettings) -> None:
        """The card names the classes, the layers that gradients are taken at, and the graph's own maps."""
        self._path = path
        self._taps = card.saliency.taps
        self._maps = card.saliency.maps
        self._classes = len(card.outputs.classes)
        self._accelerator = accelerator
        self._settings = settings
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}

    def class_maps(self, inputs: Arrays, columns: Sequence[int], timeout_s: float | None = None) -> NDArray[np.float32]:
        """The graph's own maps of some classes, shape (columns, rows, columns of the map)."""
        session = self._session("plain", lambda: self._path)
        maps = session.run([self._maps], inputs, timeout_s)[self._maps]
        return np.asarray(maps[0, list(columns)], np.float32)

    def gradient_maps(
        self, method: str, inputs: Arrays, columns: Sequence[int], timeout_s: float | None = None
    ) -> NDArray[np.float32]:
        """Maps of a method of :mod:`~miqa_node.assess.saliency.graph_maps`, all classes in one run; no fixed range."""
        session = self._session(method, lambda: self._with_maps(method))
        seed = np.zeros((len(columns), self._classes), np.float32)
        seed[np.arange(len(columns)), list(columns)] = 1.0
        given = {name: array for name, array in {**inputs, SEED: seed}.items() if name in session.inputs}
        return np.asarray(session.run([method], given, timeout_s)[method][:, 0], np.float32)

    def logits_of_views(self, inputs: Arrays) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        """A function from other global views of the same image to logits, shape (C,); crops are looked at only once."""
        session = self._session("moving", lambda: self._split()[1])
        if any(name not in inputs for name in session.inputs):
            fixed = self._session("fixed", lambda: self._split()[0] or b"")
            inputs = {**inputs, **fixed.run(fixed.outputs, {n: inputs[n] for n in fixed.inputs})}

        def logits(view: NDArray[np.float32]) -> NDArray[np.float32]:
            given = {name: view if name == CHANGING else inputs[name] for name in session.inputs}
            return np.asarray(session.run([LOGITS], given)[LOGITS][0], np.float32)

        return logits

    def _session(self, key: str, make: Callable[[], Path | bytes]) -> Session:
        with self._lock:
            if key not in self._sessions:
                self._sessions[key] = Session(
                    make(),
                    self._accelerator,
                    intra_op_threads=self._settings.intra_op_threads,
                    inter_op_threads=self._settings.inter_op_threads,
                )
            return self._sessions[key]

    def _with_maps(self, method: str) -> bytes:
        model = add_maps(onnx.load(str(self._path)), self._taps, LOGITS, [method])
        return bytes(model.SerializeToString())

    def _split(self) -> tuple[bytes | None, bytes]:
        fixed, moving = split_by_input(onnx.load(str(self._path)), CHANGING, [LOGITS])
        return (bytes(fixed.SerializeToString()) if fixed else None), bytes(moving.SerializeToString())
