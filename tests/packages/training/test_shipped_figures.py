"""What the cards of the shipped packages say is measured once more, on the same images of hospitals they never saw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.stages.assess.card import read_card, read_sections
from miqa_node.stages.assess.classify.classifier import Classifier, open_classifier
from miqa_node.stages.assess.enhance.enhancer import Enhancer
from tests.conftest import ROOT, SHARED

pytest.importorskip("onnx")
pytest.importorskip("sklearn")

from miqa_training.datasets import read_records
from miqa_training.enhancement.evaluate import DETECTOR_PITCH_MM, DOSES, fidelity, unseen_records
from miqa_training.evaluate import EvaluationCases, clean_figures, peaks_of, real_object_figures
from miqa_training.patients import PatientPart
from miqa_training.pneumonia.data import (
    PneumoniaSample,
    Population,
    read_display,
    read_elsewhere,
    read_samples,
)
from miqa_training.pneumonia.figures import group_figures
from miqa_training.report.subject import EvaluationSubject
from miqa_training.scores import judge, read_image

pytestmark = pytest.mark.more

DATA = SHARED / "data"
MODELS = ROOT / "models"
QUALITY = max(path for path in MODELS.glob("quality-*") if "classical" not in path.name)
PNEUMONIA = max(MODELS.glob("pneumonia-ensemble-*"))
SAME = 0.004
"""Other processors round otherwise: a rank or two may differ."""

again = [
    pytest.mark.shared,
    pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not here"),
    pytest.mark.timeout(300),
]


def measured_again(test: Any) -> Any:
    for mark in again:
        test = mark(test)
    return test


@measured_again
def test_quality_on_images_as_they_are() -> None:
    card = read_card(QUALITY)
    graph = EvaluationSubject(QUALITY)
    records = read_records(DATA / "cxr_eval", DATA / "annotations" / "eval.jsonl")
    clean = [judge(graph, record, read_image(record)) for record in records]
    peaks = [(record, peaks_of(graph, record)["both"]) for record in records if record.has_real_object]
    objects = real_object_figures(EvaluationCases(clean, [], [], [], peaks))
    figures = card.metrics["real_objects"]
    assert objects["images"] == figures["images"]
    assert objects["auroc"] == pytest.approx(figures["auroc"], abs=SAME)
    assert objects["pointing_game"] == pytest.approx(figures["pointing_game"], abs=0.02)
    flagged = clean_figures(clean, graph.scales.probability, graph.scales.threshold)
    assert flagged["unremarkable_images"] == card.metrics["clean"]["unremarkable_images"]
    assert flagged["unremarkable_flagged"] == pytest.approx(card.metrics["clean"]["unremarkable_flagged"], abs=0.03)


@pytest.mark.long
@measured_again
def test_pneumonia_on_children_and_on_adults_of_every_hospital() -> None:
    samples = [s for s in read_samples(DATA / "cxr_pneumonia") if s.part is PatientPart.TEST and s.strong]
    samples += read_elsewhere(DATA)
    cases: list[tuple[PneumoniaSample, float, bool]] = []
    package = open_classifier(PNEUMONIA, Accelerator.CPU, load_settings().assess)
    cases += [(one, *_said(package, one)) for one in samples]
    groups = read_sections(PNEUMONIA)["metrics"]["test"]["groups"]
    children = [one for one in cases if one[0].population is Population.CHILDREN]
    adults = [one for one in cases if one[0].population is Population.ADULTS]
    _same(children, groups["children"])
    _same(adults, groups["adults, radiologists' labels, and of further hospitals"])
    _same([one for one in adults if one[0].part is PatientPart.TEST], groups["adults, radiologists' labels"])


def _said(package: Classifier, sample: PneumoniaSample) -> tuple[float, bool]:
    scores, _ = package.see(read_display(sample.path))
    return scores["Pneumonia"], package.label(scores) == "Pneumonia"


def _same(cases: list[tuple[PneumoniaSample, float, bool]], card_figures: dict[str, Any]) -> None:
    probability, labels = np.array([one[1] for one in cases]), np.array([one[2] for one in cases])
    truth = np.array([one[0].pneumonia for one in cases])
    figures = group_figures(probability, truth, [one[0].patient for one in cases], labels)
    for name in ("images", "patients", "pneumonia"):
        assert figures[name] == card_figures[name]
    for name in ("auroc", "recall", "specificity", "brier"):
        assert figures[name] == pytest.approx(card_figures[name], abs=SAME), name
    assert figures["ece"] == pytest.approx(card_figures["ece"], abs=0.02)


@pytest.mark.long
@measured_again
def test_the_learned_denoiser_at_a_quarter_of_the_dose(monkeypatch: pytest.MonkeyPatch) -> None:
    # Each dose has noise of its own seed: without the other two, the figures of this one stay as they are.
    monkeypatch.setattr("miqa_training.enhancement.evaluate.DOSES", {"1/4": DOSES["1/4"]})
    learned = Enhancer(load_settings()).function("learned")
    metrics = read_sections(max(MODELS.glob("denoiser-*")))["metrics"]
    records = unseen_records(DATA, metrics["images"])
    figures = fidelity({"learned": learned}, records, DETECTOR_PITCH_MM, seed=7)
    assert len(figures["hospitals"]) == 3
    for hospital, rows in figures["hospitals"].items():
        quarter, card_figures = (
            rows["learned"]["1/4"],
            metrics["fidelity"]["detector_pitch"]["hospitals"][hospital]["learned"]["1/4"],
        )
        assert quarter["gain_db"] == pytest.approx(card_figures["gain_db"], abs=0.1), hospital
        assert quarter["slope_kept"] == pytest.approx(card_figures["slope_kept"], abs=0.005), hospital


def test_the_cards_keep_what_was_asked_of_them() -> None:
    groups = read_sections(PNEUMONIA)["metrics"]["test"]["groups"]
    assert groups["children"]["auroc"] >= 0.97
    assert groups["children"]["recall"] >= 0.95
    assert groups["children"]["ece"] <= 0.06
    assert groups["adults, radiologists' labels"]["auroc"] >= 0.80
    # NIH's 39 images alone show .20, where a perfect calibration shows .11; the page and the card say so.
    assert groups["adults, radiologists' labels, and of further hospitals"]["ece"] <= 0.06
    assert groups["adults of further hospitals"]["auroc"] >= 0.97
    denoiser = read_sections(max(MODELS.glob("denoiser-*")))["metrics"]["fidelity"]["detector_pitch"]["hospitals"]
    assert len(denoiser) == 3
    for rows in denoiser.values():
        assert rows["learned"]["1/4"]["gain_db"] >= 3.0
        assert rows["learned"]["1/4"]["slope_kept"] >= 0.95
    quality = read_card(QUALITY).metrics
    worst = quality["simulated"]["findings"][quality["simulated"]["worst"]]
    assert (
        worst["auroc"] >= 0.78
    )  # .85 is missed: removable objects, judged against images with devices; the card says so
    assert quality["real_objects"]["auroc"] >= 0.9
