"""Maps from a gradient graph that was sealed in are those that were derived at work, bit by bit, and need no onnx."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import yaml
from numpy.typing import NDArray

from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.errors import ConflictError, ModelPackageError
from miqa_node.libraries import onnx_vjp
from miqa_node.stages.assess.bare import pack
from miqa_node.stages.assess.card import BaseCard, gradient_file, read_card
from miqa_node.stages.assess.gradient_graph import SEED, SOURCE_KEY, graph_with_maps, try_gradients, with_weights
from miqa_node.stages.assess.packages import open_package
from miqa_node.stages.assess.self_contained import read_graph
from miqa_node.stages.assess.sidecars import read_any_card
from miqa_node.stages.explain.derivation import derived, write_gradients
from miqa_node.stages.explain.explained import ExplainedGraph
from miqa_node.stages.explain.explainer import Explainer
from miqa_node.stages.explain.maps_graph import maps_graph
from miqa_node.stages.explain.sealing import add_gradients
from miqa_node.stages.explain.sources import GRADIENT_METHODS, gradients_sealed_in, map_sources
from tests.conftest import ROOT
from tests.stages.assess.classify.making import write_classifier
from tests.stages.assess.making import sha256, write_package

SETTINGS = load_settings(assess={"saliency_method": "gradcam"}).assess
TAPPED: dict[str, Any] = {"saliency": {"maps": "maps", "method": "mean", "taps": ["global_view"]}}
SHIPPED = [path for path in sorted((ROOT / "models").iterdir()) if map_sources(read_any_card(path))]
MISSING = r"tiny-1\.0\.0 has no gradient graph of model\.onnx, and onnx is not installed.*models seal tiny-1\.0\.0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_package(tmp_path / "tiny-1.0.0", **TAPPED)
    return tmp_path / "tiny-1.0.0"


@pytest.fixture
def without_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in sys.modules if one.partition(".")[0] == "onnx" or one.endswith(".derivation")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)


def map_of(graph: bytes, method: str) -> NDArray[np.float32]:
    """The map of an input of noise for the first two classes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(7)
    feed = {
        one.name: rng.standard_normal([size if isinstance(size, int) else 1 for size in one.shape]).astype(np.float32)
        for one in session.get_inputs()
        if one.name != SEED
    }
    classes = next(one.shape[1] for one in session.get_inputs() if one.name == SEED)
    [made] = session.run([method], {**feed, SEED: np.eye(classes, dtype=np.float32)[:2]})
    return np.asarray(made)


def test_methods_and_seed_are_those_of_the_differentiation() -> None:
    assert set(GRADIENT_METHODS) == {*onnx_vjp.LAYER_MAPS, onnx_vjp.COMBINED}
    assert SEED == onnx_vjp.SEED


def test_a_sealed_package_keeps_its_identity_and_needs_no_onnx(folder: Path, request: pytest.FixtureRequest) -> None:
    (folder / "card.yaml").write_text("# of the physicist\n" + (folder / "card.yaml").read_text())
    sections = yaml.safe_load((folder / "card.yaml").read_text())
    before, model = open_package(folder, Accelerator.CPU, SETTINGS), (folder / "model.onnx").read_bytes()
    assert gradients_sealed_in(folder, before.card) == {"model.onnx": False}
    assert add_gradients(folder) == {"model.onnx": ""}
    after = open_package(folder, Accelerator.CPU, SETTINGS)
    assert after.identity == before.identity
    assert (folder / "model.onnx").read_bytes() == model
    text = (folder / "card.yaml").read_text()
    assert text.startswith("# of the physicist\n")
    assert {**yaml.safe_load(text), "files": 0} == {**sections, "files": 0}
    assert (folder / "model.gradients.onnx").stat().st_mode == (folder / "model.onnx").stat().st_mode
    assert gradients_sealed_in(folder, after.card) == {"model.onnx": True}

    request.getfixturevalue("without_onnx")
    inputs: Any = after.prepare(np.full((120, 90), 30000, np.uint16))
    own = np.ones((16, 8, 8), np.float32)
    assert Explainer(after, Accelerator.CPU, SETTINGS).explain(inputs, own, [3])[3].method == "gradcam"


def test_without_gradient_graph_and_onnx_class_maps_are_shown(folder: Path, without_onnx: None) -> None:
    package = open_package(folder, Accelerator.CPU, SETTINGS)
    inputs: Any = package.prepare(np.full((120, 90), 30000, np.uint16))
    own = np.ones((16, 8, 8), np.float32)
    assert Explainer(package, Accelerator.CPU, SETTINGS).explain(inputs, own, [3])[3].method == "mean"
    [source] = map_sources(package.card)
    with pytest.raises(ModelPackageError, match=MISSING):
        maps_graph(folder / "model.onnx", package.card, source, "gradcam")


def test_a_classifier_is_explained_by_its_gradient_graph(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    from miqa_node.stages.assess.classify.classifier import open_classifier

    folder = tmp_path / "lungs-1.0.0"
    write_classifier(folder)
    display = np.random.default_rng(3).integers(0, 65536, (50, 40), np.uint16)

    def explained() -> Any:
        classifier = open_classifier(folder, Accelerator.CPU, SETTINGS)
        _, image = classifier.see(display)
        return classifier.map_of(image, "Pneumonia", (50, 40))

    derived_map = explained()
    assert add_gradients(folder) == {"a.onnx": ""}  # the other member has no tap
    request.getfixturevalue("without_onnx")
    np.testing.assert_array_equal(explained().values, derived_map.values)


def change_gradients(folder: Path, change: Callable[[onnx.ModelProto], None]) -> None:
    """Change the gradient graph, and the card's checksum of it."""
    file = folder / "model.gradients.onnx"
    model = onnx.load(file)
    change(model)
    onnx.save(model, file)
    card = yaml.safe_load((folder / "card.yaml").read_text())
    card["files"][file.name] = sha256(file)
    (folder / "card.yaml").write_text(yaml.safe_dump(card))


def test_a_damaged_gradient_graph_is_refused(folder: Path) -> None:
    add_gradients(folder)
    file = folder / "model.gradients.onnx"
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ModelPackageError, match=r"model\.gradients\.onnx is not the file that the card was"):
        open_package(folder, Accelerator.CPU, SETTINGS)
    file.unlink()
    with pytest.raises(ModelPackageError, match=r"model\.gradients\.onnx is missing"):
        open_package(folder, Accelerator.CPU, SETTINGS)


@pytest.mark.parametrize("content", [b"not a graph", b""])
def test_what_is_no_gradient_graph_is_refused(folder: Path, content: bytes) -> None:
    (folder / "model.gradients.onnx").write_bytes(content)
    card = yaml.safe_load((folder / "card.yaml").read_text())
    card["files"]["model.gradients.onnx"] = sha256(folder / "model.gradients.onnx")
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    with pytest.raises(ModelPackageError, match=r"not an ONNX graph|was not derived from this model\.onnx"):
        open_package(folder, Accelerator.CPU, SETTINGS)


def test_the_gradient_graph_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    add_gradients(folder)
    write_package(tmp_path / "tiny-1.1.0", "1.1.0", **TAPPED)
    add_gradients(tmp_path / "tiny-1.1.0")
    shutil.copy(tmp_path / "tiny-1.1.0" / "model.gradients.onnx", folder)
    change_gradients(folder, lambda _: None)
    with pytest.raises(ModelPackageError, match=r"was not derived from this model\.onnx; .*models seal"):
        open_package(folder, Accelerator.CPU, SETTINGS)


def test_weights_in_other_files_are_refused(folder: Path) -> None:
    add_gradients(folder)

    def elsewhere(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer.add(name="outside", data_type=1, data_location=onnx.TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value="/etc/passwd")

    file = folder / "model.gradients.onnx"
    model = onnx.load(file)
    elsewhere(model)
    file.write_bytes(model.SerializeToString())
    card = yaml.safe_load((folder / "card.yaml").read_text())
    card["files"][file.name] = sha256(file)
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    with pytest.raises(ModelPackageError, match="keeps weights in other files"):
        open_package(folder, Accelerator.CPU, SETTINGS)


def test_a_weight_that_the_model_lacks_is_named(folder: Path) -> None:
    add_gradients(folder)

    def rename(model: onnx.ModelProto) -> None:
        one = next(one for one in model.graph.input if one.name == "weights")
        one.name = "others"
        for node in model.graph.node:
            node.input[:] = ["others" if name == "weights" else name for name in node.input]

    change_gradients(folder, rename)
    card = read_card(folder)
    with pytest.raises(ModelPackageError, match=r"needs 'others', which model\.onnx does not have"):
        try_gradients(folder, card, Accelerator.CPU, SETTINGS)


def test_files_changed_after_the_package_was_opened_make_no_maps(folder: Path) -> None:
    add_gradients(folder)
    card = read_card(folder)
    for name in ("model.onnx", "model.gradients.onnx"):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data + b"\n")
        with pytest.raises(ModelPackageError, match="was changed while it was in use"):
            graph_with_maps(folder / "model.onnx", "model.onnx", card, "gradcam")
        (folder / name).write_bytes(data)
    (folder / "model.gradients.onnx").unlink()
    with pytest.raises(ModelPackageError, match=r"model\.gradients\.onnx cannot be read: No such file"):
        graph_with_maps(folder / "model.onnx", "model.onnx", card, "gradcam")


def test_a_bare_package_has_it_in_its_metadata(folder: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    add_gradients(folder)
    bare = tmp_path / "bare" / "tiny-1.0.0.onnx"
    bare.parent.mkdir()
    pack(folder, read_card(folder), "model.onnx", bare)
    with pytest.raises(ConflictError, match="pack it again from its folder"):
        add_gradients(bare)
    request.getfixturevalue("without_onnx")
    package = open_package(bare, Accelerator.CPU, SETTINGS)
    assert gradients_sealed_in(bare, package.card) == {"model.onnx": True}
    try_gradients(bare, package.card, Accelerator.CPU, SETTINGS)
    inputs: Any = package.prepare(np.full((120, 90), 30000, np.uint16))
    own = np.ones((16, 8, 8), np.float32)
    assert Explainer(package, Accelerator.CPU, SETTINGS).explain(inputs, own, [3])[3].method == "gradcam"


def test_a_bare_package_with_a_damaged_one_is_refused(folder: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare" / "tiny-1.0.0.onnx"
    bare.parent.mkdir()
    pack(folder, read_card(folder), "model.onnx", bare)
    model = onnx.load(bare)
    model.metadata_props.add(key="miqa_gradients", value="bm8gZ3JhcGg=")
    onnx.save(model, bare)
    with pytest.raises(ModelPackageError, match="the gradient graph in the metadata is not an ONNX graph"):
        open_package(bare, Accelerator.CPU, SETTINGS)


def test_a_graph_that_cannot_be_differentiated_gets_none(folder: Path) -> None:
    add_gradients(folder)
    model = onnx.load(folder / "model.onnx")
    node = next(one for one in model.graph.node if one.op_type == "GlobalAveragePool")
    node.op_type = "GlobalLpPool"
    onnx.save(model, folder / "model.onnx")
    card = yaml.safe_load((folder / "card.yaml").read_text())
    del card["files"]["model.gradients.onnx"]
    (folder / "model.gradients.onnx").unlink()
    card["files"]["model.onnx"] = sha256(folder / "model.onnx")
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    [reason] = add_gradients(folder).values()
    assert "GlobalLpPool" in reason
    assert not (folder / "model.gradients.onnx").exists()


def test_a_signed_or_altered_package_is_not_sealed(folder: Path) -> None:
    (folder / "signature.json").write_text("{}")
    with pytest.raises(ConflictError, match=r"is signed.*remove signature\.json, seal it, and sign it again"):
        add_gradients(folder)
    (folder / "signature.json").unlink()
    (folder / "golden" / "0.json").write_text("{}")
    with pytest.raises(ModelPackageError, match=r"golden/0\.json is not the file"):
        add_gradients(folder)
    assert not (folder / "model.gradients.onnx").exists()


def test_old_graphs_list_their_weights_as_inputs(tmp_path: Path, folder: Path) -> None:
    """Before IR version 4 every initializer had to be an input as well."""
    model = onnx.load(folder / "model.onnx")
    model.graph.input.extend(
        onnx.helper.make_tensor_value_info(one.name, one.data_type, one.dims) for one in model.graph.initializer
    )
    onnx.save(model, folder / "model.onnx")
    card: BaseCard = read_card(folder)
    write_gradients(folder, card)
    gradients, whole = (read_graph(folder / name) for name in ("model.gradients.onnx", "model.onnx"))
    assert {item.key: item.value for item in gradients.metadata_props} == {SOURCE_KEY: sha256(folder / "model.onnx")}
    made = with_weights(gradients, whole, "model.onnx", ["gradcam"])
    [source] = map_sources(card)
    plain = onnx_vjp.keep_outputs(derived(folder / "model.onnx", source), ["gradcam"])
    grafted, whole_map = (map_of(one.SerializeToString(), "gradcam") for one in (made, plain))
    np.testing.assert_array_equal(grafted, whole_map)


@pytest.mark.more
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


@pytest.mark.more
def test_a_map_of_a_flagged_image_begins_where_the_run_of_the_graph_ended() -> None:
    """The taps come with the verdict; by them the map has the same values, and nothing else is computed again."""
    settings = load_settings()
    package = open_package(max(settings.models_dir.glob("quality-0*")), Accelerator.CPU, settings.assess)
    inputs = package.prepare(np.random.default_rng(6).integers(0, 65535, (400, 320), np.uint16))
    graph = ExplainedGraph(package.folder / "model.onnx", package.card, Accelerator.CPU, settings.assess)
    outputs = package.run(inputs.arrays)
    assert {*package.card.saliency.taps} <= outputs.keys()
    whole, short = (graph.gradient_maps("normgrad_scaling", one, [3]) for one in (inputs.arrays, {**outputs}))
    assert whole.max() > 0.0
    np.testing.assert_array_equal(short, whole)


PROGRAM = """
import json, sys
sys.modules["onnx"] = None
from miqa_node.interfaces.cli.app import run
code = run(["assess", sys.argv[1], "--packages", "pneumonia-ensemble", "--saliency-dir", sys.argv[2], "--json"])
sys.exit(code)
"""


@pytest.mark.more
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


@pytest.mark.more
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
