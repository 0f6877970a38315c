"""Reasons know their message and values: in German they are German from the first word to the last."""

from __future__ import annotations

import ast
import json
import pickle
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from miqa_node.core.domain.assessment import NO_MODEL, Assessment, Measurement, PlausibilityIssue
from miqa_node.core.domain.codes import OTHER_FAILURE
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.instance import Header, InstanceDigest, SeriesInstanceUid, SopInstanceUid, StudyInstanceUid
from miqa_node.core.domain.prediction import PendingCause, PendingReason, Prediction
from miqa_node.core.domain.verdict import Reason, Verdict
from miqa_node.core.language.catalogue import LANGUAGE, reworded
from miqa_node.core.language.phrase import Phrase, joined
from miqa_node.core.words.reason import plain
from miqa_node.runtime.store import documents
from tests.core.language.sources import ROOT, _phrases
from tests.core.language.untranslated import untranslated
from tests.policies import ACCEPT, policy_of

pytestmark = pytest.mark.more

ENGLISH = re.compile(r"\b(the|is|are|and|of|not|with|was|were|by|from|has|have|than|this|no|but|to)\b")
NOW = datetime(2026, 11, 20, tzinfo=UTC)
MESSAGES = sorted({text for path in ROOT.rglob("*.py") for text in _phrases(ast.parse(path.read_text("utf-8")))})


@pytest.fixture
def german() -> Iterator[None]:
    token = LANGUAGE.set("de")
    yield
    LANGUAGE.reset(token)


def _phrase(message: str) -> Phrase:
    """With values that no language changes."""
    return Phrase(message, **{name: f"{number}7" for number, name in enumerate(re.findall(r"\{(\w+)\}", message))})


def test_there_are_phrases_to_look_at() -> None:
    assert len(MESSAGES) > 70


@pytest.mark.usefixtures("german")
@pytest.mark.parametrize("message", MESSAGES)
def test_every_reason_is_german_as_a_whole(message: str) -> None:
    phrase = _phrase(message)
    german_text = reworded(phrase)

    assert str(phrase) == message.format(**phrase.values)
    if message not in untranslated("de"):
        assert ENGLISH.search(german_text) is None
        assert german_text != str(phrase) or ENGLISH.search(message) is None
    assert all(value in german_text for value in phrase.values.values())


@pytest.mark.usefixtures("german")
def test_values_that_look_like_messages_stay_as_they_are() -> None:
    """Texts that are matched back would take "A and B" for a message."""
    message = "{package}: {text} (decision support, not diagnosis)"
    assert reworded(Phrase(message, package="A and B", text="x")).startswith("A and B: x (")


@pytest.mark.usefixtures("german")
def test_phrases_within_phrases_are_said_too() -> None:
    reason = Phrase("Not automated. {reasons}.", reasons=joined("; ", [Phrase("the card names no evidence"), "x"]))
    assert str(reason) == "Not automated. the card names no evidence; x."
    assert reworded(reason) == "Nicht automatisiert. die Karte nennt keine Belege; x."


@pytest.mark.usefixtures("german")
def test_the_words_of_an_old_result_are_recognised_as_before() -> None:
    text = "Motion blur: probability 0.93, severity 0.70"
    phrase = Phrase(
        "{finding}: probability {probability}, severity {severity}",
        finding=Phrase("Motion blur"), probability="0.93", severity="0.70",
    )  # fmt: skip
    assert phrase == text
    assert plain(phrase) == plain(text)


@pytest.mark.usefixtures("german")
def test_why_a_prediction_waits_is_german_in_reasons_and_lists() -> None:
    share = Phrase("Unusual image (top {share} of {images})", share="0.1 %", images=Phrase("the training images"))
    texts = (Phrase("The package failed on this image."), Phrase("{unusual}.", unusual=share), "Strange.")
    prediction = Prediction(
        "p-1.0.0", "", "", 0.0, {}, pending=tuple(PendingCause(PendingReason.NOT_JUDGED, text) for text in texts)
    )
    waiting = replace(_assessment(), predictions=(prediction,))
    policy = policy_of(ACCEPT)

    assert prediction.why_pending.startswith("The package failed on this image. Unusual image (top 0.1 % of the")
    assert reworded(prediction.why_pending).startswith("Das Paket ist an diesem Bild gescheitert. Ungewöhnliches Bild")
    texts_in_german = [
        reworded(reason.text) for reason in decide(waiting, policy).reasons if reason.name == "not_judged"
    ]
    assert texts_in_german == [
        "p-1.0.0: Das Paket ist an diesem Bild gescheitert (Entscheidungshilfe, keine Diagnose)",
        "p-1.0.0: Ungewöhnliches Bild (oberste 0.1 % der Trainingsbilder) (Entscheidungshilfe, keine Diagnose)",
        "p-1.0.0: Strange (Entscheidungshilfe, keine Diagnose)",
    ]


def test_a_phrase_reaches_other_processes() -> None:
    phrase = Phrase("{a} is cut.", a=Phrase("The body part"))
    for copy in (pickle.loads(pickle.dumps(phrase)), Phrase.of(json.loads(json.dumps(phrase.parts())))):
        assert (copy, copy.message, copy.values) == (phrase, phrase.message, phrase.values)
        assert isinstance(copy.values["a"], Phrase)


@pytest.mark.usefixtures("german")
def test_a_number_of_things_is_said_in_the_forms_of_the_language() -> None:
    phrases = [Phrase.of_number("{count} delivery waits.", "{count} deliveries wait.", count) for count in (0, 1, 2)]

    assert phrases == ["0 deliveries wait.", "1 delivery waits.", "2 deliveries wait."]
    stored = [Phrase.of(json.loads(json.dumps(one.parts()))) for one in phrases]
    for copies in (phrases, stored, pickle.loads(pickle.dumps(phrases))):
        assert [reworded(one) for one in copies] == [
            "0 Zustellungen warten.", "1 Zustellung wartet.", "2 Zustellungen warten.",
        ]  # fmt: skip


def _assessment() -> Assessment:
    header = Header("1.2", SopInstanceUid("1"), SeriesInstanceUid("2"), StudyInstanceUid("3"), "1.2", "MG")
    cause = PendingCause(PendingReason.NOT_JUDGED, Phrase("The package failed on this image."))
    return Assessment(
        InstanceDigest("ab"), header, NOW, not_assessed=NO_MODEL,
        plausibility=(PlausibilityIssue("x", Phrase("Modality {modality} with body part {known}.", modality="MG",
                                                    known="HAND"), OTHER_FAILURE),),
        measurements=(Measurement("m", 1.0, "1", Phrase("slice {number} of {count}", number="5", count="11")),),
        predictions=(Prediction("p-1.0.0", "", "", 0.0, {}, pending=(cause,)),),
    )  # fmt: skip


@pytest.mark.usefixtures("german")
def test_what_is_stored_keeps_its_phrases() -> None:
    document = json.loads(json.dumps(documents.dump_assessment(_assessment())))
    stored = documents.load_assessment(document)

    assert stored == _assessment()
    assert reworded(stored.not_assessed) == "Es ist kein Qualitätsmodell installiert."
    assert reworded(stored.plausibility[0].message) == "Modalität MG bei Körperregion HAND."
    assert reworded(stored.measurements[0].place) == "Schicht 5 von 11"
    assert reworded(stored.predictions[0].pending[0].text) == "Das Paket ist an diesem Bild gescheitert."


@pytest.mark.usefixtures("german")
def test_reasons_are_stored_as_english_text_with_what_it_was_made_of() -> None:
    text = Phrase("slice {number} of {count}", number="5", count="11")
    old = Reason("noise", "Whatever it was.", OTHER_FAILURE, Verdict.REVIEW)
    rows = json.loads(json.dumps(documents.dump_reasons((replace(old, text=text), old))))

    assert [row["text"] for row in rows] == ["slice 5 of 11", "Whatever it was."]
    assert "phrase" not in rows[1], "rows of earlier versions stay as they are"
    assert [reworded(one.text) for one in documents.load_reasons(rows)] == ["Schicht 5 von 11", "Whatever it was."]
