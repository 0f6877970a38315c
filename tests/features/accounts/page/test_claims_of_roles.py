"""Roles from nested claims and group paths; without a role the log says what came, and names nobody."""

from __future__ import annotations

from typing import Any

import pytest

from miqa_node.core.domain.access import Role
from miqa_node.core.settings import OidcSettings, load_settings
from miqa_node.interfaces.web.oidc import role_of, why_no_role

WHO = {"iss": "https://sso.example", "sub": "12", "name": "Mara Muster", "email": "mara@example.org"}


def settings(claim: str = "groups") -> OidcSettings:
    oidc = {"role_claim": claim, "admins": ("/radiology/admins",), "reviewers": ("reviewers",)}
    return load_settings(oidc=oidc).oidc


@pytest.mark.parametrize(
    ("claim", "claims", "role"),
    [
        ("groups", {"groups": ["radiology/admins"]}, Role.ADMIN),
        ("groups", {"groups": ["/reviewers", "/others"]}, Role.REVIEWER),
        ("groups", {"groups": "/reviewers"}, Role.REVIEWER),
        ("realm_access.roles", {"realm_access": {"roles": ["reviewers"]}}, Role.REVIEWER),
        ("resource_access.miqa.roles", {"resource_access": {"miqa": {"roles": ["reviewers"]}}}, Role.REVIEWER),
        ("https://x.example/roles", {"https://x.example/roles": ["reviewers"]}, Role.REVIEWER),
        ("realm_access.roles", {"realm_access": ["reviewers"]}, None),
        ("realm_access.roles", {"realm_access": {"roles": {"reviewers": 1}}}, None),
        ("groups", {"groups": ["//reviewers"]}, None),
    ],
)
def test_a_role_is_found_wherever_the_provider_puts_it(claim: str, claims: dict[str, Any], role: Role | None) -> None:
    assert role_of({**WHO, **claims}, settings(claim)) is role


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"groups": ["/nurses", "x" * 99]}, "/nurses"),
        ({"roles": ["reviewers"]}, "claims are email, iss, name, roles, sub"),
        ({"_claim_names": {"groups": "src1"}}, "left the groups out"),
        ({"groups": []}, "[]"),
    ],
)
def test_the_log_says_why_there_is_none(claims: dict[str, Any], says: str) -> None:
    why = why_no_role({**WHO, **claims}, settings())
    assert why["role_claim"] == "groups"
    assert says in str(why["came"])
    assert "Mara" not in str(why)
    assert "mara@" not in str(why)
    assert "x" * 65 not in str(why)
