"""Measures the processor time of each network of one image on one thread.

    python -m benchmarks.networks IMAGE... [--packages NAME...]

The images are pictures of chest radiographs; the first one warms up. Processor time instead of time on the clock, so
that other work on the machine counts little; on a busy machine shared caches and hyper-threads still make it longer.
``as_stored`` is the quality network without filters in whole blocks (:mod:`miqa_node.assess.blocked`).
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.machine import describe, keep
from miqa_node.assess import blocked
from miqa_node.assess.session import GraphSession
from miqa_node.local import LocalAssessor
from miqa_node.settings import load_settings

Times = dict[str, list[float]]


def main() -> None:
    """Measure and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--packages", nargs="*", default=[])
    options = parser.parse_args()
    machine = describe()
    with patch.object(blocked, "in_whole_blocks", lambda _: None):
        stored = measure(options.images, [])
    keep("networks", machine, {
        "images": len(options.images) - 1,
        "networks": measure(options.images, options.packages),
        "as_stored": {name: row for name, row in stored.items() if name.startswith("quality")},
    })  # fmt: skip


def measure(images: Sequence[Path], packages: Sequence[str]) -> Mapping[str, Any]:
    """Runs of each graph in an image, and their median time in milliseconds."""
    settings = load_settings(None, assess={"intra_op_threads": 1, "inter_op_threads": 1})
    with timed() as times, LocalAssessor(settings, packages=packages) as assessor:
        for number, image in enumerate(images):
            if number == 1:
                times.clear()
            assessor.assess_file(image, modality="DX", body_part="CHEST", view="PA")
    count = len(images) - 1
    return {
        name: {"runs_an_image": round(len(times[name]) / count, 2), "milliseconds": milliseconds(times[name])}
        for name in sorted(times)
    }


def milliseconds(seconds: Sequence[float]) -> float:
    """The median."""
    return round(1000.0 * float(np.median(seconds)), 1)


@contextmanager
def timed() -> Iterator[Times]:
    """Processor time of every run of a graph, by folder and file; ``maps`` is the graph of saliency."""
    times: Times = defaultdict(list)
    plain = GraphSession.run

    def run(self: GraphSession, *inputs: Any, **named: Any) -> Any:
        begin = time.process_time()
        values = plain(self, *inputs, **named)
        times[self.name or f"maps of {inputs[0][0]}"].append(time.process_time() - begin)
        return values

    with patch.object(GraphSession, "run", run):
        yield times


if __name__ == "__main__":
    main()
