"""A model package judges nothing until its files, card, goldens and provider are what they should be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml

from miqa_node.core.domain.instance import Header, SeriesInstanceUid, SopInstanceUid, StudyInstanceUid
from miqa_node.core.settings import Accelerator, load_settings, share_dir
from miqa_node.errors import InferenceError, ModelPackageError, SettingsError
from miqa_node.stages.assess.findings import read_findings
from miqa_node.stages.assess.package_files import find_package, hidden_in_words, newest_package, package_folders
from miqa_node.stages.assess.packages import Package, open_package
from miqa_node.stages.assess.self_contained import read_graph
from miqa_node.stages.assess.session import GPU_PROVIDER
from tests.stages.assess.making import sha256, write_package

SETTINGS = load_settings().assess


def open_it(folder: Path, accelerator: Accelerator = Accelerator.CPU) -> Package:
    return open_package(folder, accelerator, SETTINGS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_package(tmp_path / "tiny-1.0.0")
    return tmp_path / "tiny-1.0.0"


def test_a_whole_package_opens_and_computes_what_its_goldens_say(folder: Path) -> None:
    package = open_it(folder)
    assert (package.identity.name, package.identity.version) == ("tiny", "1.0.0")
    assert package.identity.sha256 == sha256(folder / "model.onnx")
    outputs = package.run(package.prepare(np.full((200, 100), 30000, np.uint16)).arrays)
    assert {name: value.shape for name, value in outputs.items()} == {
        "logits": (1, 16),
        "severity": (1, 16),
        "maps": (1, 16, 8, 8),
    }


def test_values_that_are_no_numbers_are_no_findings(folder: Path) -> None:
    """No threshold is below NaN, so nothing was found, and the image was accepted."""
    package = open_it(folder)
    inputs = package.prepare(np.full((200, 100), 30000, np.uint16)).arrays
    outputs = package.run({name: np.full_like(values, np.nan) for name, values in inputs.items()})
    with pytest.raises(InferenceError, match=r"tiny-1\.0\.0 gave values for the image that are no numbers"):
        read_findings(package, outputs, ())


def test_a_card_with_more_classes_than_its_graph_is_refused(tmp_path: Path) -> None:
    card = write_package(tmp_path / "tiny-1.0.0")
    twice = [*card["outputs"]["classes"], *card["outputs"]["classes"]]
    write_package(tmp_path / "twice-1.0.0", "1.0.0", "twice", outputs={"classes": twice})
    with pytest.raises(ModelPackageError, match=r"twice-1\.0\.0: the graph cannot compute the golden examples"):
        open_it(tmp_path / "twice-1.0.0")


def change_card(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    card = yaml.safe_load((folder / "card.yaml").read_text())
    change(card)
    (folder / "card.yaml").write_text(yaml.safe_dump(card))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c["outputs"]["classes"][0].update(threshold=0.4), "'outputs'.*differs"),
        (lambda c: c["applicability"].update(modality=["CR", "CT"]), "'applicability'.*differs"),
        (lambda c: c.update(surprise=1), "surprise"),
        (lambda c: c.pop("limits"), "limits"),
        (lambda c: c["outputs"]["classes"][0].update(temperature=0), "temperature"),
        (lambda c: c["files"].update({"model.onnx": "0" * 64}), "model.onnx is not the file"),
        (lambda c: c["files"].pop("model.onnx"), "no checksum"),
        (lambda c: c["files"].update({"../x": "0" * 64}), "outside of the package"),
        (lambda c: c["files"].update({"golden/9.png": "0" * 64}), "golden/9.png is missing"),
    ],
)
def test_a_card_that_does_not_fit_is_refused_and_named(
    folder: Path, change: Callable[[dict[str, Any]], None], says: str
) -> None:
    change_card(folder, change)
    with pytest.raises(ModelPackageError, match=says):
        open_it(folder)


@pytest.mark.parametrize(
    "text", [b"name: \xff", b"name: 2026-13-40", b"[" * 50_000, b"- " * 50_000, b"a: *b", b'name: "\\e[2J"']
)
def test_a_card_that_cannot_be_read_is_refused_in_a_sentence(folder: Path, text: bytes) -> None:
    (folder / "card.yaml").write_bytes(text)
    with pytest.raises(ModelPackageError, match="is not plain YAML"):
        open_it(folder)


def weights_outside(folder: Path) -> Path:
    """The package with its graph's tensors in a second file, and checksums to match the graph."""
    model = onnx.load(folder / "model.onnx")
    weights = np.ones((8, 8), np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "unused"))
    onnx.save(model, folder / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    change_card(folder, lambda c: c["files"].update({"model.onnx": sha256(folder / "model.onnx")}))
    return folder / "weights.bin"


@pytest.mark.parametrize("is_listed", [False, True])
def test_weights_beside_a_graph_are_refused(folder: Path, is_listed: bool) -> None:
    outside = weights_outside(folder)
    if is_listed:
        change_card(folder, lambda c: c["files"].update({"weights.bin": sha256(outside)}))
    with pytest.raises(ModelPackageError, match="in other files" if is_listed else r"does not list weights\.bin"):
        open_it(folder)


def test_weights_hidden_in_a_branch_are_found(folder: Path) -> None:
    model = onnx.load(folder / "model.onnx")
    hidden = onnx.numpy_helper.from_array(np.ones(1, np.float32), "w")
    hidden.ClearField("raw_data")
    hidden.data_location = onnx.TensorProto.EXTERNAL
    hidden.external_data.add(key="location", value="weights.bin")
    inner = onnx.helper.make_graph([onnx.helper.make_node("Constant", [], ["c"], value=hidden)], "inner", [], [])
    model.graph.node.append(onnx.helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner))
    onnx.save(model, folder / "model.onnx")
    with pytest.raises(ModelPackageError, match="in other files"):
        read_graph(folder / "model.onnx")


@pytest.mark.parametrize("name", ["notes.txt", ".hidden", "golden/9.png"])
def test_a_package_is_exactly_what_its_card_lists(folder: Path, name: str) -> None:
    (folder / "MODEL_CARD.md").write_text("the card as a page")
    open_it(folder)
    (folder / name).write_text("more")
    with pytest.raises(ModelPackageError, match="does not list"):
        open_it(folder)


def test_a_package_holds_no_links(folder: Path, tmp_path: Path) -> None:
    (folder / "golden/0.png").rename(tmp_path / "elsewhere.png")
    (folder / "golden/0.png").symlink_to(tmp_path / "elsewhere.png")
    with pytest.raises(ModelPackageError, match="no links"):
        open_it(folder)


def test_an_altered_graph_is_refused(folder: Path) -> None:
    model = onnx.load(folder / "model.onnx")
    model.graph.node[0].name = "renamed"
    onnx.save(model, folder / "model.onnx")
    with pytest.raises(ModelPackageError, match=r"model\.onnx is not the file"):
        open_it(folder)


def test_other_numbers_than_the_golden_ones_are_refused(folder: Path) -> None:
    path = folder / "golden/0.json"
    expected = json.loads(path.read_text())
    expected["probability"][3] += 0.01
    path.write_text(json.dumps(expected))
    change_card(folder, lambda c: c["files"].update({"golden/0.json": sha256(path)}))
    with pytest.raises(ModelPackageError, match=r"golden/0\.png.*differ by 0\.01"):
        open_it(folder)


def test_a_graph_that_is_none_is_refused(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"not a graph")
    change_card(folder, lambda c: c["files"].update({"model.onnx": sha256(folder / "model.onnx")}))
    with pytest.raises(ModelPackageError, match="not an ONNX graph"):
        open_it(folder)


def test_a_required_gpu_that_is_missing_is_said(folder: Path) -> None:
    import onnxruntime

    if GPU_PROVIDER in onnxruntime.get_available_providers():
        pytest.skip("this machine has a GPU provider")
    with pytest.raises(SettingsError, match=r"node\.accelerator"):
        open_it(folder, Accelerator.GPU)


def test_the_newest_version_of_a_name_is_taken(tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0", "1.2.0"):
        write_package(tmp_path / f"tiny-{version}", version)
    (tmp_path / "notes").mkdir()
    newest = newest_package(tmp_path, "tiny")
    assert newest is not None
    assert newest.name == "tiny-1.10.0"
    assert len(package_folders(tmp_path)) == 3
    assert newest_package(tmp_path, "quality") is None
    assert package_folders(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("header", "spacing", "says"),
    [
        ({}, (0.2, 0.2), ""),
        ({}, None, ""),
        ({"body_part_examined": "chest"}, None, ""),
        ({"body_part_examined": ""}, None, ""),
        ({"modality": "MG"}, None, "Modality MG"),
        ({"body_part_examined": "KNEE"}, None, "Body Part Examined KNEE"),
        ({"view_position": ""}, None, r"View Position \(absent\)"),
        ({"view_position": "Doe^Jane"}, None, "View Position as given"),
        ({}, (2.0, 2.0), "pixel pitch 2 mm"),
    ],
)
def test_out_of_scope_is_said_in_a_sentence(
    folder: Path, header: dict[str, str], spacing: tuple[float, float] | None, says: str
) -> None:
    import re

    values: dict[str, Any] = {"modality": "CR", "body_part_examined": "CHEST", "view_position": "PA"} | header
    made = Header("1.2", SopInstanceUid("1"), SeriesInstanceUid("2"), StudyInstanceUid("3"), "1.2", **values)
    sentence = open_it(folder).card.applicability.excludes(made, spacing)
    assert (sentence == "") if not says else re.search(says, sentence)


def test_packages_of_a_site_stand_beside_the_shipped_ones(tmp_path: Path) -> None:
    site, shipped = tmp_path / "site", tmp_path / "shipped"
    for folder, names in (
        (site, ("own-1.0.0", "quality-0.5.0", "same-1.0.0")),
        (shipped, ("quality-0.9.0", "same-1.0.0")),
    ):
        for name in names:
            write_package(folder / name, name.rpartition("-")[2], name.rpartition("-")[0])
    both = (site, shipped)

    assert [str(path.relative_to(tmp_path)) for path in package_folders(both)] == [
        "site/own-1.0.0", "site/quality-0.5.0", "shipped/quality-0.9.0", "site/same-1.0.0"
    ]  # fmt: skip
    assert find_package(both, "quality-0.9.0") == shipped / "quality-0.9.0"
    assert find_package(both, "same-1.0.0") == site / "same-1.0.0"
    assert newest_package(both, "quality") == site / "quality-0.5.0", "an upgrade of the node does not replace it"
    assert hidden_in_words(both) == [
        f"{shipped}/same-1.0.0 is not used: {site}/same-1.0.0 has the same name and version."
    ]


def test_a_site_may_go_without_the_shipped_packages(tmp_path: Path) -> None:
    shipped = share_dir("models")
    assert load_settings().model_folders == (shipped,)
    assert load_settings(assess={"models_dir": str(tmp_path)}).model_folders == (tmp_path, shipped)
    assert load_settings(assess={"models_dir": str(shipped)}).model_folders == (shipped,)
    alone = load_settings(assess={"models_dir": str(tmp_path), "shipped_packages": False})
    assert alone.model_folders == (tmp_path,)
    assert load_settings(assess={"shipped_packages": False}).model_folders == ()
