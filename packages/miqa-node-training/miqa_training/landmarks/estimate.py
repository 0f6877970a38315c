"""Runs landmark graphs before they are packaged, as the node does."""

from __future__ import annotations

from pathlib import Path

from miqa_node.core.settings import Accelerator
from miqa_node.stages.assess.landmarks.estimate import CLOSE_UP_OUTPUTS, WHOLE_OUTPUTS, LandmarkNetwork
from miqa_node.stages.assess.landmarks.marker import LETTER_CHANCES, MARKER_PICTURE, MarkerNetwork
from miqa_node.stages.assess.landmarks.sidecar import runner
from miqa_node.stages.assess.session import GraphSession


def reader_of(whole: Path, closer: Path | None = None, marker: Path | None = None) -> LandmarkNetwork:
    """The landmark reader of one graph, or of several."""
    files = [(whole, WHOLE_OUTPUTS), *([(closer, CLOSE_UP_OUTPUTS)] if closer else [])]
    runs = [
        runner(GraphSession(file, Accelerator.CPU, intra_op_threads=1, inter_op_threads=1), outputs)
        for file, outputs in files
    ]
    return LandmarkNetwork(runs[0], runs[1] if closer else None, marker=reader_of_markers(marker) if marker else None)


def reader_of_markers(graph: Path) -> MarkerNetwork:
    """The reader of side markers of one graph."""
    session = GraphSession(graph, Accelerator.CPU, intra_op_threads=1, inter_op_threads=1)
    return MarkerNetwork(runner(session, (LETTER_CHANCES,)), MARKER_PICTURE)
