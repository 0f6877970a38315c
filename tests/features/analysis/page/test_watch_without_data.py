"""Model watch shows no section, number or chart that has no data; one line names them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from fastapi.testclient import TestClient

from miqa_node.core.domain.verdict import Verdict
from miqa_node.features.analysis.rows import measurement_weeks
from miqa_node.features.analysis.tables import measurement_weeks as measurement_weeks_table
from tests.web.staging import Stage

SECTION = re.compile(r'<section class="card">\s*<h2>(.+?)</h2>')


def test_an_empty_node_has_one_line(stage: Stage, client: TestClient) -> None:
    stage.add(1, Verdict.ACCEPT)
    page = client.get("/analysis/model").text
    assert SECTION.findall(page) == []
    assert "<dl" not in page
    line = re.search(r"Nothing to show in this period: (.+?)\.<", page)
    assert line is not None
    assert "Precision by room · Reliability of the probabilities · Drift of the images" in line[1]
    assert line[1].endswith("Candidates beside the active model")


def test_what_has_too_few_images_is_a_sentence_and_no_row_of_dashes(stage: Stage, client: TestClient) -> None:
    week = measurement_weeks.monday(datetime.now(UTC).date())
    bins = {"noise": 5, "sharpness": 6}
    rows = [
        {"week": week - timedelta(weeks=ago), "station": "", "measurement": name, "bin": at, "count": count}
        for name, at in bins.items()
        for ago, count in ((0, 200), (5, 200 if name == "noise" else 1))
    ]
    with stage.services.database.begin() as transaction:
        transaction.execute(sa.insert(measurement_weeks_table), rows)
    page = client.get("/analysis/model", params={"since": week.isoformat()}).text
    [section] = re.findall(r"<h2>Drift of the images</h2>(.*?)</section>", page, re.DOTALL)
    assert section.count("<tr>") == 2, "the head, and noise"
    assert "–" not in re.sub(r"<[^>]*>", "", section)
    assert "Too few images then or now to compare: Sharpness." in section
