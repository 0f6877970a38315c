"""The worklist and the images over REST."""

from __future__ import annotations

from fastapi.testclient import TestClient


def test_the_document_of_the_interface_lists_the_reasons(client: TestClient) -> None:
    schema = client.get("/api/v1/openapi.json").json()["components"]["schemas"]["Resolve"]["properties"]
    assert "111210" in schema["reason"]["enum"]
    assert schema["regions"]["maxItems"] == 50


def test_openapi_describes_every_operation_and_its_errors(client: TestClient) -> None:
    document = client.get("/api/v1/openapi.json").json()

    operations = {
        (method, path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert ("post", "/api/v1/worklist/{study_uid}/resolve") in operations
    for (_, path), operation in operations.items():
        assert operation["summary"]
        for status, response in operation["responses"].items():
            if status.startswith(("4", "5")) and path.startswith("/api/"):
                assert list(response["content"]) == ["application/problem+json"], (path, status)
        for response in (response for status, response in operation["responses"].items() if status.startswith("2")):
            assert response.get("content") != {"application/json": {"schema": {}}}, f"{path} is of another media type"
        if "requestBody" in operation:
            assert {"415", "422"} <= operation["responses"].keys(), path
