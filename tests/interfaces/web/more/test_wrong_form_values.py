"""Forms, addresses and the REST interface say in words what is wrong with a value; the value itself is not repeated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi.testclient import TestClient

from tests.core.test_wrong_values import FOR_PROGRAMMERS
from tests.web.staging import Stage

WRONG = ("x y\n\x01" + "7" * 300, "-1e400", "2026-99-99T99", "[]")


def _queries(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for path, operations in document["paths"].items():
        for parameter in operations.get("get", {}).get("parameters", ()):
            if parameter["in"] == "query" and "stream" not in path:
                filled = path
                for other in operations["get"]["parameters"]:
                    if other["in"] == "path":
                        filled = filled.replace(f"{{{other['name']}}}", "1.2")
                yield filled, parameter["name"]


def test_every_parameter_of_the_rest_interface_says_what_it_may_be(client: TestClient) -> None:
    document = client.get("/api/v1/openapi.json").json()
    refused = set()
    for path, name in _queries(document):
        for value in WRONG:
            answer = client.get(path, params={name: value})
            if answer.status_code != 422 or "errors" not in answer.json():
                continue
            refused.add((path, name))
            for one in answer.json()["errors"]:
                assert FOR_PROGRAMMERS.search(one["why"]) is None, (path, name, one)
                assert "777" not in one["why"]
    assert len(refused) > 60


def test_bodies_say_what_they_may_be(client: TestClient, stage: Stage) -> None:
    stage.add(1)
    document = client.get("/api/v1/openapi.json").json()
    refused = 0
    for path, operations in document["paths"].items():
        for method in operations.keys() & {"post", "put", "patch"}:
            if "application/json" not in operations[method].get("requestBody", {}).get("content", {}):
                continue
            bodies: tuple[Any, ...] = ([], {"x": 1}, 7, {"actor": 3, "name": [], "uid": {}, "since": "x", "comment": 3})
            for body in bodies:
                answer = client.request(method, path.replace("{", "").replace("}", ""), json=body)
                for one in answer.json().get("errors") or () if answer.status_code == 422 else ():
                    refused += 1
                    assert FOR_PROGRAMMERS.search(one["why"]) is None, (path, one)
    assert refused > 40
