"""At run time: every method by its name, one run for all findings, and class maps whenever something is in the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from structlog.testing import capture_logs

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest, SeriesInstanceUid, SopInstanceUid, StudyInstanceUid
from miqa_node.core.settings import Accelerator, AssessSettings, SaliencyMethod, load_settings
from miqa_node.core.taxonomy.lookup import defect_names, is_object
from miqa_node.libraries.onnx_vjp import COMBINED, LAYER_MAPS
from miqa_node.stages.assess.active import ActiveModels
from miqa_node.stages.assess.assessor import ImageAssessor
from miqa_node.stages.assess.packages import Package, open_package
from miqa_node.stages.assess.session import GraphSession
from miqa_node.stages.explain import explained
from miqa_node.stages.explain.explainer import Explainer
from miqa_node.stages.explain.methods import CELLS, explain, normalised
from tests.stages.assess import making
from tests.stages.assess.making import CLASSES, RADIOGRAPH, write_package

TAPPED: dict[str, Any] = {"saliency": {"maps": "maps", "method": "mean", "taps": ["global_view"]}}
"""The tiny package's logits are means of the view, so a gradient is the same everywhere and maps are known."""
Make = Callable[..., Package]


def settings_with(method: str, timeout_s: float = 30.0) -> AssessSettings:
    return load_settings(assess={"saliency_method": method, "saliency_timeout_s": timeout_s}).assess


@pytest.fixture
def package(tmp_path: Path) -> Make:
    def make(**changes: Any) -> Package:
        write_package(tmp_path / "tiny-1.0.0", **changes)
        return open_package(tmp_path / "tiny-1.0.0", Accelerator.CPU, settings_with("class_map"))

    return make


def radiograph() -> Radiograph:
    """Dark with a bright square low on the left: rows 90 to 120 of 160, columns 20 to 40 of 120."""
    pixels = np.full((160, 120), 9000, np.uint16)
    pixels[::7] = 12000
    pixels[90:120, 20:40] = 60000
    return Radiograph(pixels, pixels, (0, 65535), (0.2, 0.2))


def header() -> Header:
    return Header(
        "1.2.840.10008.5.1.4.1.1.1", SopInstanceUid("1"), SeriesInstanceUid("2"), StudyInstanceUid("3"),
        "1.2.840.10008.1.2.1", modality="CR", body_part_examined="CHEST", view_position="PA",
    )  # fmt: skip


def graph_of(package: Package) -> explained.ExplainedGraph:
    settings = settings_with("class_map")
    return explained.ExplainedGraph(package.folder / "model.onnx", package.card, Accelerator.CPU, settings)


@pytest.mark.parametrize("method", list(SaliencyMethod))
def test_every_method_gives_maps_in_range_for_all_columns(package: Make, method: str) -> None:
    made = package(**TAPPED)
    inputs: Any = made.prepare(radiograph().display)
    maps = explain(method, graph_of(made), inputs, [1, 5, 9])
    assert maps.dtype == np.float32
    assert maps.shape[0] == 3
    assert maps.ndim == 3
    assert float(maps.min()) >= 0.0
    assert [float(m.max()) for m in maps] == [1.0, 1.0, 1.0]
    assert explain(method, graph_of(made), inputs, []).shape[0] == 0


@pytest.mark.parametrize("method", ["normgrad_scaling", "normgrad_conv1x1", COMBINED])
def test_the_map_lies_where_the_view_has_its_energy(package: Make, method: str) -> None:
    """With one gradient everywhere these maps are |x| of the tap, min-max normalised in the combined one."""
    made = package(**TAPPED)
    inputs: Any = made.prepare(radiograph().display)
    energy = np.abs(inputs.global_view[0, 0])
    expected = energy / energy.max()
    if method == COMBINED:
        expected = (energy - energy.min()) / (energy.max() - energy.min())
    np.testing.assert_allclose(explain(method, graph_of(made), inputs, [3])[0], expected, atol=1e-5)


def test_occlusion_finds_what_raises_the_logit(package: Make) -> None:
    """Hiding the bright square lowers the mean, hiding the dark rest raises it."""
    made = package(**TAPPED)
    [heat] = explain("occlusion", graph_of(made), made.prepare(radiograph().display), [9])
    assert heat.shape == (CELLS, CELLS)
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    assert 90 / 160 <= (row + 0.5) / CELLS <= 120 / 160
    assert 20 / 120 <= (column + 0.5) / CELLS <= 40 / 120
    assert heat[:8].max() == 0.0


def test_a_method_that_does_not_exist_is_said(package: Make) -> None:
    made = package(**TAPPED)
    with pytest.raises(ValueError, match="'magic' is not a method; there are class_map, "):
        explain("magic", graph_of(made), made.prepare(radiograph().display), [0])


def test_settings_know_exactly_the_methods_of_the_run_time() -> None:
    assert {m.value for m in SaliencyMethod} == {*LAYER_MAPS, COMBINED, "class_map", "object_map", "occlusion"}


def test_maps_without_evidence_stay_zero() -> None:
    assert not normalised(np.zeros((3, 3), np.float32)).any()
    assert not normalised(np.full((3, 3), -2.0, np.float32)).any()
    broken = np.array([[np.nan, 4.0], [np.inf, 2.0]], np.float32)
    np.testing.assert_array_equal(normalised(broken), [[0.0, 1.0], [0.0, 0.5]])


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The outputs asked for in each run of a session."""
    calls: list[tuple[str, ...]] = []
    plain = GraphSession.run

    def run(self: GraphSession, outputs: Sequence[str], *args: Any) -> dict[str, NDArray[np.float32]]:
        calls.append(tuple(outputs))
        return plain(self, outputs, *args)

    monkeypatch.setattr(GraphSession, "run", run)
    return calls


def test_all_present_findings_share_one_run_and_are_named(package: Make, runs: list[tuple[str, ...]]) -> None:
    """Every class is present here: the means of a normalised image, times k, are around the threshold of 0.5."""
    made = package(**TAPPED)
    runs.clear()
    explainer = Explainer(made, Accelerator.CPU, settings_with("normgrad_scaling"))
    assessor = ImageAssessor(made, explainer)
    bright = np.random.default_rng(0).integers(0, 65535, (120, 90)).astype(np.uint16)
    bright[:100] = 65535
    judgement = assessor.assess(
        header(), Radiograph(bright, bright, (0, 65535), (0.2, 0.2)), InstanceDigest("d"), RADIOGRAPH
    )
    present = {f.name for f in judgement.assessment.findings if f.present} & set(defect_names())
    assert len(present) > 3
    assert set(judgement.maps.findings) == present
    assert runs == [("logits", "severity", "maps"), ("normgrad_scaling",)]
    for name, shown in judgement.maps.findings.items():
        thing = is_object(name)
        assert shown.method == ("object_map" if thing else "normgrad_scaling")
        assert shown.values.shape == ((8, 8) if thing else (64, 64))
        # The first class does not look at the view at all: no evidence, and no invented one.
        assert thing or shown.values.max() == (0.0 if name == defect_names()[0] else 1.0)
    assert any(is_object(name) for name in judgement.maps.findings)
    assert "explain" in judgement.assessment.timings_ms


def test_nothing_is_explained_when_nothing_is_present(package: Make, runs: list[tuple[str, ...]]) -> None:
    made = package(**TAPPED)
    runs.clear()
    dark = radiograph()
    explainer = Explainer(made, Accelerator.CPU, settings_with("gradcam"))
    judgement = ImageAssessor(made, explainer).assess(header(), dark, InstanceDigest("d"), RADIOGRAPH)
    assert not any(f.present for f in judgement.assessment.findings)
    assert judgement.maps.findings == {}
    assert runs == [("logits", "severity", "maps")]


def test_class_maps_need_no_run_of_their_own(package: Make, runs: list[tuple[str, ...]]) -> None:
    made = package(**TAPPED)
    runs.clear()
    inputs: Any = made.prepare(radiograph().display)
    own = np.random.default_rng(1).random((14, 8, 8)).astype(np.float32)
    maps = Explainer(made, Accelerator.CPU, settings_with("class_map")).explain(inputs, own, [2, 7])
    assert maps[7].method == "mean"
    np.testing.assert_allclose(maps[7].values, own[7] / own[7].max(), rtol=1e-6)
    assert runs == []


def test_an_object_is_pointed_at_where_the_class_map_is_a_spot(package: Make, runs: list[tuple[str, ...]]) -> None:
    """A lead is a stripe of evidence, stronger than the electrode at its end; other findings keep their method."""
    made = package(**TAPPED)
    inputs: Any = made.prepare(radiograph().display)
    own = np.zeros((len(CLASSES), 48, 48), np.float32)
    electrode, other = CLASSES.index("device_in_view"), CLASSES.index("motion_blur")
    own[:, 10], own[:, 30:32, 20:22] = 1.0, 0.9
    runs.clear()
    maps = Explainer(made, Accelerator.CPU, settings_with("class_map")).explain(inputs, own, [electrode, other])
    assert list(maps) == [electrode, other]
    assert (maps[electrode].method, maps[other].method) == ("object_map", "mean")
    row, column = np.unravel_index(int(maps[electrode].values[:, 2:-2].argmax()), (48, 44))
    assert (row in {30, 31}, column + 2 in {20, 21}) == (True, True)
    assert maps[electrode].values.max() == 1.0
    assert not runs


def test_without_class_maps_objects_are_explained_by_a_gradient(package: Make) -> None:
    made = package(**TAPPED)
    inputs: Any = made.prepare(radiograph().display)
    column = CLASSES.index("device_in_view")
    maps = Explainer(made, Accelerator.CPU, settings_with("class_map")).explain(inputs, None, [column])
    assert maps[column].method == "gradcam"


def test_a_package_without_taps_gives_class_maps_and_says_so_once(package: Make) -> None:
    made = package()
    inputs: Any = made.prepare(radiograph().display)
    own = np.ones((14, 8, 8), np.float32)
    explainer = Explainer(made, Accelerator.CPU, settings_with("gradcam"))
    with capture_logs() as lines:
        maps = [explainer.explain(inputs, own, [0]) for _ in range(3)]
    assert [f[0].method for f in maps] == ["mean"] * 3
    [line] = lines
    assert line["package"] == "tiny-1.0.0"
    assert "No layer is named" in line["reason"]


def test_an_operator_without_a_rule_gives_class_maps_and_is_named_once(package: Make) -> None:
    """A graph with a loop on the way to its logits still judges."""
    import onnx
    from onnx import helper

    made = package(**TAPPED)
    path = made.folder / "model.onnx"
    model = onnx.load(path)
    node = next(n for n in model.graph.node if n.op_type == "GlobalAveragePool")
    node.op_type = "GlobalLpPool"
    node.attribute.append(helper.make_attribute("p", 1))
    onnx.save(model, path)
    explainer = Explainer(made, Accelerator.CPU, settings_with("normgrad_combined"))
    with capture_logs() as lines:
        maps = [explainer.explain(made.prepare(radiograph().display), np.ones((14, 8, 8), np.float32), [0, 1])] * 2
    assert [set(f) for f in maps] == [{0, 1}, {0, 1}]
    [line] = lines
    assert "GlobalLpPool" in line["reason"]


def test_an_image_that_takes_too_long_gets_its_class_maps(package: Make) -> None:
    made = package(**TAPPED)
    inputs: Any = made.prepare(radiograph().display)
    own = np.ones((14, 8, 8), np.float32)
    slow = Explainer(made, Accelerator.CPU, settings_with("occlusion", timeout_s=1e-6))
    with capture_logs() as lines:
        assert slow.explain(inputs, own, [0])[0].method == "mean"
    assert lines[0]["limit_s"] == 1e-6
    patient = Explainer(made, Accelerator.CPU, settings_with("occlusion"))
    assert patient.explain(inputs, own, [0])[0].method == "occlusion"


def test_a_graph_that_does_not_end_is_stopped() -> None:
    graph = making.graph({}, "slow").SerializeToString()
    session = GraphSession(graph, Accelerator.CPU, intra_op_threads=1, inter_op_threads=1)
    inputs = {"global_view": np.zeros((1, 1, 64, 64), np.float32), "crops": np.zeros((1, 1, 32, 32), np.float32)}
    with pytest.raises(TimeoutError, match=r"after 0\.3 s"):
        session.run(["logits"], inputs, 0.3)


def test_a_graph_that_fails_while_it_runs_costs_only_the_map(package: Make) -> None:
    """Inputs of another size than the graph's."""
    made = package(**TAPPED)
    inputs: Any = made.prepare(radiograph().display)
    kind: Any = type(inputs)
    wrong = kind(inputs.global_view[:, :, :32], inputs.crops, inputs.crop_boxes)
    explainer = Explainer(made, Accelerator.CPU, settings_with("gradcam"))
    with capture_logs() as lines:
        assert explainer.explain(wrong, np.ones((14, 8, 8), np.float32), [0])[0].method == "mean"
    assert [line["event"] for line in lines] == ["saliency failed"]
    assert explainer.explain(inputs, np.ones((14, 8, 8), np.float32), [0])[0].method == "gradcam"


def test_the_node_explains_by_its_settings(tmp_path: Path) -> None:
    """The models in force hand the settings' method to their assessor."""
    write_package(tmp_path / "models" / "quality-1.0.0", name="quality", **TAPPED)
    assess = {"shipped_packages": False, "models_dir": str(tmp_path / "models"), "saliency_method": "layercam"}
    settings = load_settings(node={"data_dir": str(tmp_path / "data"), "accelerator": "cpu"}, assess=assess)
    bright = np.full((120, 90), 65535, np.uint16)
    bright[100:] = 0
    image = Radiograph(bright, bright, (0, 65535), (0.2, 0.2))
    judgement = ActiveModels(settings).assessor().assess(header(), image, InstanceDigest("d"), RADIOGRAPH)
    methods = {name: shown.method for name, shown in judgement.maps.findings.items()}
    assert methods == {name: "object_map" if is_object(name) else "layercam" for name in methods}
    assert set(methods.values()) == {"layercam", "object_map"}
