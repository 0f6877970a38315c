"""Whatever somebody sends, the interface answers with sense and never with a fault of its own."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok

from miqa_node.core.settings import load_settings
from miqa_node.features.worklist.api.worklist import WorklistQuery
from miqa_node.interfaces.web.server import WebServer
from tests.web.staging import Stage

# Text as a browser or a program can send it in an address: anything but halves of surrogate pairs.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=70)
QUERY = st.dictionaries(st.sampled_from(sorted(WorklistQuery.model_fields)) | TEXT, TEXT | st.integers().map(str))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
BODY = st.fixed_dictionaries({}, optional={"actor": TEXT, "resolution": TEXT, "comment": TEXT, "more": JSON}) | JSON
IS_JSON = {"content-type": "application/json"}
MANY = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])

pytestmark = [pytest.mark.more, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@MANY
@example(query={"saved": "0"})
@given(query=QUERY)
def test_any_filter(stage: Stage, client: TestClient, query: dict[str, str]) -> None:
    for path in ("/api/v1/worklist", "/"):
        answer = client.get(path, params=query)
        # No view is saved here, so a number where one is expected is the number of none.
        unknown = {HTTPStatus.NOT_FOUND} if "saved" in query else set[HTTPStatus]()
        assert answer.status_code in {HTTPStatus.OK, HTTPStatus.UNPROCESSABLE_ENTITY, *unknown}, answer.text


@MANY
@given(body=BODY, action=st.sampled_from(["claim", "release", "resolve"]))
def test_any_body(stage: Stage, client: TestClient, body: object, action: str) -> None:
    stage.add(1)

    answer = client.post(f"/api/v1/worklist/1.2.3.1/{action}", content=json.dumps(body), headers=IS_JSON)

    assert answer.status_code in (200, 409, 413, 422), answer.text


@MANY
@given(name=TEXT)
def test_any_uid(client: TestClient, name: str) -> None:
    from urllib.parse import quote

    for path in ("/api/v1/worklist/", "/api/v1/instances/", "/studies/", "/previews/"):
        answer = client.get(path + quote(name, safe=""))
        assert answer.status_code in (200, 307, 404, 405, 422), (path, answer.text)


@pytest.mark.filterwarnings("ignore")
def test_every_operation_of_the_openapi_document(stage: Stage, app: FastAPI) -> None:
    for number in range(1, 4):
        stage.add(number)
    server = WebServer(app, load_settings(web={"port": 0}).web)
    server.start()
    try:
        results = schemathesis.openapi.from_dict(app.openapi()).get_all_operations()
        operations = [result.ok() for result in results if isinstance(result, Ok)]
        for operation in operations:
            call_with_anything(operation.as_strategy(), f"http://127.0.0.1:{server.port}")
    finally:
        server.stop()
    assert len(operations) > 30


def call_with_anything(cases: st.SearchStrategy[schemathesis.Case[Any]], address: str) -> None:
    @settings(max_examples=15, database=None, suppress_health_check=list(HealthCheck))
    @given(case=cases)
    def call(case: schemathesis.Case[Any]) -> None:
        answer = case.call(base_url=address)
        assert answer.status_code < 500 or answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE, (
            f"{case.method} {case.formatted_path}: {answer.status_code} {answer.text}"
        )

    call()
