"""Every page in German, with every reason that the node can give: no English of a reason is left on it."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.prediction import PendingCause, PendingReason, Prediction
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.language.catalogue import reworded, spoken
from miqa_node.core.language.phrase import Phrase
from tests.core.language.test_phrases import ENGLISH, MESSAGES, _phrase
from tests.core.language.untranslated import untranslated
from tests.web.staging import Stage
from tests.web.test_german_pages import _words

pytestmark = pytest.mark.more

PAGES = ("/", "/images", "/rooms", "/operations", "/analysis/rejects", "/audit", "/phantoms", "/predictions")
SENTENCES = [text for text in MESSAGES if ENGLISH.search(text) and len(text) > 25]


def literal(text: str) -> str:
    """The longest part of a message that no value fills."""
    return max(re.split(r"\{\w+\}", text), key=len).strip()


@pytest.mark.long
def test_no_page_shows_the_english_of_a_reason(stage: Stage, client: TestClient) -> None:
    client.cookies.set("miqa_language", "de")
    pending = tuple(PendingCause(PendingReason.NOT_JUDGED, _phrase(text)) for text in SENTENCES)
    studies = [
        stage.add(number, Verdict.REVIEW, text=_phrase(text), predictions=(Prediction(
            f"p{number}-1.0.0", "", "", 0.0, {}, pending=pending[number : number + 1]),))[0]
        for number, text in enumerate(SENTENCES)
    ]  # fmt: skip

    with spoken("de"):
        english = {text: literal(text) for text in SENTENCES if literal(text) not in reworded(_phrase(text))}
    attributes = {"Slice Location", "Instance Number", "Instance Numbers"}  # of DICOM: the same in every language
    assert all(
        any(one in text for one in attributes) for text in SENTENCES if text not in {*english, *untranslated("de")}
    )
    opened = 0
    for address in (*PAGES, *(f"/studies/{uid}" for uid in studies)):
        answer = client.get(address, headers={"accept": "text/html"})
        if answer.status_code == 404:
            continue
        opened += 1
        page = _words(answer.text)
        for text, part in english.items():
            assert not re.search(rf"\b{re.escape(part)}(?!\w)", page), (address, text)
    assert opened > len(SENTENCES)


def test_a_reason_is_german_on_the_worklist(stage: Stage, client: TestClient) -> None:
    client.cookies.set("miqa_language", "de")
    stage.add(1, Verdict.REVIEW, text=Phrase("The {unused_bits} highest of {bits_stored} stored bits are never used.",
                                             unused_bits="3", bits_stored="16"))  # fmt: skip
    page = client.get("/", headers={"accept": "text/html"}).text

    assert "Die 3 höchsten von 16 gespeicherten Bits werden nie benutzt." in page
    assert "stored bits" not in page
