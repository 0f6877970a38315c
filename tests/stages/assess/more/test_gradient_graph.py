"""Maps from a gradient graph that was sealed in are those that were derived at work, bit by bit, and need no onnx."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from miqa_node.libraries import onnx_vjp
from miqa_node.stages.assess.card import gradient_file
from miqa_node.stages.assess.gradient_graph import graph_with_maps
from miqa_node.stages.assess.sidecars import read_any_card
from miqa_node.stages.explain.derivation import derived
from miqa_node.stages.explain.sealing import add_gradients
from miqa_node.stages.explain.sources import map_sources
from tests.stages.assess.test_gradient_graph import SHIPPED, map_of


@pytest.mark.parametrize("package", SHIPPED, ids=lambda path: path.name)
def test_maps_of_shipped_packages_are_those_derived_at_work(package: Path) -> None:
    card = read_any_card(package)
    for source in map_sources(card):
        for method in source.methods:
            graph = graph_with_maps(package / source.graph, source.graph, card, method)
            assert graph is not None, f"{package.name} has no gradient graph"
            now = derived(package / source.graph, source)
            whole = onnx_vjp.keep_outputs(now, [method]).SerializeToString()
            np.testing.assert_array_equal(map_of(graph, method), map_of(whole, method))


PROGRAM = """
import json, sys
sys.modules["onnx"] = None
from miqa_node.interfaces.cli.app import run
code = run(["assess", sys.argv[1], "--packages", "pneumonia-ensemble", "--saliency-dir", sys.argv[2], "--json"])
sys.exit(code)
"""


def test_an_image_is_explained_in_a_process_without_onnx(tmp_path: Path) -> None:
    from demo.samples import make_samples

    sample = next(one for one in make_samples() if one.simulated)
    (tmp_path / "image.dcm").write_bytes(sample.data)
    program = [sys.executable, "-c", PROGRAM, str(tmp_path / "image.dcm"), str(tmp_path / "maps")]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "cannot be used" not in done.stderr
    assert "no map" not in done.stderr
    [result] = [json.loads(line) for line in done.stdout.splitlines()]
    assert result["verdict"] == "REJECT"
    names = {path.name.partition(".")[2] for path in (tmp_path / "maps").glob("*.npy")}
    assert "motion_blur.npy" in names
    assert any(name.startswith("pneumonia-ensemble-") for name in names)


@pytest.mark.parametrize("package", SHIPPED, ids=lambda path: path.name)
def test_shipped_gradient_graphs_hold_no_weights_and_can_be_sealed_in_again(package: Path, tmp_path: Path) -> None:
    copy = tmp_path / package.name
    shutil.copytree(package, copy)
    files = [gradient_file(source.graph) for source in map_sources(read_any_card(copy))]
    for name in files:
        assert (copy / name).stat().st_size < 80_000
        onnx.checker.check_model(onnx.load(copy / name))

    def contents(*others: str) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in copy.rglob("*") if path.is_file() and path.name not in others}

    before = contents(*files, "card.yaml", "MODEL_CARD.md")
    assert set(add_gradients(copy).values()) == {""}
    assert contents(*files, "card.yaml", "MODEL_CARD.md") == before
    once = contents()
    add_gradients(copy)
    assert contents() == once
