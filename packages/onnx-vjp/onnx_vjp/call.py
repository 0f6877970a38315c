"""The argument of a rule of differentiation: one node of the network with the gradients of its outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from numpy.typing import NDArray

from .errors import UnsupportedOperatorError
from .tape import Dim, Tape, Value

FIRST_AXIS = "it mixes the images of a batch (touches the first axis)"


@dataclass(frozen=True, slots=True)
class Call:
    """One node with the gradients of its outputs, as passed to a rule."""

    tape: Tape
    node: onnx.NodeProto
    gradients: tuple[Value | None, ...]
    active: tuple[bool, ...]
    """For each input, whether its gradient is needed."""
    attributes: Mapping[str, Any]

    @property
    def g(self) -> Value:
        """Gradient of the first output."""
        gradient = self.gradients[0]
        if gradient is None:
            raise self.unsupported("only a secondary output of it is used")
        return gradient

    @property
    def y(self) -> Value:
        """The first output."""
        return self.tape.value(self.node.output[0])

    def x(self, index: int = 0) -> Value:
        """An input."""
        return self.tape.value(self.node.input[index])

    def has(self, index: int) -> bool:
        """Whether an optional input is present."""
        return index < len(self.node.input) and bool(self.node.input[index])

    def dims(self, index: int = 0) -> tuple[Dim, ...]:
        """Shape of an input whose number of axes must be known."""
        return self._known(self.node.input[index])

    def output_dims(self) -> tuple[Dim, ...]:
        """Shape of the first output."""
        return self._known(self.node.output[0])

    def rank(self, index: int = 0) -> int:
        """Number of axes of an input."""
        return len(self.dims(index))

    def fixed(self, dims: Sequence[Dim]) -> list[int]:
        """The sizes, which must all be numbers."""
        if not all(isinstance(d, int) for d in dims):
            raise self.unsupported("its size is not fixed in the graph")
        return [int(d) for d in dims if isinstance(d, int)]

    def constant(self, index: int) -> NDArray[Any]:
        """An input that must not depend on the image."""
        array = self.tape.constant_of(self.node.input[index])
        if array is None:
            raise self.unsupported(f"its input {index} is computed from the image")
        return array

    def only(self, *indices: int) -> None:
        """Refuse the node if the gradient of another input is needed."""
        if any(active and index not in indices for index, active in enumerate(self.active)):
            raise self.unsupported("a parameter of it is computed from the image")

    def _known(self, name: str) -> tuple[Dim, ...]:
        dims = self.tape.dims(name)
        if dims is None:
            raise self.unsupported("its shape is not known")
        return dims

    def axis(self, number: int, rank: int) -> int:
        """An axis counted from the front, which must not be the first."""
        axis = number + rank if number < 0 else number
        if axis == 0:
            raise self.unsupported(FIRST_AXIS)
        return axis

    def unsupported(self, why: str) -> UnsupportedOperatorError:
        """The error that names the unsupported node."""
        named = f" ({self.node.name})" if self.node.name else ""
        return UnsupportedOperatorError(f"No gradient through {self.node.op_type}{named}: {why}.")
