"""The subpackage that differentiates ONNX graphs needs numpy and onnx and nothing else of this project."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx

from miqa_node.libraries import onnx_vjp

PROGRAM = """
import sys
sys.path[:0] = {paths!r}
import numpy as np, onnx
before = set(sys.modules)
import borrowed
from onnx import TensorProto, helper, numpy_helper
nodes = [
    helper.make_node("Conv", ["x", "kernel"], ["filtered"], kernel_shape=[3, 3]),
    helper.make_node("Relu", ["filtered"], ["features"]),
    helper.make_node("GlobalAveragePool", ["features"], ["mean"]),
    helper.make_node("Flatten", ["mean"], ["logits"]),
]
graph = helper.make_graph(
    nodes, "plain",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 8, 8])],
    [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2])],
    [numpy_helper.from_array(np.ones((2, 1, 3, 3), np.float32), "kernel")],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
taps = borrowed.last_feature_map(model, "logits")
made = borrowed.add_maps(model, taps, "logits", ["gradcam"])
assert taps == ("features",), taps
assert [o.name for o in made.graph.output] == ["gradcam"]
others = {{name.split(".")[0] for name in set(sys.modules) - before}} - set(sys.stdlib_module_names)
print(sorted(others - {{"borrowed", "numpy", "onnx", "google", "ml_dtypes", "typing_extensions"}}))
"""


def test_a_copy_of_the_folder_works_in_an_interpreter_that_knows_nothing_of_the_node(tmp_path: Path) -> None:
    source = Path(onnx_vjp.__file__).parent
    shutil.copytree(source, tmp_path / "borrowed", ignore=shutil.ignore_patterns("__pycache__"))
    libraries = {str(Path(module.__file__ or "").parents[1]) for module in (np, onnx)}
    program = PROGRAM.format(paths=[str(tmp_path), *libraries])
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "[]"
    assert not any("miqa_node" in path.read_text("utf-8") for path in source.glob("*.py"))
