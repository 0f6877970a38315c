"""What every request must be, whoever sends it, and what browsers are told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from tests.web.staging import Stage, csrf

CLAIM = "/api/v1/worklist/1.2.3.1/claim"
MARA = {"actor": "mara"}


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080", "10.1.2.3", "miqa.example"]
)
def test_answers_to_its_own_names_and_to_addresses(client: TestClient, host: str) -> None:
    assert client.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "miqa.example.evil.example:8080", "", "127.0.0.1.evil.example"]
)
def test_does_not_answer_to_names_that_somebody_else_made_up(client: TestClient, host: str) -> None:
    answer = client.get("/healthz", headers={"host": host})

    assert answer.status_code == 421
    assert "web.allowed_hosts" in answer.json()["detail"]


@pytest.mark.parametrize("header", ["forwarded", "via", "x-real-ip"])
def test_what_a_proxy_on_this_host_passes_on_is_not_this_host(client: TestClient, header: str) -> None:
    assert client.get("/", headers={header: "10.0.0.7"}).status_code == 403


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_this_host_may_change(stage: Stage, connect: Callable[..., TestClient], address: str) -> None:
    stage.add(1)

    assert connect(client=address).post(CLAIM, json=MARA).status_code == 200


def test_this_host_may_change_by_its_own_address_too(stage: Stage, connect: Callable[..., TestClient]) -> None:
    stage.add(1)

    own = connect(client="192.0.2.5", base_url="http://192.0.2.5:8080")

    assert own.post(CLAIM, json=MARA).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://localhost:8080", "sec-fetch-site": "same-origin"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "https://localhost:8080"}, 403),
        ({"origin": "http://localhost:9999"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_other_sites_pages_cannot_change(
    stage: Stage, client: TestClient, headers: dict[str, str], status: int
) -> None:
    stage.add(1)

    assert client.post(CLAIM, json=MARA, headers=headers).status_code == status


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_the_api_takes_only_json(stage: Stage, client: TestClient, kind: str) -> None:
    stage.add(1)

    answer = client.post(CLAIM, content=b'{"actor": "mara"}', headers={"content-type": kind})

    assert answer.status_code == 415


def test_forms_need_an_origin(stage: Stage, client: TestClient) -> None:
    stage.add(1)
    url = "/studies/1.2.3.1/claim"

    form = {**MARA, "csrf": csrf(client)}

    without = client.post(url, data=form)
    own = client.post(url, data=form, headers={"origin": "http://localhost:8080"})
    foreign = client.post(url, data=form, headers={"origin": "http://evil.example"})

    assert (without.status_code, own.status_code, foreign.status_code) == (403, 303, 403)


def test_large_bodies_are_refused_with_and_without_a_length(stage: Stage, client: TestClient) -> None:
    stage.add(1)
    large = b'{"actor": "' + b"a" * 70_000 + b'"}'
    json = {"content-type": "application/json"}

    names = client.post(CLAIM, content=large, headers=json)
    chunked = client.post(CLAIM, content=iter([large[:40_000], large[40_000:]]), headers=json)

    assert names.status_code == 413
    assert chunked.status_code == 413
    assert "65536 bytes" in chunked.json()["detail"]


@pytest.mark.parametrize("path", ["/", "/studies/1.2.3.1", "/api/v1/worklist", "/nothing", "/static/style.css"])
def test_every_answer_carries_the_security_headers(stage: Stage, client: TestClient, path: str) -> None:
    stage.add(1)

    headers = client.get(path).headers

    assert "default-src 'none'" in headers["content-security-policy"]
    assert "script-src 'self';" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"


def test_refusals_carry_them_too(client: TestClient) -> None:
    assert client.get("/", headers={"host": "evil.example"}).headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_browser_is_refused_with_a_page_in_its_language(client: TestClient, method: str) -> None:
    wrong = {"host": "evil.example"} if method == "GET" else {"origin": "http://evil.example"}
    client.cookies.set("miqa_language", "de")

    answer = client.request(method, "/account", headers={"accept": "text/html", **wrong})

    assert answer.status_code == (421 if method == "GET" else 403)
    assert answer.headers["content-type"].startswith("text/html")
    assert '<html lang="de">' in answer.text
    assert ("Nicht der Name dieses Programms" if method == "GET" else "Nicht erlaubt") in answer.text
    assert "web.allowed_hosts" in answer.text or "web.trusted_proxies" in answer.text
    assert "This node" not in answer.text
    assert answer.headers["x-frame-options"] == "DENY"


def test_a_program_is_refused_in_english_and_as_a_problem(client: TestClient) -> None:
    answer = client.post("/api/v1/retrievals", json={}, headers={"origin": "http://evil.example"})

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith("The request comes from another site's page.")


@pytest.mark.more
def test_without_accounts_other_hosts_see_nothing(stage: Stage, connect: Callable[..., TestClient]) -> None:
    stage.add(1)
    other = connect(client="10.0.0.7")

    for path in ("/", "/studies/1.2.3.1", "/api/v1/worklist", "/account"):
        refused = other.get(path)
        assert refused.status_code == 403, path
        assert "set-up link" in refused.json()["detail"]
    assert other.post(CLAIM, json=MARA).status_code == 403
    assert [other.get(path).status_code for path in ("/healthz", "/readyz", "/metrics")] == [200] * 3
    assert connect().get("/api/v1/worklist/1.2.3.1").json()["state"] == "OPEN"
