"""The pneumonia ensemble: split by patient, fair drawing, calibrated averaging, figures, and the package that ships."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from miqa_node.assess.classify.classifier import open_classifier
from miqa_node.settings import Accelerator, load_settings
from miqa_node.training.pneumonia.data import PneumoniaPart, PneumoniaSample, Population, read_boxes, read_samples
from miqa_node.training.pneumonia.ensemble import calibrated, threshold_of
from miqa_node.training.pneumonia.figures import group_figures, perfect, routing_figures
from miqa_node.training.pneumonia.folds import package_without
from tests.conftest import ROOT

SHARED = ROOT.parent / "shared" / "data"
PACKAGES = sorted((ROOT / "models").glob("pneumonia-ensemble-*"))
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
CHILD = PneumoniaSample(
    Path("x"), "p", Population.CHILDREN, True, True, PneumoniaPart.TRAIN, "1-5", "AP", "CC BY 4.0", "ker224"
)


@pytest.mark.shared
@needs_shared
def test_no_patient_is_in_two_parts_and_both_populations_are_tested() -> None:
    samples = read_samples(SHARED / "cxr_pneumonia")
    parts = {part: {s.patient for s in samples if s.part is part} for part in PneumoniaPart}
    assert not parts[PneumoniaPart.TRAIN] & parts[PneumoniaPart.TEST]
    assert not parts[PneumoniaPart.TRAIN] & parts[PneumoniaPart.CALIBRATE]
    assert not parts[PneumoniaPart.CALIBRATE] & parts[PneumoniaPart.TEST]
    tested = [s for s in samples if s.part is PneumoniaPart.TEST]
    for population in Population:
        labels = [s.pneumonia for s in tested if s.population is population]
        assert min(sum(labels), len(labels) - sum(labels)) > 50
    assert len(read_boxes(SHARED / "cxr_boxes")) > 70


def test_drawing_makes_population_and_view_say_nothing_of_the_label() -> None:
    pytest.importorskip("torch")
    from miqa_node.training.pneumonia.drawn import balanced_weights

    adult = replace(CHILD, population=Population.ADULTS, strong=False)
    samples = [CHILD] * 5 + [replace(CHILD, pneumonia=False)] * 2
    samples += [adult] * 4 + [replace(adult, view="PA")] * 1 + [replace(adult, pneumonia=False)] * 7
    weights = np.array(balanced_weights(samples))

    def share(**wanted: object) -> float:
        chosen = [all(getattr(s, k) == v for k, v in wanted.items()) for s in samples]
        return float(weights[chosen].sum() / weights.sum())

    for population in Population:
        for pneumonia in (True, False):
            assert share(population=population, pneumonia=pneumonia) == pytest.approx(0.25)
    assert share(population=Population.ADULTS, pneumonia=True, view="PA") == pytest.approx(0.125)


def test_the_mean_of_calibrated_members_means_what_it_says() -> None:
    rng = np.random.default_rng(3)
    truth = rng.random(4000) < 0.5
    evidence = np.where(truth, 1.0, -1.0) + rng.normal(0, 1.0, 4000)
    logits = {  # one member boasts, the other is timid and biased
        "resnet": np.stack([np.zeros(4000), 9.0 * evidence + 4.0], 1).astype(np.float32),
        "densenet": np.stack([np.zeros(4000), 0.3 * evidence - 1.0], 1).astype(np.float32),
    }
    samples = [replace(CHILD, pneumonia=bool(value)) for value in truth]
    ensemble = calibrated(logits, samples, {"resnet": "tap_deep", "densenet": "tap_deep"})
    probability = ensemble.probability(logits)
    figures = group_figures(probability, truth, [str(n) for n in range(4000)], probability >= ensemble.threshold)
    assert figures["ece"] < 0.03
    assert figures["recall"] >= 0.965
    assert figures["auroc_low"] < figures["auroc"] < figures["auroc_high"]
    assert [member.file for member in ensemble.members] == ["resnet.onnx", "densenet.onnx"]


def test_the_threshold_keeps_the_wanted_recall_and_is_never_above_one_half() -> None:
    probability = np.linspace(0.2, 0.99, 200)
    assert (probability >= threshold_of(probability, 0.97)).mean() >= 0.97
    assert threshold_of(np.full(50, 0.9), 0.97) == 0.5


def test_few_images_show_an_error_of_calibration_that_is_not_there() -> None:
    probability = np.random.default_rng(2).random(4000)
    few, many = perfect(probability[:77]), perfect(probability)
    assert few["ece_if_perfect"] > 0.07
    assert few["ece_if_perfect"] < few["ece_if_perfect_high"]
    assert many["ece_if_perfect"] < 0.02


@pytest.mark.parametrize("folder", PACKAGES[-1:], ids=lambda p: p.name)
def test_held_out_adults_are_judged_by_a_package_that_was_calibrated_without_them(folder: Path, tmp_path: Path) -> None:
    made = package_without(2, folder, tmp_path)
    changed = open_classifier(made, Accelerator.CPU, load_settings().assess)
    shipped = open_classifier(folder, Accelerator.CPU, load_settings().assess)
    row = shipped.card.calibration["without_fold"][2]
    assert changed.card.combination.temperature == row["together"]["temperature"]
    assert changed.card.operating_point is not None
    assert changed.card.operating_point.threshold == row["threshold"]
    assert [m.temperature for m in changed.card.members] == [
        row[m.architecture]["temperature"] for m in changed.card.members
    ]
    assert max(changed.golden_differences.values()) < 1e-4
    picture = np.random.default_rng(0).integers(0, 65536, (300, 260), np.uint16)
    assert changed.see(picture)[0] != shipped.see(picture)[0]
    with pytest.raises(ValueError, match="fold 9"):
        package_without(9, folder, tmp_path / "other")


def test_routing_counts_errors_among_what_is_automated_only() -> None:
    automated, right = np.array([True, True, False, True]), np.array([True, False, False, True])
    found = routing_figures(automated, right)
    assert (found["automated"], found["automated_errors"]) == (3, 1)
    assert found["automated_error_share"] == pytest.approx(1 / 3, abs=1e-4)
    assert routing_figures(np.zeros(4, bool), right)["automated_error_share"] is None


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda p: p.name)
def test_the_package_that_ships_is_sound_small_and_labelled(folder: Path) -> None:
    classifier = open_classifier(folder, Accelerator.CPU, load_settings().assess)
    assert len(classifier.golden_differences) >= 5
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 20_000_000
    card = classifier.card
    assert card.clinical
    assert "decision support, not diagnosis" in card.intended_use.lower()
    assert {member.architecture for member in card.members} == {"resnet", "mobilenet", "densenet"}
    page = (folder / "MODEL_CARD.md").read_text("utf-8")
    assert str(card.metrics["cross_population"]["trained on children (resnet)"]["AUROC on adults"])[:5] in page
    assert all("CC BY" in row["licence"] or "free use" in row["licence"] for row in card.training["data"])
    blank = np.random.default_rng(0).integers(0, 65536, (300, 260), np.uint16)
    scores, image = classifier.see(blank)
    assert sum(scores.values()) == pytest.approx(1.0)
    found = classifier.map_of(image, "Pneumonia", blank.shape)
    assert found is not None
    assert found.method == card.map_method
