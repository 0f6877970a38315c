# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""What retention removed is offered from the archive: on the page of the study and over REST."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from miqa_node.core.domain.retention import Retrieval
from miqa_node.core.settings import load_settings
from miqa_node.features.retention.page.retrieval import fetch_of
from miqa_node.features.retention.work.archives import ArchiveRetrieval, Archives
from miqa_node.interfaces.web.app import create_app
from miqa_node.runtime.store import tables as t
from tests.features.retention.page.test_retrievals import client, study
from tests.web.people import ORIGIN
from tests.web.staging import Stage, csrf

BUTTON = "Fetch from the archive"


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
