"""A package's graph and the further sessions that explain it, each created at its first use.

The graph's own session runs for every image. The session for gradients holds only the part that maps need and runs
for the few flagged images. One run covers several classes, one row of ``seed`` each.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.settings import Accelerator, AssessSettings
from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.card import Card
from miqa_node.stages.assess.contracts.base import contract_of
from miqa_node.stages.assess.gradient_graph import SEED
from miqa_node.stages.assess.graph_parts import keep_outputs, split_by_input
from miqa_node.stages.assess.self_contained import parse_graph, read_graph
from miqa_node.stages.assess.session import GraphSession
from miqa_node.stages.explain.maps_graph import maps_graph
from miqa_node.stages.explain.sources import map_sources

Arrays = Mapping[str, NDArray[np.float32]]


class ExplainedGraph:
    """The graph of a package; may be used from several threads."""

    def __init__(self, path: Path, card: Card, accelerator: Accelerator, settings: AssessSettings) -> None:
        """ModelPackageError if the card's contract allows no maps."""
        tensors = contract_of(card).map_tensors(card)
        if tensors is None:
            raise ModelPackageError(
                "{label}: no map can be made of a graph without a view of the image.", label=card.label
            )
        self.tensors = tensors
        self._path, self._card = path, card
        self._classes = len(card.outputs.classes)
        self._accelerator = accelerator
        self._settings = settings
        self._lock = threading.Lock()
        self._sessions: dict[str, GraphSession] = {}

    def class_maps(self, inputs: Arrays, columns: Sequence[int], timeout_s: float | None = None) -> NDArray[np.float32]:
        """The graph's own maps of some classes, shape (columns, rows, columns of the map)."""
        session = self._session("plain", lambda: self._path)
        feed = {name: inputs[name] for name in session.inputs}
        maps = session.run([self.tensors.maps], feed, timeout_s)[self.tensors.maps]
        return np.asarray(maps[0, list(columns)], np.float32)

    def gradient_maps(
        self, method: str, inputs: Arrays, columns: Sequence[int], timeout_s: float | None = None
    ) -> NDArray[np.float32]:
        """Maps of a method of :mod:`~miqa_node.libraries.onnx_vjp.maps`, all classes in one run; no fixed range.

        With the taps among the ``inputs``, from the run of the graph itself, they take a tenth of the time.
        """
        taps = [name for name in self._card.saliency.taps if name in inputs]
        session = self._session(f"{method} {taps}", lambda: self._with_maps(method, taps))
        seed = np.zeros((len(columns), self._classes), np.float32)
        seed[np.arange(len(columns)), list(columns)] = 1.0
        feed = {name: array for name, array in {**inputs, SEED: seed}.items() if name in session.inputs}
        return np.asarray(session.run([method], feed, timeout_s)[method][:, 0], np.float32)

    def logits_of_views(self, inputs: Arrays) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        """A function from other global views of the same image to logits, shape (C,); crops are evaluated only once."""
        view_name, name = self.tensors.view, self.tensors.logits
        session = self._session("moving", lambda: self._split()[1])
        if any(name not in inputs for name in session.inputs):
            fixed = self._session("fixed", lambda: self._split()[0] or b"")
            inputs = {**inputs, **fixed.run(fixed.outputs, {n: inputs[n] for n in fixed.inputs})}

        def logits(view: NDArray[np.float32]) -> NDArray[np.float32]:
            feed = {one: view if one == view_name else inputs[one] for one in session.inputs}
            return np.asarray(session.run([name], feed)[name][0], np.float32)

        return logits

    def _session(self, key: str, make: Callable[[], Path | bytes]) -> GraphSession:
        with self._lock:
            if key not in self._sessions:
                self._sessions[key] = GraphSession.of(make(), self._accelerator, self._settings)
            return self._sessions[key]

    def _with_maps(self, method: str, taps: Sequence[str]) -> bytes:
        [source] = map_sources(self._card)
        made = parse_graph(maps_graph(self._path, self._card, source, method), self._card.label)
        return bytes(keep_outputs(made, [method], taps).SerializeToString())

    def _split(self) -> tuple[bytes | None, bytes]:
        fixed, moving = split_by_input(read_graph(self._path), self.tensors.view, [self.tensors.logits])
        return (bytes(fixed.SerializeToString()) if fixed else None), bytes(moving.SerializeToString())
