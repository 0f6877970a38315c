"""A package of the contract "series" judges a CT series by its measurements and its voxels."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.active import ActiveModels
from miqa_node.stages.assess.card import METADATA_KEY
from miqa_node.stages.assess.packages import open_package
from miqa_node.stages.assess.series import SeriesResult, judge_series
from miqa_node.stages.measure.series_view import SliceTools
from miqa_node.stages.units.kinds import series_traits
from tests.stages.assess.making import chest_header, sha256
from tests.stages.measure.series import making
from tests.stages.measure.series.test_measures import decode

CODE = {"value": "111207", "scheme": "DCM", "meaning": "Image artifact(s)"}
VOLUME = {"input": "voxels", "slices": 3, "rows": 8, "columns": 8, "low": -1000.0, "high": 1000.0}


def write_series_package(folder: Path, **call: Any) -> None:
    """Logit 0 is the noise in HU minus 20; logit 1 the mean of the voxels (0 to 1) minus a half, times ten."""
    folder.mkdir(parents=True)
    name, _, version = folder.name.rpartition("-")
    card: dict[str, Any] = {
        "name": name, "version": version, "intended_use": "tests", "not_for": "patients", "limits": [],
        "applicability": {"modality": ["CT"], "body_part": [], "view": []},
        "contract": "series",
        "call": {"volume": VOLUME, "contributions": "parts"} | call,
        "measurements": [{"name": "ct_noise", "imputed": 10.0}, {"name": "slice_gaps", "imputed": 0.0}],
        "outputs": {"classes": [
            {"name": n, "gate": False, "code": CODE, "threshold": 0.5, "temperature": 1.0, "bias": 0.0}
            for n in ("noise_underexposure", "patient_motion")
        ]},
        "calibration": {}, "training": {}, "metrics": {},
        "golden": [{"input": "0.npz", "expected": "0.json"}],
    }  # fmt: skip
    constants: dict[str, NDArray[Any]] = {
        "weight": np.array([[[1.0, 0.0], [0.0, 0.0]]], np.float32),
        "bias": np.array([[-20.0, -5.0]], np.float32),
        "ten": np.array([[0.0, 10.0]], np.float32),
        "last": np.array([2], np.int64),
        "pair": np.array([1, 1], np.int64),
    }
    nodes = [
        helper.make_node("Mul", ["measurements", "weight"], ["parts"]),
        helper.make_node("ReduceSum", ["parts", "last"], ["sums"], keepdims=0),
        helper.make_node("ReduceMean", ["voxels"], ["mean"], keepdims=0),
        helper.make_node("Reshape", ["mean", "pair"], ["one"]),
        helper.make_node("Mul", ["one", "ten"], ["bright"]),
        helper.make_node("Sum", ["sums", "bright", "bias"], ["logits"]),
    ]
    made = helper.make_graph(
        nodes, "series",
        [helper.make_tensor_value_info("measurements", TensorProto.FLOAT, [1, 2]),
         helper.make_tensor_value_info("voxels", TensorProto.FLOAT, [1, 1, 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2]),
         helper.make_tensor_value_info("parts", TensorProto.FLOAT, [1, 2, 2])],
        [numpy_helper.from_array(value, key) for key, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {METADATA_KEY: json.dumps(card)})
    onnx.save(model, folder / "model.onnx")
    buffer = io.BytesIO()
    content = json.dumps({"measurements": {"ct_noise": 21.0}}).encode()
    np.savez(buffer, volume=np.full((5, 16, 16), 100.0, np.float32), json=np.frombuffer(content, np.uint8))
    (folder / "0.npz").write_bytes(buffer.getvalue())
    expected = (1.0 / (1.0 + np.exp([-1.0, -0.5]))).tolist()
    (folder / "0.json").write_text(json.dumps({"probability": expected, "severity": expected}))
    card["files"] = {one: sha256(folder / one) for one in ("model.onnx", "0.npz", "0.json")}
    (folder / "card.yaml").write_text(yaml.safe_dump(card))


def judged(folder: Path, noise_hu: float, models: Path) -> SeriesResult:
    images = [making.body_ct(noise_hu, seed=n) for n in range(4)]
    paths = making.write_series(folder / "ct", images, "CT", [0.0, 5.0, 10.0, 15.0])
    files = [(InstanceDigest(str(n) * 64), path) for n, path in enumerate(paths)]
    package = ActiveModels(load_settings(None, assess={"shipped_packages": False, "models_dir": str(models)})).series()
    header = chest_header(modality="CT")
    return judge_series(header, series_traits(header), InstanceDigest("d"), files, SliceTools(decode), 100, package)


def test_it_judges_a_series_and_explains_it_by_its_measurements(tmp_path: Path) -> None:
    write_series_package(tmp_path / "models/series-1.0.0")
    noisy = judged(tmp_path / "noisy", 35.0, tmp_path / "models").assessment
    clean = judged(tmp_path / "clean", 8.0, tmp_path / "models").assessment
    assert [f.present for f in noisy.findings] == [True, False]
    assert [f.present for f in clean.findings] == [False, False]
    assert noisy.findings[1].name == "patient_motion"
    assert (noisy.not_assessed, noisy.model and noisy.model.name) == ("", "series")
    [strongest, *_] = noisy.contributions[FindingName("noise_underexposure")]
    assert strongest.measurement == "ct_noise"
    assert strongest.part == pytest.approx(strongest.value)


def test_without_a_package_series_are_only_measured(tmp_path: Path) -> None:
    result = judged(tmp_path, 10.0, tmp_path / "nothing")
    assert result.assessment.findings == ()
    assert "No model judges CT or MR series" in result.assessment.not_assessed


def test_a_package_that_judges_nothing_of_a_series_is_refused(tmp_path: Path) -> None:
    write_series_package(tmp_path / "series-1.0.0", volume=VOLUME | {"low": 5.0, "high": 5.0})
    with pytest.raises(ModelPackageError, match="low must be below high"):
        open_package(tmp_path / "series-1.0.0", Accelerator.CPU, load_settings().assess)
