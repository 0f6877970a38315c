"""The pneumonia ensemble: split by patient, fair drawing, calibrated averaging, figures, and the package that ships."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.libraries.plain_statistics.binomial import upper_limit
from miqa_node.stages.assess.card import gradient_file, read_sections
from miqa_node.stages.assess.classify.card import ClassifierCard
from miqa_node.stages.assess.classify.classifier import open_classifier
from miqa_node.stages.explain.sources import map_sources
from miqa_training.patients import PatientPart
from miqa_training.pneumonia.automation import automation_of
from miqa_training.pneumonia.calibration import SHARES, worthwhile
from miqa_training.pneumonia.data import (
    PneumoniaSample,
    Population,
    calibrates,
    read_all,
    read_boxes,
    read_samples,
)
from miqa_training.pneumonia.ensemble import calibrated, threshold_of
from miqa_training.pneumonia.figures import group_figures, perfect, routing_figures
from tests.conftest import ROOT

pytestmark = pytest.mark.more

SHARED = ROOT.parent / "shared" / "data"
PACKAGES = sorted((ROOT / "models").glob("pneumonia-ensemble-*"))
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
CHILD = PneumoniaSample(
    Path("x"), "p", Population.CHILDREN, True, True, PatientPart.TRAIN, "1-5", "AP", "CC BY 4.0", "ker224"
)


@pytest.mark.shared
@needs_shared
def test_no_patient_is_in_two_parts_and_both_populations_are_tested() -> None:
    samples = read_samples(SHARED / "cxr_pneumonia")
    parts = {part: {s.patient for s in samples if s.part is part} for part in PatientPart}
    assert not parts[PatientPart.TRAIN] & parts[PatientPart.TEST]
    assert not parts[PatientPart.TRAIN] & parts[PatientPart.CALIBRATE]
    assert not parts[PatientPart.CALIBRATE] & parts[PatientPart.TEST]
    tested = [s for s in samples if s.part is PatientPart.TEST]
    for population in Population:
        labels = [s.pneumonia for s in tested if s.population is population]
        assert min(sum(labels), len(labels) - sum(labels)) > 30
    assert len(read_boxes(SHARED / "cxr_boxes")) > 70


def test_drawing_makes_population_and_view_say_nothing_of_the_label() -> None:
    pytest.importorskip("torch")
    from miqa_training.pneumonia.fit import balanced_weights

    adult = replace(CHILD, population=Population.ADULTS, strong=False)
    samples = [CHILD] * 5 + [replace(CHILD, pneumonia=False)] * 2
    samples += [adult] * 4 + [replace(adult, view="PA")] * 1 + [replace(adult, pneumonia=False)] * 7
    weights = np.array(balanced_weights(samples))

    def share(**expected: object) -> float:
        chosen = [all(getattr(s, k) == v for k, v in expected.items()) for s in samples]
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


def test_a_member_that_does_not_help_is_dropped() -> None:
    rng = np.random.default_rng(5)
    truth = rng.random(600) < 0.5
    evidence = np.where(truth, 1.5, -1.5) + rng.normal(0, 1.0, 600)
    noise = rng.normal(0, 1.0, 600)
    values = {"noise": noise, "good": evidence, "twin": evidence + 0.05 * noise}
    logits = {name: np.stack([np.zeros(600), one], 1).astype(np.float32) for name, one in values.items()}
    samples = [replace(CHILD, pneumonia=bool(value)) for value in truth]
    shares, tried = worthwhile(logits, samples)
    assert shares in ({"good": 1.0}, {"twin": 1.0})
    assert len(tried) == 3 + 2 * len(SHARES), "each alone, and each other one beside the best with every share"


def test_nothing_is_automated_where_the_data_cannot_show_that_it_is_right() -> None:
    def adult(number: int, *, pneumonia: bool, source: str) -> PneumoniaSample:
        return replace(
            CHILD, patient=f"{source}{number}", population=Population.ADULTS, pneumonia=pneumonia, source=source,
            part=PatientPart.ELSEWHERE,
        )  # fmt: skip

    one_label = [adult(n, pneumonia=False, source="normal") for n in range(300)]
    both = [adult(n, pneumonia=n % 2 == 0, source="both") for n in range(60)]
    samples = [*one_label, *both]
    right = np.array([0.95 if s.pneumonia else 0.05 for s in samples])
    children, adults = automation_of(samples, right, 0.5)
    assert (children.answers, children.upper_bound, children.suffices) == (0, 1.0, False)
    assert "no collection shows" in children.sentence
    assert (adults.collections, adults.answers, adults.errors) == (("both",), 60, 0)
    assert adults.suffices
    few = automation_of(samples[:-2], right[:-2], 0.5)[1]
    assert (few.answers, few.suffices) == (58, False), "59 answers without an error are needed"
    wrong = right.copy()
    wrong[-1] = 0.95
    flawed = automation_of(samples, wrong, 0.5)[1]
    assert (flawed.errors, flawed.suffices) == (1, False)
    assert "1 of 60 confident answers were wrong" in flawed.sentence


@pytest.mark.shared
@needs_shared
def test_nothing_was_trained_or_calibrated_on_patients_that_it_is_tested_on() -> None:
    samples = read_all(SHARED)
    used = {s.patient for s in samples if s.part in {PatientPart.TRAIN, PatientPart.CALIBRATE}}
    tested = {s.patient for s in samples if s.part in {PatientPart.TEST, PatientPart.ELSEWHERE}}
    assert not used & tested
    assert not {s.path for s in samples if s.patient in used} & {s.path for s in samples if s.patient in tested}
    assert all(calibrates(s) == (s.part is PatientPart.CALIBRATE and s.strong) for s in samples)
    counts = ClassifierCard.model_validate(read_sections(PACKAGES[-1])).calibration
    assert counts["images"] == sum(calibrates(s) for s in samples)


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda p: p.name)
def test_the_package_that_ships_automates_only_what_its_evidence_shows(folder: Path) -> None:
    classifier = open_classifier(folder, Accelerator.CPU, load_settings().assess)
    evidence = classifier.card.automation
    assert evidence is not None
    assert [one.population for one in evidence] == list(Population)
    for one in evidence:
        assert one.upper_bound == pytest.approx(upper_limit(one.errors, one.answers, 0.05), abs=1e-4)
    assert not all(one.suffices for one in evidence)


def test_routing_counts_errors_among_what_is_automated_only() -> None:
    automated, right = np.array([True, True, False, True]), np.array([True, False, False, True])
    figures = routing_figures(automated, right)
    assert (figures["automated"], figures["automated_errors"]) == (3, 1)
    assert figures["automated_error_share"] == pytest.approx(1 / 3, abs=1e-4)
    assert routing_figures(np.zeros(4, bool), right)["automated_error_share"] is None


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda p: p.name)
def test_the_package_that_ships_is_sound_small_and_labelled(folder: Path) -> None:
    classifier = open_classifier(folder, Accelerator.CPU, load_settings().assess)
    assert len(classifier.golden_differences) >= 5
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 20_000_000
    card = classifier.card
    assert card.clinical
    assert "decision support, not diagnosis" in card.intended_use.lower()
    assert {member.architecture for member in card.members} <= {"resnet", "mobilenet", "densenet"}
    gradients = {gradient_file(source.graph) for source in map_sources(card)}
    assert {path.name for path in folder.glob("*.onnx")} == {*card.graphs, *gradients}
    page = (folder / "MODEL_CARD.md").read_text("utf-8")
    assert str(card.metrics["cross_population"]["trained on children (resnet)"]["AUROC on adults"])[:5] in page
    assert all("CC BY" in row["licence"] or "free use" in row["licence"] for row in card.training["data"])
    blank = np.random.default_rng(0).integers(0, 65536, (300, 260), np.uint16)
    scores, image = classifier.see(blank)
    assert sum(scores.values()) == pytest.approx(1.0)
    heat = classifier.map_of(image, "Pneumonia", blank.shape)
    assert heat is not None
    assert heat.method == card.map_method
