"""Colleagues share the list: studies are assigned, commented on without a decision, and read as CSV."""

from __future__ import annotations

import csv
import html
import io

import pytest
from fastapi.testclient import TestClient

from tests.stages.report.test_text import COMMENTS
from tests.web.people import ORIGIN
from tests.web.staging import Stage, csrf


@pytest.mark.parametrize("language", sorted(COMMENTS))
def test_comments_in_every_script_are_read_on_the_page_in_csv_and_by_programs(
    stage: Stage, client: TestClient, language: str
) -> None:
    """One beside the decision and one with it, typed on the study's page."""
    study, _ = stage.add(1)
    text = COMMENTS[language]
    for action, form in {
        "comments": {"text": text},
        "resolve": {"resolution": "dismissed", "comment": f"{text} 2"},
    }.items():
        form |= {"actor": "mara", "csrf": csrf(client)}
        assert client.post(f"/studies/{study}/{action}", data=form, headers=ORIGIN).status_code == 303
    page = html.unescape(client.get(f"/studies/{study}").text)
    assert f"“{text}”" in page
    assert f"{text} 2" in page
    (row,) = csv.DictReader(io.StringIO(client.get("/worklist.csv?show=all").content.decode("utf-8")))
    assert row["comments"].endswith(f" mara: {text}")
    assert row["comment"] == f"{text} 2"
    item = client.get(f"/api/v1/worklist/{study}").json()
    assert (item["comments"][0]["text"], item["comment"]) == (text, f"{text} 2")
