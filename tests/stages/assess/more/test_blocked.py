"""Graphs in whole blocks give the same results; others are left as they are."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from miqa_node.stages.assess.blocked import in_whole_blocks
from tests.conftest import ROOT
from tests.stages.assess.test_blocked import energies, results


@pytest.mark.parametrize("read_twice", [False, True])
@pytest.mark.parametrize("images", [1, 5])
def test_results_are_the_same(images: int, *, read_twice: bool) -> None:
    plain = energies(26, read_twice=read_twice)
    blocked = in_whole_blocks(plain)
    assert blocked is not None
    image = np.random.default_rng(1).random((images, 1, 40, 48)).astype(np.float32)
    for one, other in zip(results(plain, image), results(blocked, image), strict=True):
        assert one == pytest.approx(other, rel=1e-5, abs=1e-6)


QUALITY = max(path for path in (ROOT / "models").glob("quality-[0-9]*"))


def test_the_shipped_network_gains_and_says_the_same() -> None:
    path = QUALITY / "model.onnx"
    blocked = in_whole_blocks(path)
    assert blocked is not None
    names = [node.name for node in onnx.load_model_from_string(blocked).graph.node]
    assert sum(name.endswith("/whole_blocks/cut") for name in names) == 2
    rng = np.random.default_rng(2)
    fed = {
        "global_view": rng.normal(size=(1, 1, 384, 384)).astype(np.float32),
        "crops": rng.normal(size=(3, 1, 160, 160)).astype(np.float32),
        "numbers": rng.normal(size=(1, 8)).astype(np.float32),
    }
    results = []
    for graph in (path.read_bytes(), blocked):
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        results.append(session.run(["logits", "severity", "maps"], fed))
    for one, other in zip(*results, strict=True):
        assert one == pytest.approx(other, rel=1e-5, abs=1e-5)
