"""Sign-on at a site's provider: a small OpenID Connect server of this test, spoken to over real HTTP."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI
from fastapi.testclient import TestClient

from miqa_node.core.domain.access import Role
from miqa_node.core.settings import load_settings
from miqa_node.runtime.people import accounts, users
from tests.web.people import add_account, sign_in
from tests.web.staging import Stage

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CLIENT, SECRET, CODE = "miqa", "client-secret", "one-time-code"


class Provider:
    """Discovery, keys, and a token endpoint that checks the client's secret and PKCE as RFC 7636 4.6 says."""

    def __init__(self) -> None:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(provider.documents.get(urlsplit(self.path).path))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                form = {key: values[0] for key, values in parse_qs(body).items()}
                self.answer({} if provider.status else provider.token(form))

            def answer(self, document: Any) -> None:
                data = json.dumps(document).encode()
                self.send_response(provider.status or (200 if document is not None else 400))
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.asked: dict[str, str] = {}
        self.claims: dict[str, Any] = {"sub": "4711", "preferred_username": "Mara.Kunz", "groups": ["radiology", "mtr"]}
        self.kid, self.key, self.algorithm = "k1", KEY, "RS256"
        self.refreshes, self.refresh_token, self.renewals, self.id_tokens_renewed = True, "", 0, True
        self.status: int | None = None  # of every answer of the token endpoint; None is what it should be
        jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
        self.documents: dict[str, Any] = {
            "/.well-known/openid-configuration": {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            },
            "/keys": {"keys": [{**jwk, "kid": "k1", "use": "sig", "alg": "RS256"}]},
        }

    def authorize(self, address: str) -> dict[str, str]:
        """What the provider sends back by the browser after somebody signed on there."""
        assert address.startswith(f"{self.issuer}/authorize?")
        self.asked = {key: values[0] for key, values in parse_qs(urlsplit(address).query).items()}
        assert self.asked["response_type"] == "code"
        assert self.asked["code_challenge_method"] == "S256"
        return {"state": self.asked["state"], "code": CODE}

    def token(self, form: dict[str, str]) -> dict[str, str] | None:
        if form["grant_type"] == "refresh_token":
            return self.renew(form)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        if (form["code"], form.get("client_secret"), form["redirect_uri"], challenge.decode()) != (
            CODE,
            SECRET,
            self.asked["redirect_uri"],
            self.asked["code_challenge"],
        ):
            return None
        return self.answer({"nonce": self.asked["nonce"], **self.claims})

    def renew(self, form: dict[str, str]) -> dict[str, str] | None:
        """As RFC 6749 6 says; each refresh token is good once."""
        self.renewals += 1
        if (form["refresh_token"], form.get("client_secret")) != (self.refresh_token, SECRET):
            return None
        argument = self.answer(self.claims)
        return argument if self.id_tokens_renewed else {k: v for k, v in argument.items() if k != "id_token"}

    def answer(self, claims: dict[str, Any]) -> dict[str, str]:
        values = {"id_token": self.signed(claims), "access_token": f"access-{self.renewals}"}
        if self.refreshes:
            self.refresh_token = values["refresh_token"] = f"refresh-{self.renewals}"
        return values

    def signed(self, claims: dict[str, Any]) -> str:
        now = int(time.time())
        registered = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300}
        key = "0" * 32 if self.algorithm == "HS256" else self.key
        return jwt.encode({**registered, **claims}, key, self.algorithm, headers={"kid": self.kid})


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    thread = threading.Thread(target=provider.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield provider
    provider.server.shutdown()
    thread.join()
    provider.server.server_close()


@pytest.fixture
def browser(stage: Stage, app: FastAPI, provider: Provider) -> Callable[..., TestClient]:
    values = {
        "issuer": provider.issuer,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "viewers": ["radiology"],
        "reviewers": ["mtr"],
    }
    settings = load_settings(node={"data_dir": stage.services.settings.node.data_dir}, oidc=values)
    app.state.services = replace(stage.services, settings=settings)

    def make() -> TestClient:
        return TestClient(app, "http://localhost:8080", client=("127.0.0.1", 1), follow_redirects=False)

    return make


def sign_on(browser: TestClient, provider: Provider, **more: str) -> Any:
    away = browser.get("/sign-on?next=/account")
    assert away.status_code == 303, away.text
    return browser.get("/sign-on/back", params={**provider.authorize(away.headers["location"]), **more})


def test_somebody_signs_on_and_gets_the_role_of_their_groups(
    stage: Stage, provider: Provider, browser: Callable[..., TestClient]
) -> None:
    client = browser()
    assert client.get("/").status_code == 401, "with a provider nobody gets in unknown, also not on this host"
    assert 'href="/sign-on?next=/"' in client.get("/sign-in").text

    answer = sign_on(client, provider)

    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert provider.asked["redirect_uri"] == "http://localhost:8080/sign-on/back"
    assert ">mara.kunz<" in client.get("/").text
    with stage.services.database.begin() as transaction:
        assert users.load(transaction, "mara.kunz").role is Role.REVIEWER
    provider.claims = {**provider.claims, "groups": "radiology", "preferred_username": "mara.new-name"}
    assert sign_on(browser(), provider).status_code == 303
    with stage.services.database.begin() as transaction:
        assert [(user.name, user.role) for user in users.every(transaction)] == [("mara.kunz", Role.VIEWER)]
        history = [
            (event.name, event.action.value, event.actor, event.detail)
            for event in accounts.events(transaction, limit=9)
        ]
    assert history == [
        ("mara.kunz", "role", "the site's sign-on", "viewer"),
        ("mara.kunz", "added", "the site's sign-on", "reviewer"),
    ]


@pytest.mark.parametrize("groups", [[], ["surgery"], "", None, {"mtr": True}])
def test_somebody_without_a_role_gets_in_nowhere(
    stage: Stage, provider: Provider, browser: Callable[..., TestClient], groups: object
) -> None:
    provider.claims["groups"] = groups
    client = browser()

    answer = sign_on(client, provider)

    assert answer.status_code == 403
    assert "You have no role on this node" in answer.json()["detail"]
    assert client.get("/").status_code == 401
    with stage.services.database.begin() as transaction:
        assert users.every(transaction) == []


def test_a_name_that_no_account_can_have_is_explained(provider: Provider, browser: Callable[..., TestClient]) -> None:
    provider.claims["preferred_username"] = "Jörg Müller"
    answer = sign_on(browser(), provider)
    assert answer.status_code == 403
    assert "its claim preferred_username" in answer.json()["detail"]
    assert "(oidc.name_claim)" in answer.json()["detail"]


def test_a_name_that_is_taken_here_is_not_taken_over(
    stage: Stage, provider: Provider, browser: Callable[..., TestClient]
) -> None:
    add_account(stage, "mara.kunz", Role.ADMIN)
    client = browser()

    assert sign_on(client, provider).status_code == 403
    assert client.get("/").status_code == 401
    assert sign_in(client, "mara.kunz").status_code == 303, "accounts with passwords still work"


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": "another-client"}, "InvalidAudienceError"),
        ({"iss": "https://evil.example"}, "InvalidIssuerError"),
        ({"exp": 1_000_000_000}, "ExpiredSignatureError"),
        ({"nonce": "of another sign-on"}, "not the answer to this sign-on"),
        ({"azp": "another-client"}, "another client"),
        ({"sub": None}, "Error"),
    ],
)
def test_id_tokens_for_others_are_refused(
    provider: Provider, browser: Callable[..., TestClient], claims: dict[str, Any], why: str
) -> None:
    provider.claims |= claims

    answer = sign_on(browser(), provider)

    assert answer.status_code == 403
    assert why in answer.json()["detail"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"key": OTHER_KEY}, "InvalidSignatureError"),
        ({"kid": "unknown"}, "does not publish"),
        ({"algorithm": "HS256"}, "Error"),
    ],
)
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_id_tokens_that_others_signed_are_refused(
    provider: Provider, browser: Callable[..., TestClient], change: dict[str, Any], why: Any
) -> None:
    vars(provider).update(change)

    answer = sign_on(browser(), provider)

    assert answer.status_code == 403
    assert why in answer.json()["detail"]


def test_an_answer_that_belongs_to_another_browser_is_refused(
    provider: Provider, browser: Callable[..., TestClient]
) -> None:
    victim = browser()
    sign_on(browser(), provider)

    assert victim.get("/sign-on/back", params={"state": provider.asked["state"], "code": CODE}).status_code == 403
    assert sign_on(victim, provider, state="guessed").status_code == 403
    assert sign_on(victim, provider, code="guessed").status_code == 403
    assert sign_on(victim, provider, error="access_denied").status_code == 403
    assert victim.get("/").status_code == 401


@pytest.mark.parametrize(
    "text", [b"[" * 5000, b"[]", b"7", b"{", b"\xff"], ids=["deep", "list", "number", "cut", "bytes"]
)
def test_a_cookie_that_this_node_did_not_make_begins_no_sign_on(
    browser: Callable[..., TestClient], text: bytes
) -> None:
    client = browser()
    client.cookies.set("miqa_sign_on", base64.urlsafe_b64encode(text).decode())
    answer = client.get("/sign-on/back", params={"state": "s", "code": CODE})
    assert (answer.status_code, "not begun in this browser" in answer.text) == (403, True)


def test_a_provider_that_calls_itself_something_else_is_not_trusted(
    provider: Provider, browser: Callable[..., TestClient]
) -> None:
    provider.documents["/.well-known/openid-configuration"]["issuer"] = "https://evil.example"

    answer = browser().get("/sign-on")

    assert answer.status_code == 502
    assert "another name" in answer.json()["detail"]


def test_a_provider_that_does_not_answer_is_said_so(provider: Provider, browser: Callable[..., TestClient]) -> None:
    provider.documents.clear()

    assert browser().get("/sign-on").status_code == 502


def test_without_a_provider_there_is_no_such_page(client: TestClient) -> None:
    assert client.get("/sign-on").status_code == 404
    assert "hospital account" not in client.get("/sign-in").text
