"""A classification package that passed its checks: scores, label and map of one picture."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.image import SaliencyMap
from miqa_node.core.settings import Accelerator, AssessSettings
from miqa_node.dicom.pixels.histogram import Counts
from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.card import checked_card, read_sections
from miqa_node.stages.assess.classify.card import IMAGE, LOGITS, ClassifierCard, Combination, EnsembleMember, MapMethod
from miqa_node.stages.assess.classify.picture import prepare, to_source
from miqa_node.stages.assess.goldens import check_difference, computing_goldens, golden_files, golden_pixels
from miqa_node.stages.assess.gradient_graph import SEED
from miqa_node.stages.assess.package_checks import checksum, opened_graph
from miqa_node.stages.assess.session import GraphSession, check_finite
from miqa_node.stages.assess.signatures import check_folder
from miqa_node.stages.explain.maps_graph import maps_graph
from miqa_node.stages.explain.methods import normalised
from miqa_node.stages.explain.sources import MapSource, map_sources

TAP, FINE_TAP = "tap_deep", "tap_fine"
"""Tensor names that the node's own training gives to the last features of a graph, and to finer ones."""
MAP_SIGMA_CELLS = 0.7
"""Removes the checkerboard of two cells that strided layers leave in gradients."""
LEAST_PROBABILITY = 1e-12
"""Smallest mean probability, so that its logarithm is finite."""


@dataclass(frozen=True, slots=True)
class Classifier:
    """An ensemble ready to run; may be used from several threads."""

    folder: Path
    card: ClassifierCard
    sha256: str
    """Checksum of the graph; of several graphs, the checksum of the list of their checksums."""
    sessions: tuple[GraphSession, ...]
    accelerator: Accelerator
    settings: AssessSettings
    golden_differences: Mapping[str, float] = field(default_factory=dict)
    _maps: dict[str, GraphSession] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def name(self) -> str:
        """``<name>-<version>``."""
        return self.card.label

    @property
    def provider(self) -> str:
        """The execution provider that runs the graphs."""
        return self.sessions[0].provider

    def scores(self, image: NDArray[np.float32]) -> dict[str, float]:
        """Calibrated probability of each label for an input of ``prepare``."""
        pairs = [(s, m) for s, m in zip(self.sessions, self.card.members, strict=True) if m.weight]
        logits = [mirrored_logits(partial(_run, session), image, self.card.combination) for session, _ in pairs]
        values = combined(logits, [member for _, member in pairs], self.card.combination)[0]
        check_finite(self.name, values)
        return {row.name: float(value) for row, value in zip(self.card.labels, values, strict=True)}

    def label(self, scores: Mapping[str, float]) -> str:
        """The label for these scores."""
        point = self.card.operating_point
        if point is None:
            return max(scores, key=lambda name: scores[name])
        if scores[point.label] >= point.threshold:
            return point.label
        return max((name for name in scores if name != point.label), key=lambda name: scores[name])

    def see(
        self, display: NDArray[np.uint16], valid: NDArray[np.bool_] | None = None, counts: Counts | None = None
    ) -> tuple[dict[str, float], NDArray[np.float32]]:
        """Scores of a picture (see ``prepare``), and the graph's input."""
        image = prepare(display, self.card.picture, valid, counts)
        return self.scores(image), image

    def map_of(
        self, image: NDArray[np.float32], label: str, shape: tuple[int, ...], timeout_s: float | None = None
    ) -> SaliencyMap | None:
        """Mean of the members' maps of a label over the source image, made by the card's method.

        ``shape`` begins with the source's (rows, columns). None if no member has a tap.

        Raises
        ------
        ModelPackageError
            No gradient can be taken through a member's graph.
        TimeoutError
            One member took longer than ``timeout_s``.
        """
        method = self.card.map_method
        column = [row.name for row in self.card.labels].index(label)
        seed = np.zeros((1, len(self.card.labels)), np.float32)
        seed[0, column] = 1.0
        maps, weights = [], []
        sources = {source.graph: source for source in map_sources(self.card)}
        for member in self.card.members:
            if member.file not in sources:
                continue
            session = self._map_session(sources[member.file], method)
            feed = {name: array for name, array in {IMAGE: image, SEED: seed}.items() if name in session.inputs}
            heat = session.run([method], feed, timeout_s)[method][0, 0]
            if method is MapMethod.LAYERCAM:
                heat = np.asarray(cv2.GaussianBlur(heat, (0, 0), MAP_SIGMA_CELLS), np.float32)
            maps.append(normalised(heat))
            weights.append(member.weight or 1.0)
        if not maps:
            return None
        rows, columns = (max(one.shape[axis] for one in maps) for axis in (0, 1))
        fine = [cv2.resize(one, (columns, rows), interpolation=cv2.INTER_LINEAR) for one in maps]
        mean = np.average(np.stack(fine), axis=0, weights=weights).astype(np.float32)
        return SaliencyMap(normalised(to_source(mean, shape, self.card.picture)), method.value)

    def _map_session(self, source: MapSource, method: MapMethod) -> GraphSession:
        with self._lock:
            if source.graph not in self._maps:
                graph = maps_graph(self.folder / source.graph, self.card, source, method)
                self._maps[source.graph] = GraphSession.of(graph, self.accelerator, self.settings)
            return self._maps[source.graph]


def open_classifier(
    folder: Path, accelerator: Accelerator, settings: AssessSettings, *, goldens_required: bool = True
) -> Classifier:
    """Load a classification package and check it: checksums, embedded cards, and goldens on the provider in use.

    Raises
    ------
    ModelPackageError
        A file is missing or altered, or results differ from the expected ones; the message gives the reason.
    SettingsError
        The settings require a GPU and none works.
    """
    card = checked_card(ClassifierCard, read_sections(folder), folder.name)
    check_folder(folder, card, settings)
    needed = IMAGE, (LOGITS,)
    sessions = tuple(opened_graph(folder, name, card, needed, accelerator, settings) for name in card.graphs)
    classifier = Classifier(folder, card, checksum(folder, card.graphs), sessions, accelerator, settings)
    return _with_goldens(classifier, required=goldens_required)


def _run(session: GraphSession, image: NDArray[np.float32]) -> NDArray[np.floating]:
    return session.run((LOGITS,), {IMAGE: image})[LOGITS]


def mirrored_logits(
    run: Callable[[NDArray[np.float32]], NDArray[np.floating]], image: NDArray[np.float32], combination: Combination
) -> NDArray[np.floating]:
    """A member's logits for an input (1, channels, rows, columns); on request, averaged with its mirror image's."""
    plain = run(image)
    if not combination.mirrored:
        return plain
    return np.asarray((plain + run(np.ascontiguousarray(image[..., ::-1]))) / 2.0, np.float32)


def combined(
    logits: Sequence[NDArray[np.floating]], members: Sequence[EnsembleMember], combination: Combination
) -> NDArray[np.float64]:
    """Calibrated probabilities, (N, labels), of the members' logits, each (N, labels)."""
    parts = [
        member.weight * _softmax((one.astype(np.float64) + _bias(member.bias)) / member.temperature)
        for one, member in zip(logits, members, strict=True)
    ]
    mean = np.sum(parts, axis=0) / sum(member.weight for member in members)
    raw = np.log(np.maximum(mean, LEAST_PROBABILITY))
    return _softmax((raw + _bias(combination.bias)) / combination.temperature)


def _with_goldens(classifier: Classifier, *, required: bool) -> Classifier:
    goldens = golden_files(classifier.folder, classifier.card)
    if not goldens and required:
        raise ModelPackageError(
            "{classifier}: there are no golden examples to check the graphs with.", classifier=classifier.name
        )
    differences = {}
    for name, (image, expected) in goldens.items():
        with computing_goldens(classifier.name):
            differences[name] = _golden_difference(classifier, image, expected)
        check_difference(classifier.name, name, differences[name], f"on {classifier.provider}")
    return replace(classifier, golden_differences=differences)


def _golden_difference(classifier: Classifier, image: bytes, expected: bytes) -> float:
    display = golden_pixels(image)
    if display is None:
        raise ModelPackageError("{classifier}: a golden input is not a PNG.", classifier=classifier.name)
    try:
        golden = {str(name): float(value) for name, value in json.loads(expected)["scores"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelPackageError(
            "{classifier}: the expected result of a golden is missing.", classifier=classifier.name
        ) from error
    scores, _ = classifier.see(display)
    return max(abs(value - golden.get(name, float("inf"))) for name, value in scores.items())


def _softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _bias(bias: Sequence[float]) -> NDArray[np.float64]:
    return np.array(bias or (0.0,))
