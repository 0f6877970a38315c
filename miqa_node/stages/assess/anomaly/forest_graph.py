"""Scores features with an Isolation Forest that is an ONNX graph of one operator, TreeEnsembleRegressor.

The scores are those of ``IsolationForest`` of scikit-learn, negative, but for rounding: the runtime adds the depths of
the leaves in single precision.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.settings import Accelerator
from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.anomaly.arrays import MAX_FILE_BYTES
from miqa_node.stages.assess.onnx_format import ModelProto
from miqa_node.stages.assess.self_contained import parse_graph
from miqa_node.stages.assess.session import GraphSession

INPUT, OUTPUT = "features", "score"
"""Names of the input, single precision (N, F), and of the output (N, 1)."""
COMPARED = "nodes_featureids"
"""Attribute of the operator: the feature that each node compares."""


class ForestGraph:
    """A loaded forest."""

    def __init__(self, session: GraphSession) -> None:
        self._session = session

    def score(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """The score in (0, 1), shape (1,), of the features of one image, shape (1, F)."""
        values = self._session.run((OUTPUT,), {INPUT: features.astype(np.float32)})[OUTPUT]
        return values[:, 0].astype(np.float64)


def open_forest(data: bytes, width: int) -> ForestGraph:
    """The forest in the bytes of a graph, for ``width`` features.

    Raises
    ------
    ModelPackageError
        It is not a graph that gives scores, or it compares features that there are not; the runtime would read beyond
        the row.
    """
    if len(data) > MAX_FILE_BYTES:
        raise ModelPackageError(
            "the anomaly forest is larger than {max_file_bytes} bytes.", max_file_bytes=MAX_FILE_BYTES
        )
    if not 0 <= _last_compared(parse_graph(data, "the anomaly forest")) < width:
        raise ModelPackageError("the anomaly forest was made for other features than the graph gives.")
    session = GraphSession(data, Accelerator.CPU, intra_op_threads=1, inter_op_threads=1)
    if (session.inputs, session.outputs) != ((INPUT,), (OUTPUT,)):
        raise ModelPackageError(
            "the anomaly forest must have the input {input} and the output {output}.", input=INPUT, output=OUTPUT
        )
    forest = ForestGraph(session)
    if not 0.0 < float(forest.score(np.zeros((1, width)))[0]) < 1.0:
        raise ModelPackageError("the anomaly forest gives no scores between 0 and 1.")
    return forest


def _last_compared(model: ModelProto) -> int:
    """The largest index of a feature that a node compares; -1 if there is none, or a negative one."""
    attributes = (attribute for node in model.graph.node for attribute in node.attribute)
    indices = [index for attribute in attributes if attribute.name == COMPARED for index in attribute.ints]
    return -1 if min(indices, default=-1) < 0 else max(indices)
