"""Shows where the findings of a flagged image were seen, by the method of the settings or, failing that, class maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray

from miqa_node.assess.card import GRAPH_NAME
from miqa_node.assess.packages import Package
from miqa_node.assess.preprocess import Inputs
from miqa_node.assess.saliency.explained import ExplainedGraph
from miqa_node.assess.saliency.methods import explain, normalised
from miqa_node.errors import ModelPackageError
from miqa_node.settings import Accelerator, AssessSettings, SaliencyMethod

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Maps by column of the logits, float32 in [0, 1] over the whole source image, and how they were made."""

    maps: Mapping[int, NDArray[np.float32]]
    method: str


class Explainer:
    """Explains one package. It never raises: a verdict does not wait for its picture, nor fail with it."""

    def __init__(self, package: Package, accelerator: Accelerator, settings: AssessSettings) -> None:
        graph = package.folder if package.folder.is_file() else package.folder / GRAPH_NAME
        self._package = package.name
        self._own_method = package.card.saliency.method
        self._method = settings.saliency_method
        self._timeout_s = settings.saliency_timeout_s
        self._graph = ExplainedGraph(graph, package.card, accelerator, settings)
        self._unusable = False

    def explain(self, inputs: Inputs, class_maps: NDArray[np.float32], columns: Sequence[int]) -> Explanation:
        """Maps of the findings in ``columns``; ``class_maps``, shape (C, rows, columns), is what the graph itself said.

        All columns share one run. When the graph cannot be differentiated the log says it once, and class maps are
        what there is; when an image takes too long or fails, its own class maps are shown.
        """
        if columns and self._method is not SaliencyMethod.CLASS_MAP and not self._unusable:
            try:
                maps = explain(self._method, self._graph, inputs, columns, timeout_s=self._timeout_s)
                return Explanation(dict(zip(columns, maps, strict=True)), self._method.value)
            except ModelPackageError as error:
                self._unusable = True
                log.warning("only class maps for this package", package=self._package, reason=str(error))
            except TimeoutError:
                log.warning(
                    "class maps shown, the other method took too long",
                    package=self._package,
                    method=self._method.value,
                    limit_s=self._timeout_s,
                )
            except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors have no common base but this
                log.error("saliency failed", package=self._package, error=type(error).__name__)
        shown = {column: normalised(inputs.to_source(class_maps[column])) for column in columns}
        return Explanation(shown, self._own_method)
