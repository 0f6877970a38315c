"""What the narrative says: the whole text of typical images in each language, and that no translation is missing."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from miqa_node.core.domain import codes
from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.assessment import Measurement, PlausibilityIssue
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import Finding, FindingName, GateClass
from miqa_node.core.domain.instance import Header, SeriesInstanceUid, SopInstanceUid, StudyInstanceUid
from miqa_node.core.domain.kept_figure import no_figures
from miqa_node.core.domain.prediction import PendingCause, PendingReason, Prediction
from miqa_node.core.domain.verdict import EXPERIMENTAL, Disposition, Reason, Verdict
from miqa_node.core.language.catalogue import languages
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.lookup import defect_names, reason_code
from miqa_node.core.words.narrative import Part, narrative, sentences
from miqa_node.core.words.phrases import ADVICE, PENDING, PLAUSIBILITY
from miqa_node.dicom.pixels.plausibility import ISSUES
from miqa_node.errors import SettingsError
from miqa_node.stages.assess.card import Applicability
from tests.policies import ACCEPT, policy_of
from tests.stages.report import making

MEASURED = (
    Measurement("edge_slope_10_90", 0.41234567, "mm"),
    Measurement("edge_width_10_90", 2.125, "{pixel}"),
    Measurement("noise_share", 3.1, "%"),
    Measurement("deviation_index", -1.3, "1"),
)
POLICY = policy_of(
    ACCEPT,
    {"finding": ["motion_blur", "gate"], "then": "REVIEW"},
    {"measurement": "noise_share", "above": 2, "then": "REVIEW", "reason": "underexposure"},
    {"contradiction": "inverted_look", "then": "REVIEW"},
    {"measurement": "anomaly", "min_percentile": 99.5, "then": "REVIEW"},
    version="test", place="chest",
)  # fmt: skip
INVERTED = PlausibilityIssue("inverted_look", "Lungs are brighter …", codes.INAPPROPRIATE_PROCESSING)

ENGLISH = (
    "Review: the image does not meet all quality rules of this site; a person should look at it.",
    "Quality score 42 of 100.",
    "Motion blur: moderate, comparable to a movement of about 1 mm (probability 93 %).",
    "Have black and white exchanged; no new exposure is needed.",
    "Repeat with the patient held still: give a breathing command and use a shorter exposure time.",
    "Look at the marked region; it need not be a defect.",
    "Noise share of contrast is 3.1 %, above the limit of 2 %.",
    (
        "Measured: exposure 0.74 times the intended one (deviation index −1.3), edges 0.41 mm wide, noise 3.1 % of the "
        "contrast."
    ),
    "The lungs are brighter than the mediastinum: black and white are probably exchanged.",
    "The image is more unusual than 99.7 % of the images of this site; this need not be a defect.",
)
GERMAN = (
    "Prüfen: Das Bild erfüllt nicht alle Qualitätsregeln dieses Hauses; ein Mensch sollte es ansehen.",
    "Qualitätswert 42 von 100.",
    "Bewegungsunschärfe: mäßig, vergleichbar mit einer Bewegung um etwa 1 mm (Wahrscheinlichkeit 93 %).",
    "Schwarz und Weiß tauschen lassen; eine neue Aufnahme ist nicht nötig.",
    "Wiederholen und den Patienten ruhig halten: Atemkommando geben, kürzere Belichtungszeit wählen.",
    "Den markierten Bereich ansehen; es muss kein Mangel sein.",
    "Rauschanteil am Kontrast ist 3,1 %, über der Grenze von 2 %.",
    (
        "Gemessen: Belichtung das 0,74-Fache der beabsichtigten (DI −1,3), Kanten 0,41 mm breit, "
        "Rauschen 3,1 % des Kontrasts."
    ),
    "Die Lungen sind heller als das Mediastinum: Schwarz und Weiß sind wahrscheinlich vertauscht.",
    "Das Bild ist ungewöhnlicher als 99,7 % der Bilder dieses Hauses; das muss kein Mangel sein.",
)


def everything() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The narrative of an image with one of each, in both languages."""
    assessment = replace(
        making.assessment(FindingName.MOTION_BLUR, measurements=MEASURED),
        plausibility=(INVERTED,),
        anomaly=AnomalyScore(0.61, 98.0, 99.7),
    )
    disposition = decide(assessment, POLICY)
    return narrative(assessment, disposition), narrative(assessment, disposition, "de")


def test_the_whole_text_in_both_languages() -> None:
    assert everything() == (ENGLISH, GERMAN)


def test_an_ordinary_image_is_told_in_three_sentences_and_needs_nothing_done() -> None:
    assessment = making.assessment(measurements=MEASURED[:1])
    accepted = decide(assessment, POLICY)
    assert narrative(assessment, accepted) == (
        "Accepted: the image meets the quality rules of this site.",
        "Quality score 100 of 100.",
        "No quality defect was found.",
        "Measured: edges 0.41 mm wide.",
    )
    assert {s.part for s in sentences(assessment, accepted)} == {Part.VERDICT, Part.FINDING, Part.MEASUREMENT}


@pytest.mark.parametrize("deviation", [1e16, -1e16, 20240231.0])
def test_an_exposure_that_cannot_be_does_not_keep_a_report_from_being_made(deviation: float) -> None:
    assessment = making.assessment(measurements=(Measurement("deviation_index", deviation, "1"),))
    [measured] = [s.text for s in sentences(assessment, decide(assessment, POLICY)) if s.part is Part.MEASUREMENT]
    assert measured.startswith("Measured: exposure ")


def test_what_is_not_a_chest_has_no_findings_told() -> None:
    assessment = making.assessment(FindingName.FOREIGN_OBJECT)
    gate = Finding(FindingName.GATE, reason_code(GateClass.INVERTED), 0.97, 0.97, 0.5)
    rows = (*(f for f in assessment.findings if f.name != FindingName.GATE), gate)
    assessment = replace(
        assessment, findings=rows, gate={GateClass.INVERTED: 0.97, GateClass.BLANK: 0.01}, measurements=()
    )
    assert narrative(assessment, decide(assessment, POLICY)) == (
        "Review: the image does not meet all quality rules of this site; a person should look at it.",
        "Grayscale inverted: the image is outside the model's scope; other findings do not count (probability 97 %).",
        "Have black and white exchanged; no new exposure is needed.",
    )


@pytest.mark.parametrize(
    ("reason", "german"),
    [
        ("No quality model is installed.", "Es ist kein Qualitätsmodell installiert."),
        (
            Phrase("The assessment was begun {attempt} times and never finished.", attempt="3"),
            "Die Beurteilung wurde 3-mal begonnen und nie beendet.",
        ),
        ("Something that no stage says.", "Something that no stage says."),
    ],
)
def test_why_an_image_was_not_judged(reason: str, german: str) -> None:
    assessment = making.not_assessed(reason)
    disposition = Disposition(
        Verdict.NOT_ASSESSED, (Reason("not_assessed", reason, codes.UNKNOWN_FAILURE, Verdict.NOT_ASSESSED),), "1", ""
    )
    assert narrative(assessment, disposition)[1] == reason
    output = narrative(assessment, disposition, "de")
    assert output[1] == german
    assert output[2] == "Das Bild selbst ansehen: Seine Qualität wurde nicht beurteilt."


def test_an_experimental_verdict_says_that_the_image_was_judged_and_why_it_does_not_count() -> None:
    header = Header("", SopInstanceUid(""), SeriesInstanceUid(""), StudyInstanceUid(""), "", "DX", "SKULL", "AP")
    why = no_figures(header)
    disposition = Disposition(
        Verdict.NOT_ASSESSED, (Reason(EXPERIMENTAL, why, codes.UNKNOWN_FAILURE, Verdict.NOT_ASSESSED),), "1", ""
    )
    english = narrative(making.assessment(), disposition)
    assert english[:2] == ("Not assessed: what was found or measured is experimental and does not count yet.", why)
    assert english[4] == "Look at the image yourself: what the node says of such images does not count yet."
    german = narrative(making.assessment(), disposition, "de")
    assert german[1].startswith("Experimentell: Für SKULL AP gibt es keine Kennzahlen.")
    assert german[4] == "Das Bild selbst ansehen: Was das Programm über solche Bilder sagt, zählt noch nicht."


def test_what_the_card_says_of_scope_is_said_in_german() -> None:
    header = Header("", SopInstanceUid(""), SeriesInstanceUid(""), StudyInstanceUid(""), "", "MG")
    scope = Applicability(modality=("CR",), body_part=(), view=(), pixel_pitch_mm={"min": 0.05, "max": 1.2})
    inside = replace(header, modality="CR")
    for reason in (scope.excludes(header, None), scope.excludes(inside, (1.5, 1.5))):
        assessment = making.not_assessed(reason)
        assert "liegt außerhalb" in narrative(assessment, decide(assessment, POLICY), "de")[1], reason


@pytest.mark.parametrize("name", defect_names())
@pytest.mark.parametrize("language", languages())
def test_every_finding_has_a_sentence_for_every_severity(name: FindingName, language: str) -> None:
    sentences = []
    for severity in (0.1, 0.5, 0.75, 1.0):
        row = Finding(name, reason_code(name), 0.8, severity, 0.5)
        assessment = replace(making.assessment(measurements=()), findings=(row,))
        sentences.append(narrative(assessment, making.disposition(Verdict.REVIEW, name), language)[2])
    assert len(set(sentences)) == 4
    assert all(re.fullmatch(r"[^{}]+: [^{}]+, [^{}]+ \(\w+ 80 %\)\.", text) for text in sentences), sentences


def test_the_table_knows_every_issue() -> None:
    of_series = {"undecodable_slices", "slice_sizes_differ"}
    assert set(PLAUSIBILITY) == {*ISSUES, "conflicting_instance", *of_series}


def test_a_language_that_the_node_does_not_speak_is_refused_by_name() -> None:
    assessment = making.assessment()
    with pytest.raises(SettingsError, match=r"'fr'; the node speaks en, de"):
        narrative(assessment, making.disposition(Verdict.ACCEPT), "fr")


def test_a_prediction_is_told_as_decision_support_with_why_it_waits() -> None:
    waiting = (PendingCause(PendingReason.LOW_CONFIDENCE, "0.62 is below 0.80."),)
    assessment = replace(
        making.assessment(measurements=()),
        predictions=(
            Prediction("pneumonia-1.0.0", "ab", "Normal", 0.93, {"Normal": 0.93}, automated_by="By certificate 7."),
            Prediction("other-1.0.0", "ab", "Pneumonia", 0.62, {"Pneumonia": 0.62}, pending=waiting),
        ),
    )
    output = sentences(assessment, decide(assessment, POLICY))
    assert [s.text for s in output if s.part is Part.PREDICTION] == [
        "pneumonia-1.0.0: Normal with a confidence of 93 % (decision support, not diagnosis).",
        "By certificate 7.",
        "other-1.0.0: Pneumonia with a confidence of 62 % (decision support, not diagnosis).",
        "The prediction waits for a person: it is not sure enough.",
    ]
    advice = [one.text for one in output if one.part is Part.ADVICE]
    assert advice[-1] == "Have a physician read the image; do not use the prediction by itself."
    german = narrative(assessment, decide(assessment, POLICY), "de")
    assert "other-1.0.0: Pneumonia mit einer Sicherheit von 62 % (Entscheidungshilfe, keine Diagnose)." in german


def test_every_reason_to_wait_has_a_sentence_and_advice() -> None:
    assert set(PENDING) == set(PendingReason)
    assert set(PendingReason) <= set(ADVICE)


@pytest.mark.parametrize(
    ("peak", "words"),
    [
        ((0.1, 0.1), "upper part, on the patient's right"),
        ((0.5, 0.5), "in the middle"),
        ((1.0, 0.7), "lower part, on the patient's left"),
        ((0.4, 0.0), "in the upper part"),
    ],
)
def test_an_object_is_said_to_be_where_its_map_is_highest(peak: tuple[float, float], words: str) -> None:
    def told(name: FindingName) -> str:
        row = Finding(name, reason_code(name), 0.8, 0.5, 0.5, peak)
        return narrative(replace(making.assessment(), findings=(row,)), making.disposition(Verdict.REVIEW, name))[2]

    assert told(FindingName.FOREIGN_OBJECT).endswith(f"Seen: {words}.")
    assert "Seen" not in told(FindingName.NOISE)
    assert "Seen" not in told(FindingName.CLIPPED_ANATOMY), "what is outside has no place in the picture"


def test_a_limit_with_its_significance_is_told_in_the_language_of_the_reader() -> None:
    """Reasons with a sentence of their own stayed English in a German narrative."""
    rule = {"measurement": "displayed_contrast", "below": 12, "then": "REVIEW", "reason": "contrast_processing"}
    policy = policy_of(rule)
    assessment = making.assessment(measurements=(Measurement("displayed_contrast", 7.625, "%"),))
    texts = {language: narrative(assessment, decide(assessment, policy), language) for language in ("en", "de")}
    [english] = [one for one in texts["en"] if one.startswith("Displayed contrast: 7.6 %, below the limit of 12 %. ")]
    assert "looks flat" in english
    assert any("7,6 %" in one and "Fenster" in one for one in texts["de"])
    assert english not in texts["de"]


@pytest.mark.parametrize(
    ("name", "value", "unit", "message"),
    [
        ("snr_lung", 12.3, "1", "Signal to noise in lung is 12.3, below the limit of 20."),
        ("edge_slope_10_90", 0.5, "mm", "Edge width 10-90 % is 0.5 mm, below the limit of 20 mm."),
        ("grid_frequency", 0.2, "1/{pixel}", "Grid line frequency is 0.2 1/pixel, below the limit of 20 1/pixel."),
    ],
)
def test_a_broken_limit_is_told_with_value_and_limit(name: str, value: float, unit: str, message: str) -> None:
    rule = {"measurement": name, "below": 20, "then": "REVIEW", "reason": "unsharp"}
    policy = policy_of(rule)
    assessment = making.assessment(
        measurements=(Measurement(name, value, unit), Measurement("noise_share", float("nan"), "%"))
    )
    sentences = narrative(assessment, decide(assessment, policy))
    assert message in sentences
    assert not any("nan" in sentence for sentence in sentences)
