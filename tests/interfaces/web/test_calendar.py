"""Days at the ends of Python's calendar are refused where they come in, and nothing behind fails with them."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from fastapi.testclient import TestClient

from tests.web.staging import Stage, csrf

OF_DAYS = (
    "/", "/worklist.csv", "/images", "/analysis", "/analysis/rejects.csv", "/analysis/model", "/analysis/model.csv",
    "/analysis/labels", "/api/v1/analysis", "/api/v1/analysis/rejects.csv", "/api/v1/analysis/model",
    "/api/v1/analysis/model.csv", "/api/v1/analysis/labels", "/api/v1/analysis/views/images.csv",
)  # fmt: skip
OF_MOMENTS = ("/api/v1/worklist", "/api/v1/worklist.csv", "/api/v1/audit")


@pytest.mark.parametrize("path", OF_DAYS)
def test_a_page_takes_the_first_and_the_last_day(stage: Stage, client: TestClient, path: str) -> None:
    stage.add(1)

    for query in ("since=1900-01-01", "until=2999-12-31", "until=1900-01-01", "since=1900-01-01&until=2999-12-31"):
        assert client.get(f"{path}?{query}").status_code == HTTPStatus.OK, query


@pytest.mark.parametrize("path", OF_MOMENTS)
@pytest.mark.parametrize("at", ["0001-01-01T00:00:00%2B23:59", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59"])
def test_a_moment_that_no_zone_has_is_refused(client: TestClient, path: str, at: str) -> None:
    for name in ("since", "until"):
        assert client.get(f"{path}?{name}={at}").status_code == HTTPStatus.UNPROCESSABLE_ENTITY


def test_a_place_in_a_list_that_no_zone_has_is_the_first_page(stage: Stage, client: TestClient) -> None:
    _, digest = stage.add(1)
    place = f"0001-01-01T00:00:00%2B23:59~{digest}"

    assert client.get(f"/images?before={place}").status_code == HTTPStatus.OK
    assert client.get("/?after=0001-01-01T00:00:00%2B23:59~1.2.3.1").status_code == HTTPStatus.OK


def test_no_report_is_made_of_a_month_before_the_calendar(client: TestClient) -> None:
    headers = {"x-csrf-token": csrf(client), "origin": "http://localhost:8080"}

    form = client.post("/analysis/reports/0001-01?form=csv", data={"csrf": headers["x-csrf-token"]}, headers=headers)
    rest = client.post("/api/v1/analysis/reports/0001-01", json={"form": "csv"})

    assert (form.status_code, rest.status_code) == (HTTPStatus.UNPROCESSABLE_ENTITY,) * 2


@pytest.mark.more
@pytest.mark.parametrize("path", OF_DAYS)
@pytest.mark.parametrize("query", ["since=0001-01-01", "until=0001-01-01", "since=9999-12-31", "until=9999-12-31"])
def test_a_page_refuses_a_day_that_it_cannot_compute_with(
    stage: Stage, client: TestClient, path: str, query: str
) -> None:
    stage.add(1)

    answer = client.get(f"{path}?{query}")

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY, answer.text
    assert query.partition("=")[0] in answer.text
