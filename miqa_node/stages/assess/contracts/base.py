"""Base of contracts: the agreement between a quality package's graph and the node.

A card names its contract with the key ``contract``; other distributions add contracts under the entry point group
``miqa.model_contracts``. A contract defines which inputs and outputs the graph must have, how the inputs are made
from an image or from measurements, and which maps are possible. Findings, gate and calibration do not depend on it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header
from miqa_node.errors import ModelPackageError, NotFoundError
from miqa_node.libraries.plain_statistics.platt import sigmoid
from miqa_node.plugins import Seam
from miqa_node.stages.assess.card import Card, checked_card
from miqa_node.stages.assess.section import Section
from miqa_node.stages.assess.session import GraphSession

Array = NDArray[np.float32]
Arrays = Mapping[str, Array]

LOGITS, SEVERITY, MAPS, CONTRIBUTIONS = "logits", "severity", "maps", "contributions"
"""The names under which :meth:`Contract.run` returns the outputs, whatever their names in the graph."""


def _no_slices(count: int) -> Sequence[Array]:  # noqa: ARG001 - an image has none
    return ()


@dataclass(frozen=True, slots=True)
class ModelMaterial:
    """Material for a graph's inputs: the measurements, and the decoded image or the slices of a series.

    ``slices(n)`` returns up to n slices, spread over the stack, as values of the modality (rows, columns). ``header``
    is that of the image; pictures without one have none.
    """

    radiograph: Radiograph | None = None
    measurements: Sequence[Measurement] = ()
    slices: Callable[[int], Sequence[Array]] = _no_slices
    header: Header | None = None

    @property
    def image(self) -> Radiograph:
        """The decoded image; ModelPackageError if there is none."""
        if self.radiograph is None:
            raise ModelPackageError("The package judges images; this is a series.")
        return self.radiograph


class GraphInputs(Protocol):
    """The inputs of one run."""

    @property
    def arrays(self) -> Arrays:
        """The graph's inputs by name."""

    def to_source(self, values: Array) -> Array:
        """The part of a map over the whole view, (rows, columns), that covers the source image."""


@dataclass(frozen=True, slots=True)
class MapTensors:
    """The tensors that maps are made from.

    ``view`` is the input that shows the whole image, with rows and columns on ``axes``. ``maps`` is an output with one
    map per class, empty if there is none. ``taps`` are activations to take gradients at; if there are none, the last
    activation that is a stack of images is used. Occlusion fills with ``grey``; None: with the mean of the view.
    """

    view: str
    logits: str = LOGITS
    maps: str = ""
    taps: tuple[str, ...] = ()
    axes: tuple[int, int] = (2, 3)
    grey: float | None = None


class Contract(ABC):
    """One way to call a graph. Instances hold no state."""

    name: ClassVar[str]
    unit: ClassVar[Literal["image", "series"]] = "image"
    """The unit that packages of this contract judge."""
    needs_measurements: ClassVar[bool] = True
    """Whether ``prepare`` reads the material's measurements. If not, the graph runs while they are being taken."""
    section: ClassVar[type[Section] | None] = None
    """Schema of the card's section ``call``; None if the contract has no such section."""

    @abstractmethod
    def tensors(self, card: Card) -> tuple[Sequence[str], Sequence[str]]:
        """Names of the inputs and outputs that the graph must have."""

    @abstractmethod
    def prepare(self, card: Card, material: ModelMaterial) -> GraphInputs:
        """The graph's inputs."""

    @abstractmethod
    def golden(self, card: Card, data: bytes) -> ModelMaterial:
        """The material in a golden input file; ModelPackageError if it cannot be read."""

    def run(self, card: Card, session: GraphSession, inputs: Arrays, further: Sequence[str] = ()) -> dict[str, Array]:
        """Run the graph: ``logits`` (1, C), ``severity`` (1, C), and ``maps`` or ``contributions`` if it has them.

        ``further`` outputs keep their own names.
        """
        _, outputs = self.tensors(card)
        return session.run(tuple(dict.fromkeys((*outputs, *further))), inputs)

    def map_tensors(self, card: Card) -> MapTensors | None:  # noqa: ARG002 - others read the card
        """The tensors for maps; None if the graph has no view of the image."""
        return None

    def check(self, card: Card, session: GraphSession) -> None:
        """ModelPackageError if the card's section ``call`` or the graph does not fit the contract."""
        if self.section is not None:
            checked_card(self.section, card.call, f"{card.label}, section call")
        elif card.call:
            raise ModelPackageError(
                "{label}: the contract {name} has no section call.", label=card.label, name=self.name
            )
        inputs, outputs = self.tensors(card)
        if missing := [name for name in outputs if name not in session.outputs]:
            raise ModelPackageError(
                "{label}: the graph has no output called {missing}.", label=card.label, missing=" or ".join(missing)
            )
        if missing := [name for name in inputs if name not in session.inputs]:
            raise ModelPackageError(
                "{label}: the graph has no input called {missing}.", label=card.label, missing=" or ".join(missing)
            )


def probabilities(card: Card, logits: Array) -> NDArray[np.float64]:
    """Calibrated probabilities of logits, both of shape (rows, C)."""
    rows = card.outputs.classes
    bias = np.array([row.bias for row in rows])
    temperature = np.array([row.temperature for row in rows])
    return sigmoid((logits.astype(np.float64) + bias) / temperature)


CONTRACTS = Seam("model_contracts", Contract)  # type: ignore[type-abstract]
"""All contracts by name."""


def contract_of(card: Card) -> Contract:
    """The contract that a card names; ModelPackageError if it is not installed."""
    try:
        return CONTRACTS.get(card.contract_name)
    except NotFoundError as error:
        raise ModelPackageError("{label}: {error}", label=card.label, error=error) from error
