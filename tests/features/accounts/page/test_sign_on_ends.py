"""Sessions of people who signed on at the site's provider end when it says so, or does not confirm them any more."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from miqa_node.core.domain.access import Role
from miqa_node.core.domain.audit import AuditEvent, AuditFilter
from miqa_node.interfaces.web.oidc import LOGOUT_EVENT
from miqa_node.runtime.people import accounts, users
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.store.tables import sessions
from tests.features.accounts.page.test_oidc import OTHER_KEY, Provider, browser, provider, sign_on
from tests.web.people import signed_in
from tests.web.staging import Stage

__all__ = ["browser", "provider"]
Make = Callable[..., TestClient]


def age(stage: Stage, seconds: float) -> None:
    """As if the provider had been asked earlier."""
    with stage.services.database.begin() as transaction:
        for row in transaction.execute(sa.select(sessions.c.token_sha256, sessions.c.checked_at)).all():
            if row.checked_at is not None:
                earlier = {"checked_at": row.checked_at - timedelta(seconds=seconds), "asked_at": None}
                transaction.execute(
                    sa.update(sessions).where(sessions.c.token_sha256 == row.token_sha256).values(earlier)
                )


def is_in(client: TestClient) -> bool:
    return client.get("/account").status_code == 200


def notify(client: TestClient, provider: Provider, **claims: Any) -> Any:
    """What the provider sends from its own machine, without cookie and Origin."""
    texts = {"jti": uuid.uuid4().hex, "events": {LOGOUT_EVENT: {}}, **claims}
    token = provider.signed({name: value for name, value in texts.items() if value is not None})
    return client.post("/sign-on/logout", data={"logout_token": token})


def ends(stage: Stage) -> list[tuple[str, str]]:
    with stage.services.database.begin() as transaction:
        result = records.select(transaction, AuditFilter(event=AuditEvent.SIGNED_OUT))
    return [(one.actor, one.means) for one in result]


def test_a_logout_token_ends_the_session_it_names(stage: Stage, provider: Provider, browser: Make) -> None:
    first, second, third = browser(), browser(), browser()
    provider.claims["sid"] = "s1"
    sign_on(first, provider)
    provider.claims["sid"] = "s2"
    sign_on(second, provider)
    provider.claims |= {"sub": "4712", "preferred_username": "jo", "sid": "s3"}
    sign_on(third, provider)

    answer = notify(browser(), provider, sid="s1")

    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert [is_in(one) for one in (first, second, third)] == [False, True, True]
    assert ends(stage) == [("mara.kunz", "oidc")]
    assert notify(browser(), provider, sub="4711").status_code == 200
    assert [is_in(one) for one in (second, third)] == [False, True], "all sessions of a person"
    assert notify(browser(), provider, sub="4711", sid="s3").status_code == 200
    assert is_in(third), "another person's session"


def test_passwords_are_no_business_of_the_provider(
    stage: Stage, provider: Provider, browser: Make, connect: Callable[..., TestClient]
) -> None:
    local = signed_in(stage, connect, "ada", Role.ADMIN)
    assert notify(browser(), provider, sub="ada").status_code == 200
    age(stage, 1e6)
    assert is_in(local)


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://evil.example"}, "InvalidIssuerError"),
        ({"aud": "another"}, "InvalidAudienceError"),
        ({"exp": 1_000_000_000}, "ExpiredSignatureError"),
        ({"jti": None}, "MissingRequiredClaimError"),
        ({"events": None}, "not a logout token"),
        ({"events": {"http://example.org/other": {}}}, "not a logout token"),
        ({"nonce": "n"}, "nonce"),
        ({"sub": None}, "neither who nor which session"),
    ],
)
def test_logout_tokens_that_are_none(provider: Provider, browser: Make, claims: dict[str, Any], why: str) -> None:
    client = browser()
    sign_on(client, provider)

    answer = notify(browser(), provider, **{"sub": "4711", **claims})

    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"
    assert why in answer.json()["error_description"]
    assert is_in(client)


def test_logout_tokens_that_others_signed_or_browsers_bring(provider: Provider, browser: Make) -> None:
    client = browser()
    sign_on(client, provider)
    id_token = provider.signed(provider.claims)
    assert browser().post("/sign-on/logout", data={"logout_token": id_token}).status_code == 400
    page = {"origin": "https://evil.example"}
    assert browser().post("/sign-on/logout", data={"logout_token": id_token}, headers=page).status_code == 403
    provider.key = OTHER_KEY
    assert notify(browser(), provider, sub="4711").status_code == 400
    assert is_in(client)


def test_a_token_that_is_sent_again_ends_nothing_that_began_later(provider: Provider, browser: Make) -> None:
    client = browser()
    sign_on(client, provider)
    assert notify(browser(), provider, sub="4711", iat=1_000_000_000).status_code == 200
    assert is_in(client)


def test_who_loses_the_role_at_the_provider_is_out_within_the_time(
    stage: Stage, provider: Provider, browser: Make
) -> None:
    client, other = browser(), browser()
    sign_on(client, provider)
    sign_on(other, provider)
    provider.claims["groups"] = []
    assert is_in(client), "the provider's word still counts"
    age(stage, 500)

    assert not is_in(client)
    assert not is_in(other), "all sessions of the account"
    with stage.services.database.begin() as transaction:
        [event, _added] = accounts.events(transaction, limit=9)
    assert (event.name, event.action.value, event.actor) == ("mara.kunz", "signed out", "the site's sign-on")
    with stage.services.database.begin() as transaction:
        changes = records.select(transaction, AuditFilter(event=AuditEvent.ACCOUNT_CHANGED))
    assert '"signed out"' in changes[0].detail


def test_another_role_counts_from_the_next_confirmation(stage: Stage, provider: Provider, browser: Make) -> None:
    client = browser()
    sign_on(client, provider)
    for groups, role in (("radiology", Role.VIEWER), (["mtr"], Role.REVIEWER)):
        provider.claims["groups"] = groups
        age(stage, 500)
        assert f"Role: {role.value}" in client.get("/account").text
        with stage.services.database.begin() as transaction:
            assert users.load(transaction, "mara.kunz").role is role
    assert provider.renewals == 2, "each with the refresh token of the one before"
    assert is_in(client)
    assert provider.renewals == 2, "not at every request"


def test_a_session_that_ended_at_the_provider_ends_here(stage: Stage, provider: Provider, browser: Make) -> None:
    client = browser()
    sign_on(client, provider)
    provider.refresh_token = "revoked"
    age(stage, 500)
    assert not is_in(client)
    assert ends(stage) == [("mara.kunz", "oidc")]


def test_another_person_is_not_taken_for_this_one(stage: Stage, provider: Provider, browser: Make) -> None:
    client = browser()
    sign_on(client, provider)
    provider.claims["sub"] = "4712"
    age(stage, 500)
    assert not is_in(client)


def test_a_short_outage_disturbs_nobody_and_a_long_one_lets_nobody_stay(
    stage: Stage, provider: Provider, browser: Make
) -> None:
    client = browser()
    sign_on(client, provider)
    provider.status = 503
    age(stage, 500)
    assert is_in(client)
    assert is_in(client), "it is not asked again at once"
    age(stage, 100)
    provider.status = None
    assert is_in(client)
    provider.status = 503
    age(stage, 901)
    assert not is_in(client)


def test_without_a_refresh_token_people_sign_on_again(stage: Stage, provider: Provider, browser: Make) -> None:
    provider.refreshes = False
    client = browser()
    sign_on(client, provider)
    age(stage, 800)
    assert is_in(client)
    age(stage, 101)
    assert not is_in(client)
    sign_on(client, provider)
    assert is_in(client)


def test_the_refresh_token_is_not_in_the_database(stage: Stage, provider: Provider, browser: Make) -> None:
    sign_on(browser(), provider)
    with stage.services.database.begin() as transaction:
        [row] = transaction.execute(sa.select(sessions)).all()
    assert row.sealed
    assert provider.refresh_token not in str(row)


def test_claims_come_from_the_userinfo_endpoint_where_renewals_bring_none(
    stage: Stage, provider: Provider, browser: Make
) -> None:
    provider.documents["/.well-known/openid-configuration"]["userinfo_endpoint"] = f"{provider.issuer}/userinfo"
    provider.documents["/userinfo"] = {"sub": "4711", "groups": ["radiology"]}
    provider.id_tokens_renewed = False
    client = browser()
    sign_on(client, provider)
    age(stage, 500)
    assert "Role: viewer" in client.get("/account").text
    provider.documents["/userinfo"] = {"sub": "4711"}
    age(stage, 500)
    assert not is_in(client)


def test_a_userinfo_endpoint_that_names_nobody_confirms_nobody(stage: Stage, provider: Provider, browser: Make) -> None:
    provider.documents["/.well-known/openid-configuration"]["userinfo_endpoint"] = f"{provider.issuer}/userinfo"
    provider.documents["/userinfo"] = {"groups": ["radiology"]}
    provider.id_tokens_renewed = False
    client = browser()
    sign_on(client, provider)
    age(stage, 500)
    assert not is_in(client)
