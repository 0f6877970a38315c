"""Days at the ends of Python's calendar are refused where they come in, and nothing behind fails with them."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from fastapi.testclient import TestClient

from tests.interfaces.web.test_calendar import OF_DAYS
from tests.web.staging import Stage


@pytest.mark.parametrize("path", OF_DAYS)
@pytest.mark.parametrize("query", ["since=0001-01-01", "until=0001-01-01", "since=9999-12-31", "until=9999-12-31"])
def test_a_page_refuses_a_day_that_it_cannot_compute_with(
    stage: Stage, client: TestClient, path: str, query: str
) -> None:
    stage.add(1)

    answer = client.get(f"{path}?{query}")

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY, answer.text
    assert query.partition("=")[0] in answer.text
