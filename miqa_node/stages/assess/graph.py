"""What a session needs of a graph, wherever it runs: in this process or in the node's inference process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

IMAGES = "N"
"""What graphs that take any number of images call the first axis of their inputs and outputs."""


@dataclass(frozen=True, slots=True)
class GraphFacts:
    """What a graph says of itself, and the provider that runs it."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    channels: Mapping[str, int]
    """Size of the second axis of outputs that are stacks of images, if it is fixed."""
    metadata: Mapping[str, str]
    provider: str
    takes_any_number: bool
    """Whether several images may share a run."""


class RunnableGraph(Protocol):
    """A loaded graph; ``run`` may be called from several threads."""

    @property
    def facts(self) -> GraphFacts:
        """What the graph says of itself."""

    def run(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[np.float32]], timeout_s: float | None,
        *, gives_back: bool,
    ) -> Sequence[NDArray[np.float32]]:  # fmt: skip
        """The named outputs in order; TimeoutError after ``timeout_s``. ``gives_back``: release memory afterwards."""
