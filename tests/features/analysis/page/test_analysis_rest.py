"""The analysis over REST, and what it says while nobody has looked."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.label import LabelOrigin, ReaderOpinion
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.errors import QueryError
from miqa_node.features.analysis.monthly_reports import Form, make_month
from miqa_node.runtime.site_records import labels
from tests.features.analysis.rows.test_analysis import put
from tests.web.staging import Stage, csrf

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
PERIOD = "since=2026-01-01&until=2026-01-31"


def fill(stage: Stage, flagged: int, decided: int) -> None:
    with stage.services.database.begin() as transaction:
        for number in range(100):
            verdict = Verdict.REVIEW if number < flagged else Verdict.ACCEPT
            digest = put(transaction, number, AT.replace(tzinfo=None), verdict=verdict, patient=number)
            if number < decided:
                opinion = ReaderOpinion("anna", LabelOrigin.DECISION, False, rejects=False)
                labels.add(transaction, digest, opinion, AT)


def test_a_month_begins_on_the_clock_of_the_site(stage: Stage) -> None:
    at = datetime(2026, 11, 30, 20, tzinfo=UTC)
    services = stage.services

    def make(zone: str) -> bytes:
        settings = load_settings(node={"data_dir": services.settings.node.data_dir, "time_zone": zone})
        return make_month(services.database, settings, "2026-12", Form.CSV, at)

    assert make("Pacific/Auckland").startswith(b"dimension,")
    with pytest.raises(QueryError, match="2026-12 has not begun"):
        make("Europe/Berlin")


@pytest.mark.more
def test_nobody_having_looked_is_not_a_low_reject_rate(stage: Stage, client: TestClient) -> None:
    fill(stage, flagged=30, decided=0)

    answer = client.get(f"/api/v1/analysis?{PERIOD}").json()
    assert (answer["coverage"]["count"], answer["coverage"]["total"]) == (0, 30)
    assert answer["level"] == "not measurable yet"
    assert answer["rejected"]["count"] == 0
    assert answer["rejected"]["high"] > 0.3, "every unread image could be a reject"
    assert answer["sources"]
    page = client.get(f"/analysis?{PERIOD}").text
    assert "Decided <strong>0 of 30</strong> flagged images" in page
    assert "not measurable yet" in page
    assert "The reject rate is" not in page


@pytest.mark.more
def test_a_rate_that_was_read_is_fine(stage: Stage, client: TestClient) -> None:
    fill(stage, flagged=30, decided=28)

    answer = client.get(f"/api/v1/analysis?{PERIOD}").json()
    assert (answer["coverage"]["count"], answer["level"]) == (28, "fine")
    assert answer["rejected"]["high"] < 0.1


@pytest.mark.more
def test_every_figure_and_view_is_offered_to_programs(stage: Stage, client: TestClient) -> None:
    fill(stage, flagged=3, decided=1)

    assert client.get(f"/api/v1/analysis/model?{PERIOD}").json()["precision"]["total"] == 1
    assert client.get(f"/api/v1/analysis/labels?{PERIOD}").status_code == 200
    rows = list(csv.DictReader(io.StringIO(client.get(f"/api/v1/analysis/rejects.csv?{PERIOD}").text)))
    assert (rows[0]["dimension"], rows[0]["decided"], rows[0]["level"]) == ("all", "1", "not measurable yet")
    figures = list(csv.DictReader(io.StringIO(client.get(f"/api/v1/analysis/model.csv?{PERIOD}").text)))
    precision = client.get(f"/api/v1/analysis/model?{PERIOD}").json()["precision"]
    assert figures[0]["figure"] == "precision"
    assert (int(figures[0]["total"]), float(figures[0]["value"])) == (precision["total"], precision["share"])
    assert client.get(f"/analysis/model.csv?{PERIOD}").text.splitlines()[0] == ",".join(figures[0])
    images = client.get(f"/api/v1/analysis/views/images.csv?{PERIOD}").text
    assert len(images.splitlines()) == 101
    assert client.get("/api/v1/analysis/views/secrets.csv").status_code == 422


@pytest.mark.more
def test_a_report_is_made_when_somebody_asks_for_it(stage: Stage, client: TestClient) -> None:
    fill(stage, flagged=3, decided=1)
    month = PERIOD.partition("since=")[2][:7]
    address = f"/api/v1/analysis/reports/{month}"

    made = client.post(address, json={})
    assert made.status_code == 200, made.text
    assert made.headers["content-type"] == "application/pdf"
    assert made.content.startswith(b"%PDF")
    assert made.headers["content-disposition"] == f'attachment; filename="rejects-{month}.pdf"'
    rows = list(csv.DictReader(io.StringIO(client.post(address, json={"form": "csv"}).text)))
    assert rows[0]["images"] == "100"
    assert client.get(f"{address}.pdf").status_code == 404, "it is not kept"
    assert client.post("/api/v1/analysis/reports/2999-01", json={}).status_code == 400
    assert client.post("/api/v1/analysis/reports/2026-13", json={}).status_code == 422

    page = client.get(f"/analysis?{PERIOD}").text
    assert f'formaction="/analysis/reports/{month}?form=pdf"' in page
    form = {"csrf": csrf(client)}
    answer = client.post(f"/analysis/reports/{month}?form=html", data=form, headers={"origin": "http://localhost:8080"})
    assert answer.headers["content-disposition"] == f'attachment; filename="rejects-{month}.html"'
    assert client.post(f"/analysis/reports/{month}?form=html").status_code == 403, "not from the node's own page"
