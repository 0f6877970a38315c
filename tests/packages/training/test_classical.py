"""Classical models: their scale and graph, what they say of an image and why, and the whole command on small data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

from miqa_node.core.domain.assessment import Contribution, Measurement, contributions_text
from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.core.taxonomy.lookup import defect_names
from miqa_node.errors import ModelPackageError, SettingsError
from miqa_node.interfaces.cli.assess_json import document
from miqa_node.stages.assess.active import ActiveModels
from miqa_node.stages.assess.contracts.measurements import contributions_of, inputs_of, measure_picture
from miqa_node.stages.assess.packages import open_package
from miqa_training.classical.basis import LIMIT, MeasurementScale
from miqa_training.classical.compare import train_classical
from miqa_training.classical.features import FEATURES, MeasurementJudge, Treatment
from miqa_training.classical.graph import sum_graph
from miqa_training.classical.models import KINDS, fit_model
from miqa_training.classical.table import FeatureTable
from miqa_training.samples import CLASSES
from miqa_training.scores import auroc
from tests.packages.training.hospital import chest, save, write_data

pytestmark = pytest.mark.more


def made_table(rows: int = 300, seed: int = 0) -> FeatureTable:
    """Class k depends on one measurement alone, in a bent way where k is odd; some values are missing."""
    rng = np.random.default_rng(seed)
    features = rng.lognormal(0, 1, (rows, len(FEATURES))).astype(np.float32)
    logs = np.log(features[:, np.arange(len(CLASSES)) % len(FEATURES)])
    present = np.where(np.arange(len(CLASSES)) % 2, np.abs(logs) > 0.8, logs > 0.5).astype(np.float32)
    severity = np.where(present > 0, np.clip(np.abs(logs) / 2, 0.1, 1), 0).astype(np.float32)
    present[::50] = severity[::50] = -1
    features[rng.uniform(size=features.shape) < 0.01] = np.nan
    return FeatureTable(features, present, severity)


def test_scale_imputes_medians_and_limits_what_is_far_away() -> None:
    features = np.array([[1.0, 10.0], [3.0, np.nan], [5.0, 30.0], [3.0, 20.0]], np.float32)
    scale = MeasurementScale.of(features)
    assert scale.imputed.tolist() == [3.0, 20.0]
    z = scale.standardise(np.array([[np.nan, np.nan], [3.0, 20.0], [1e9, -1e9]], np.float32))
    assert np.array_equal(z[0], z[1])
    assert z[2].tolist() == [LIMIT, -LIMIT]


@pytest.mark.parametrize("kind", list(KINDS))
def test_models_find_what_depends_on_one_measurement(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miqa_training.classical.models.TREES", 15)
    model = fit_model(kind, made_table(), seed=1)
    other = made_table(seed=5)
    logits, severity = model.judge(other.features)
    labelled = other.present[:, 0] >= 0
    positive = other.present[:, 0] > 0
    assert auroc(logits[labelled & positive, 0], logits[labelled & ~positive, 0]) > 0.9
    assert severity.min() >= 0.0
    assert severity.max() <= 1.0
    again, _ = fit_model(kind, made_table(), seed=1).judge(other.features)
    assert np.array_equal(logits, again)


def test_too_few_samples_are_refused() -> None:
    table = made_table()
    table.present[:, 3] = 0.0
    with pytest.raises(SettingsError, match=f"no {CLASSES[3]}"):
        fit_model("lr", table, seed=1)


def test_only_bends_see_that_both_too_little_and_too_much_is_wrong() -> None:
    areas = {}
    for kind in ("lr", "additive"):
        model, other = fit_model(kind, made_table(), seed=1), made_table(seed=6)
        logits, _ = model.judge(other.features)
        positive, labelled = other.present[:, 1] > 0, other.present[:, 1] >= 0
        areas[kind] = auroc(logits[labelled & positive, 1], logits[labelled & ~positive, 1])
    assert areas["additive"] > 0.9
    assert areas["lr"] < 0.7


@pytest.mark.parametrize("kind", ["lr", "additive", "svm-linear"])
def test_graph_says_what_the_model_says_and_its_parts_add_up(kind: str) -> None:
    table = made_table()
    model = fit_model(kind, table, seed=1)
    usual = np.median(model.scale.standardise(table.features), axis=0).astype(np.float32)
    session = onnxruntime.InferenceSession(sum_graph(model, usual).SerializeToString())
    whole = np.where(np.isnan(table.features), model.scale.imputed, table.features)[:40]
    logits, severity = model.judge(whole)
    bias = None
    for row in range(len(whole)):
        got = session.run(["logits", "severity", "contributions"], {"measurements": whole[row : row + 1]})
        assert np.abs(got[0][0] - logits[row]).max() < 1e-3
        assert np.abs(got[1][0] - severity[row]).max() < 1e-4
        rest = got[0][0] - got[2][0].sum(axis=1)
        bias = rest if bias is None else bias
        assert np.abs(rest - bias).max() < 1e-3, "what the parts leave of the logit is the same for every image"


def test_a_model_that_is_no_sum_has_no_graph() -> None:
    model = fit_model("svm-rbf", made_table(), seed=1)
    with pytest.raises(TypeError, match="sums over measurements"):
        sum_graph(model, np.zeros(len(FEATURES), np.float32))


def test_measurer_gives_the_measurements_of_the_node_by_name() -> None:
    display = np.rint(chest(1) * 65535).astype(np.uint16)
    row = MeasurementJudge().features(display)
    by_name = {m.name: m.value for m in measure_picture(display)}
    assert row == pytest.approx([by_name[name] for name in FEATURES], rel=1e-5)
    noise = FEATURES.index("noise_share")
    assert MeasurementJudge(Treatment(denoise=True)).features(display)[noise] < 0.5 * row[noise]
    contrast = FEATURES.index("entropy")
    assert MeasurementJudge(Treatment(enhance=True)).features(display)[contrast] > row[contrast]
    assert Treatment(denoise=True, enhance=True).name == "denoise+enhance"


def test_contributions_in_words() -> None:
    strong = Contribution("noise_share", 3.14159, "%", 2.4)
    missing = Contribution("grid_peak", None, "", -0.5)
    assert contributions_text((strong, missing)) == "noise_share 3.14 % (+2.40), grid_peak not measured (−0.50)"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The whole command on a small data folder, with two models."""
    folder = tmp_path_factory.mktemp("classical")
    data, out = write_data(folder / "data", training=20, evaluation=4), folder / "models"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("miqa_training.classical.compare.TIMED_SIDE_PX", 256)
        outcome = train_classical(
            data, out, kinds=("lr", "additive"), samples=200, draws=1,
            report_dir=out / "comparison", cache_dir=folder / "cache", image_cache=folder / "images",
        )  # fmt: skip
    return out, outcome


def test_comparison_has_every_model_and_finding_and_a_page(trained: tuple[Path, dict[str, Any]]) -> None:
    out, outcome = trained
    assert [row["package"] for row in outcome["rows"]] == ["lr", "additive"]
    for row in outcome["rows"]:
        assert set(row["findings"]) == set(defect_names())
        assert 0.5 < row["mean_auroc"] <= 1.0
        assert row["milliseconds"] > 0
    written = json.loads((out / "comparison" / "comparison.json").read_text())["rows"]
    assert written == outcome["rows"]
    page = (out / "comparison" / "comparison.html").read_text()
    assert page.count("<svg") == 5
    assert "http://" not in page.replace("http://www.w3.org/", "")


@pytest.mark.long
def test_package_passes_its_checks_and_explains_a_finding(trained: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    out, _ = trained
    folder = out / "quality-classical-0.1.0"
    package = open_package(folder, Accelerator.CPU, load_settings().assess)
    assert len(package.golden_differences) == 8
    assert max(package.golden_differences.values()) < 1e-4
    assert [m.name for m in package.card.measurements] == list(FEATURES)
    assert (folder / "MODEL_CARD.md").read_text().startswith("# quality-classical 0.1.0")

    settings = load_settings(
        assess={"shipped_packages": False, "models_dir": str(out), "quality_package": "quality-classical-0.1.0"},
        node={"data_dir": str(tmp_path), "accelerator": "cpu"},
    )
    models = ActiveModels(settings)
    models.load()
    assert models.name == "quality-classical-0.1.0"
    assert models.package is not None
    assert models.package.judges_measurements


def test_assess_on_the_command_line_gives_contributions(trained: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    from miqa_node.local import LocalAssessor

    out, _ = trained
    picture = tmp_path / "burnt.png"
    save(picture, np.clip(chest(3) * 6.0, 0, 1))
    settings = load_settings(
        assess={"shipped_packages": False, "models_dir": str(out), "quality_package": "quality-classical-0.1.0"},
        node={"data_dir": str(tmp_path), "accelerator": "cpu"},
    )
    with LocalAssessor(settings) as assessor:
        result = assessor.assess_file(picture)
    assessment = result.assessment
    present = {f.name for f in assessment.findings if f.present and f.name in set(defect_names())}
    assert present
    assert set(assessment.contributions) == present
    assert not result.maps.findings
    contributions = document(picture, result, 0.1)["contributions"]
    for parts in contributions.values():
        assert {p["measurement"] for p in parts} == set(FEATURES)
        sizes = [abs(p["part"]) for p in parts]
        assert sizes == sorted(sizes, reverse=True)


def test_what_could_not_be_measured_has_the_value_of_the_card(trained: tuple[Path, dict[str, Any]]) -> None:
    package = open_package(trained[0] / "quality-classical-0.1.0", Accelerator.CPU, load_settings().assess)
    names = package.card.measurements
    measurements = [Measurement(FEATURES[0], 12.0, "%")]
    row = inputs_of(measurements, names)["measurements"][0]
    assert row[0] == 12.0
    assert row[1:].tolist() == pytest.approx([m.imputed for m in names[1:]])
    parts = contributions_of(np.arange(len(names), dtype=np.float32), measurements, names)
    assert parts[0].value is None
    assert parts[-1] == Contribution(FEATURES[0], 12.0, "%", 0.0)


def test_a_graph_of_pixels_cannot_pass_for_one_of_measurements(
    trained: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    from tests.stages.assess.making import write_package

    folder = tmp_path / "tiny-1.0.0"
    write_package(folder, measurements=[{"name": "contrast", "imputed": 1.0}])
    with pytest.raises(ModelPackageError, match="no output called contributions"):
        open_package(folder, Accelerator.CPU, load_settings().assess)
