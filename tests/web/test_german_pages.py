"""Every page in German with every text that the node can store or raise: no English sentence, no bare placeholder."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from miqa_node.core.domain.operations import DestinationCheck
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.language.catalogue import catalogue
from miqa_node.core.language.phrase import Phrase, joined
from miqa_node.interfaces.web.page import PAGES
from miqa_node.runtime.site_records import study_notes
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.phrase_columns import stored
from miqa_node.stages.deliver.rows import destination_checks
from miqa_node.stages.deliver.statuses import note_of
from miqa_node.stages.receive.rows.senders import SenderBook
from tests.core.language import sources
from tests.core.language.test_phrases import ENGLISH, MESSAGES, _phrase
from tests.web.staging import Stage

pytestmark = pytest.mark.more

NOW = datetime.now(UTC)
STUDY = "1.2.3.101"
LIVE = "/live"
"""A stream of bells, without an end and without words."""
VALUES = {"study_uid": STUDY, "station": "ROOM1"}
"""What stands in the addresses of pages; a page with another part is opened by tests of its own."""
RAISED = {text for place, tree in sources.modules() for text in sources.errors_of(place, tree)}
EVERYTHING = joined(" ", [_phrase(text) for text in sorted({*MESSAGES, *RAISED})])
PLACEHOLDER = re.compile(r"(?<!/)\{[a-z_0-9]+\}")  # not the parts of an address, which the audit trail quotes
TAGS = re.compile(r"<(script|style|template)\b.*?</\1>|<[^>]+>", re.DOTALL)
ATTRIBUTES = re.compile(r'\b(?:alt|title|placeholder|aria-label|data-name)="([^"]*)"')


def _english() -> list[str]:
    """The longest literal part of each message that German says in other words."""
    german = catalogue("de")
    whole = [text for text in sources.messages() if isinstance(text, str) and german.gettext(text) != text]
    parts = (max(re.split(r"\{\w+\}|<[^>]+>", text), key=len).strip() for text in whole)
    return sorted({part for part in parts if len(part) > 15 and ENGLISH.search(part)})


def _fill(stage: Stage) -> None:
    """Every text that the node keeps, in an image, its history, its deliveries and its surroundings."""
    study, digest = stage.add(101, Verdict.REVIEW, text=EVERYTHING, at=NOW)
    stage.not_ready.append(EVERYTHING)
    check = DestinationCheck(
        "PACS", "a", "cstore", "PACS@h:104", False, False, EVERYTHING, False, NOW, NOW + timedelta(hours=1)
    )
    book = SenderBook(stage.services.database)
    book.note("CT1", "10.0.0.7", "Calling AE title not recognised", EVERYTHING)
    book.write()
    with stage.services.database.begin() as transaction:
        destination_checks.record(transaction, check)
        study_notes.note(transaction, study, "said", "ada", EVERYTHING, NOW)
        texts = stored(last_error=EVERYTHING, note=note_of(0xB000) or "")
        transaction.execute(t.deliveries.update().values(**texts))
        of_image = t.dispositions.update().where(t.dispositions.c.digest == digest)
        transaction.execute(of_image.values(**stored(certificate=EVERYTHING)))


def _pages() -> list[str]:
    routers = [page.router for page in PAGES.all().values()]
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    own = {route.path for route in routes if "GET" in (route.methods or ())}
    filled = (re.sub(r"\{(\w+)(?::\w+)?\}", lambda part: VALUES.get(part[1], part[0]), path) for path in own)
    return sorted(path for path in filled if "{" not in path and path != LIVE)


def _words(page: str) -> str:
    attributes = " ".join(ATTRIBUTES.findall(page))
    return re.sub(r"\s+", " ", html.unescape(f"{TAGS.sub(' ', page)} {attributes}"))


def test_no_page_shows_an_english_sentence(stage: Stage, client: TestClient) -> None:
    client.cookies.set("miqa_language", "de")
    _fill(stage)
    english, faults, opened = _english(), [], []
    assert len(english) > 500

    for path in _pages():
        answer = client.get(path, headers={"accept": "text/html"})
        if not answer.headers.get("content-type", "").startswith("text/html"):
            continue
        opened.append(path)
        words = _words(answer.text)
        faults += [f"{path}: {part}" for part in english if part in words]
        faults += [f"{path}: {part}" for part in PLACEHOLDER.findall(words)]

    assert {"/", "/images", "/operations", "/audit", f"/studies/{STUDY}", "/rooms/ROOM1"} <= {*opened}
    assert faults == []


@pytest.mark.parametrize("place", ["/operations", f"/studies/{STUDY}"])
def test_what_is_stored_is_said_in_german(stage: Stage, client: TestClient, place: str) -> None:
    """The test above would not notice a text that no page shows."""
    client.cookies.set("miqa_language", "de")
    _fill(stage)
    words = _words(client.get(place, headers={"accept": "text/html"}).text)
    assert "Das Original wurde am 07 nach Ablauf der Aufbewahrung gelöscht." in words


def test_texts_of_an_earlier_version_stay_as_they_were_written(stage: Stage, client: TestClient) -> None:
    client.cookies.set("miqa_language", "de")
    stage.add(101, Verdict.REVIEW, text="The pixels hold 3 of 4 things.", at=NOW)
    text = "The destination PACS is held already."
    with stage.services.database.begin() as transaction:
        transaction.execute(t.deliveries.update().values(last_error=text))
    words = _words(client.get(f"/studies/{STUDY}", headers={"accept": "text/html"}).text)
    assert text in words
    assert "The pixels hold 3 of 4 things." in words


def test_a_persons_words_are_never_translated(stage: Stage, client: TestClient) -> None:
    client.cookies.set("miqa_language", "de")
    study, _ = stage.add(101, Verdict.REVIEW, at=NOW)
    with stage.services.database.begin() as transaction:
        study_notes.note(transaction, study, "said", "ada", "Choose a file first.", NOW)
        study_notes.note(transaction, study, "corrected", "ada", Phrase("UIDs given to {uid}", uid="1.2"), NOW)
    words = _words(client.get(f"/studies/{STUDY}", headers={"accept": "text/html"}).text)
    assert "Choose a file first." in words
    assert "UIDs vergeben an 1.2" in words
