"""Shows where the findings of a flagged image lie: by the method of the settings, else by what the graph allows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import structlog
from numpy.typing import NDArray

from miqa_node.core.domain.image import SaliencyMap
from miqa_node.core.settings import Accelerator, AssessSettings, SaliencyMethod
from miqa_node.core.taxonomy.lookup import is_object
from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.card import GRAPH_NAME
from miqa_node.stages.assess.contracts.base import GraphInputs
from miqa_node.stages.assess.packages import Package
from miqa_node.stages.explain.explained import ExplainedGraph
from miqa_node.stages.explain.methods import explain, normalised
from miqa_node.stages.explain.object_map import object_map

log = structlog.get_logger(__name__)

FROM_CLASS_MAPS = frozenset({SaliencyMethod.CLASS_MAP, SaliencyMethod.OBJECT_MAP})
"""Methods that need no run of their own: the graph has given its class maps with the verdict."""


class Explainer:
    """Explains one package. It never raises: a failed map never delays or loses a verdict."""

    def __init__(self, package: Package, accelerator: Accelerator, settings: AssessSettings) -> None:
        graph = package.folder if package.folder.is_file() else package.folder / GRAPH_NAME
        self._package = package.name
        self._names = [row.name for row in package.card.outputs.classes]
        self._own_method = package.card.saliency.method
        self._method, self._method_of_objects = settings.saliency_method, settings.saliency_method_objects
        self._timeout_s = settings.saliency_timeout_s
        self._graph = ExplainedGraph(graph, package.card, accelerator, settings)
        self._unusable: set[str] = set()

    def explain(
        self, inputs: GraphInputs, class_maps: NDArray[np.float32] | None, columns: Sequence[int]
    ) -> dict[int, SaliencyMap]:
        """Maps of the findings in ``columns`` that have one, each with the method that made it, over the source image.

        ``class_maps``, shape (C, rows, columns), is the graph's own output. Columns with the same method share one run.
        If the graph cannot be differentiated, this is logged once; if an image takes too long or fails, only this image
        is affected. The fallbacks are the graph's own class maps, then occlusion, then no map.
        """
        by_method: dict[SaliencyMethod, list[int]] = {}
        for column in columns:
            method = self._method_of_objects if is_object(self._names[column]) else self._method
            by_method.setdefault(method, []).append(column)
        maps: dict[int, SaliencyMap] = {}
        for method, group in by_method.items():
            maps |= self._maps(method, inputs, class_maps, group)
        return {column: maps[column] for column in columns if column in maps}

    def _maps(
        self, method: SaliencyMethod, inputs: GraphInputs, class_maps: NDArray[np.float32] | None,
        columns: Sequence[int],
    ) -> dict[int, SaliencyMap]:  # fmt: skip
        for attempt in self._attempts(method, class_maps is not None):
            if (made := self._attempt(attempt, inputs, columns)) is not None:
                return {column: SaliencyMap(one, attempt) for column, one in zip(columns, made, strict=True)}
        if class_maps is None:
            return {}
        own = {column: inputs.to_source(class_maps[column]) for column in columns}
        if method is SaliencyMethod.OBJECT_MAP:
            return {column: SaliencyMap(normalised(object_map(one)), method.value) for column, one in own.items()}
        return {column: SaliencyMap(normalised(one), self._own_method) for column, one in own.items()}

    def _attempts(self, method: SaliencyMethod, has_class_maps: bool) -> Sequence[str]:
        """The methods to try, in order, before the graph's own class maps."""
        if has_class_maps:
            return [] if method in FROM_CLASS_MAPS or method.value in self._unusable else [method.value]
        chosen = SaliencyMethod.GRADCAM if method in FROM_CLASS_MAPS else method
        return [m.value for m in dict.fromkeys((chosen, SaliencyMethod.OCCLUSION)) if m.value not in self._unusable]

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
