"""What retention removed is offered from the archive: on the page of the study and over REST."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from miqa_node.core.domain.retention import Retrieval
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import load_settings
from miqa_node.features.retention.page.retrieval import fetch_of
from miqa_node.features.retention.work.archives import CHANGED, ArchiveRetrieval, Archives
from miqa_node.interfaces.web.app import create_app
from miqa_node.runtime.store import tables as t
from tests.web.people import ORIGIN
from tests.web.staging import Stage, csrf

BUTTON = "Fetch from the archive"


@pytest.fixture
def study(stage: Stage) -> str:
    """A study whose original is gone."""
    uid, _ = stage.add(1)
    with stage.services.database.begin() as transaction:
        gone = {"removed_at": datetime.now(UTC), "deleted_at": datetime.now(UTC), "removal_cause": "age"}
        transaction.execute(sa.update(t.instances).values(gone))
    return uid


def client(stage: Stage, fetch: Callable[[str], Retrieval], *archives: str) -> TestClient:
    settings = stage.services.settings
    retention = settings.retention.model_copy(update={"archives": archives})
    services = dataclasses.replace(stage.services, settings=settings.model_copy(update={"retention": retention}))
    services.made[fetch_of] = fetch
    return TestClient(create_app(services), base_url="http://localhost:8080", client=("127.0.0.1", 1))


def test_over_rest_it_is_fetched_or_said_why_not(stage: Stage, study: str) -> None:
    retrieval = Retrieval(2, ("1.2.3: pacs: No response within 30 s.",))
    answer = client(stage, lambda _uid: retrieval, "pacs").post("/api/v1/retrievals", json={"uid": study})
    assert answer.json() == {"fetched": 2, "missing": ["1.2.3: pacs: No response within 30 s."]}
    settings = load_settings(node={"data_dir": stage.services.settings.node.data_dir})
    services = stage.services
    real = ArchiveRetrieval(services.database, services.objects, Archives(dict, settings), settings)
    refused = client(stage, real.fetch).post("/api/v1/retrievals", json={"uid": study})
    assert refused.status_code == 409
    assert "retention.archives" in refused.text


def test_why_an_original_stays_away_is_in_the_language_of_the_page(stage: Stage, study: str) -> None:
    missing = Phrase("{image}: {reason}", image="1.2.3", reason=Phrase("{archive}: {reason}", archive="pacs",
                                                                       reason=Phrase(CHANGED)))  # fmt: skip
    reviewer = client(stage, lambda _uid: Retrieval(0, (missing,)), "pacs")
    reviewer.cookies.set("miqa_language", "de")

    page = reviewer.post(f"/studies/{study}/fetch", data={"csrf": csrf(reviewer)}, headers=ORIGIN)

    assert "1.2.3: pacs: Die Kopie des Archivs ist ein anderes Bild" in page.text
    assert "another image" not in page.text


@pytest.mark.more
def test_the_page_offers_what_the_site_has_an_archive_for(stage: Stage, study: str) -> None:
    request: list[str] = []

    def fetch(uid: str) -> Retrieval:
        request.append(uid)
        return Retrieval(0, ("1.2.3: pacs: The archive does not have it.",)) if len(request) == 1 else Retrieval(1)

    without = client(stage, fetch).get(f"/studies/{study}").text
    assert "removed by retention" in without
    assert BUTTON not in without
    reviewer = client(stage, fetch, "pacs")
    assert BUTTON in reviewer.get(f"/studies/{study}").text
    form = {"csrf": csrf(reviewer)}
    text = reviewer.post(f"/studies/{study}/fetch", data=form, headers=ORIGIN)
    assert "0 of 1 images are here again" in text.text
    assert "pacs: The archive does not have it." in text.text
    done = reviewer.post(f"/studies/{study}/fetch", data=form, headers=ORIGIN, follow_redirects=False)
    assert (done.status_code, done.headers["location"]) == (303, f"/studies/{study}")
    assert request == [study] * 2
