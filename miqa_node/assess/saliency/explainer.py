"""Shows where the findings of a flagged image lie: by the method of the settings, else by what the graph allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray

from miqa_node.assess.card import GRAPH_NAME
from miqa_node.assess.contracts.base import GraphInputs
from miqa_node.assess.packages import Package
from miqa_node.assess.saliency.explained import ExplainedGraph
from miqa_node.assess.saliency.methods import explain, normalised
from miqa_node.errors import ModelPackageError
from miqa_node.settings import Accelerator, AssessSettings, SaliencyMethod

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Maps by column of the logits, float32 in [0, 1] over the whole source image, and the method."""

    maps: Mapping[int, NDArray[np.float32]]
    method: str


class Explainer:
    """Explains one package. It never raises: a failed map never delays or loses a verdict."""

    def __init__(self, package: Package, accelerator: Accelerator, settings: AssessSettings) -> None:
        graph = package.folder if package.folder.is_file() else package.folder / GRAPH_NAME
        self._package = package.name
        self._own_method = package.card.saliency.method
        self._method = settings.saliency_method
        self._timeout_s = settings.saliency_timeout_s
        self._graph = ExplainedGraph(graph, package.card, accelerator, settings)
        self._unusable: set[str] = set()

    def explain(
        self, inputs: GraphInputs, class_maps: NDArray[np.float32] | None, columns: Sequence[int]
    ) -> Explanation:
        """Maps of the findings in ``columns``; ``class_maps``, shape (C, rows, columns), is the graph's own output.

        All columns share one run. If the graph cannot be differentiated, this is logged once; if an image takes too
        long or fails, only this image is affected. The fallbacks are the graph's own class maps, then occlusion, then
        no map.
        """
        if not columns:
            return Explanation({}, self._own_method)
        for method in self._methods(class_maps is not None):
            if (maps := self._attempt(method, inputs, columns)) is not None:
                return Explanation(dict(zip(columns, maps, strict=True)), method)
        if class_maps is None:
            return Explanation({}, "")
        maps_of = {column: normalised(inputs.to_source(class_maps[column])) for column in columns}
        return Explanation(maps_of, self._own_method)

    def _methods(self, has_class_maps: bool) -> Sequence[str]:
        """The methods to try, in order, before the graph's own class maps."""
        chosen = SaliencyMethod.GRADCAM if self._method is SaliencyMethod.CLASS_MAP else self._method
        if not has_class_maps:
            return [m.value for m in dict.fromkeys((chosen, SaliencyMethod.OCCLUSION)) if m.value not in self._unusable]
        usable = self._method is not SaliencyMethod.CLASS_MAP and self._method.value not in self._unusable
        return [self._method.value] if usable else []

    def _attempt(self, method: str, inputs: GraphInputs, columns: Sequence[int]) -> NDArray[np.float32] | None:
        try:
            return explain(method, self._graph, inputs, columns, timeout_s=self._timeout_s)
        except ModelPackageError as error:
            self._unusable.add(method)
            log.warning("a saliency method cannot be used", package=self._package, method=method, reason=str(error))
        except TimeoutError:
            log.warning("saliency took too long", package=self._package, method=method, limit_s=self._timeout_s)
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors have no common base but this
            log.error("saliency failed", package=self._package, error=type(error).__name__)
        return None
