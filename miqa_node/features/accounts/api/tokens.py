"""The REST interface to the tokens of programs: list, make, rotate and revoke them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Request
from pydantic import Field

from miqa_node.core.domain.access import Means, Permission
from miqa_node.interfaces.web.access import Admin, Who, acting
from miqa_node.interfaces.web.fields import MAX_ID, Actor
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import CHANGE_ERRORS, responses
from miqa_node.interfaces.web.services import Services, WebServices
from miqa_node.interfaces.web.values import NO_CONTROLS, Strict
from miqa_node.runtime.people import accounts, tokens
from miqa_node.runtime.people.tokens import Token

TokenNumber = Annotated[int, Path(ge=1, le=MAX_ID, description="Number of the token.")]
Days = Annotated[int | None, Field(ge=1, le=accounts.MAX_TOKEN_DAYS, description="Days until it expires.")]
Overlap = Annotated[
    float, Field(ge=0, le=accounts.MAX_OVERLAP_HOURS, description="Hours during which the old one remains valid.")
]


class NewToken(Strict):
    """Whose token it is, what it allows and for how long; without ``days`` 90, and for displays always."""

    actor: Actor = ""
    account: str = Field(min_length=1, max_length=64, pattern=NO_CONTROLS)
    label: str = Field("", max_length=accounts.MAX_LABEL_CHARACTERS, pattern=NO_CONTROLS)
    scopes: list[Permission] = Field(default=[Permission.READ], min_length=1, max_length=20)
    days: Days = None


class TokenRotation(Strict):
    """How long the old token works on, and the new one's days; without ``days`` as many as the old one had."""

    actor: Actor = ""
    overlap_hours: Overlap = accounts.OVERLAP_HOURS
    days: Days = None


class OwnRotation(Strict):
    """The same, by the program itself."""

    overlap_hours: Overlap = accounts.OVERLAP_HOURS


class TokenEnd(Strict):
    """Who revokes it."""

    actor: Actor = ""


class ShownToken(Strict):
    """A new token: this once with its value."""

    value: str
    token: Token


router = APIRouter(prefix="/api/v1/tokens", tags=["tokens"])
own_router = APIRouter(prefix="/api/v1/tokens", tags=["tokens"])


@router.get("", summary="List tokens", responses=responses(401, 403, 503))
def list_tokens(services: Services, _who: Admin) -> list[Token]:
    """All tokens without their values, oldest first, with when each was used last."""
    with services.database.begin() as transaction:
        return tokens.every(transaction)


@router.post("", summary="Make a token", responses=CHANGE_ERRORS)
def add_token(services: Services, who: Admin, body: NewToken) -> ShownToken:
    """The value is shown in this answer only; its hash is stored."""
    now, actor = datetime.now(UTC), acting(who, body.actor)
    with services.database.begin() as transaction:
        secret = accounts.add_token(transaction, body.account, body.label, body.scopes, body.days, actor, now)
        return ShownToken(value=secret, token=tokens.of_secret(transaction, secret))


@router.post("/{token_id}/rotate", summary="Rotate a token", responses=CHANGE_ERRORS)
def rotate_token(services: Services, who: Admin, token_id: TokenNumber, body: TokenRotation) -> ShownToken:
    """A new token that allows the same; the old one ends after the overlap."""
    return _rotated(services, token_id, body.overlap_hours, body.days, acting(who, body.actor))


@router.post("/{token_id}/revoke", summary="Revoke a token", responses=CHANGE_ERRORS)
def revoke_token(services: Services, who: Admin, token_id: TokenNumber, body: TokenEnd) -> Token:
    """It is refused from now on."""
    with services.database.begin() as transaction:
        accounts.revoke_token(transaction, token_id, acting(who, body.actor), datetime.now(UTC))
        return tokens.load(transaction, token_id)


@own_router.post("/own/rotate", summary="Rotate one's own token", responses=responses(401, 403, 409, 415, 422, 503))
def rotate_own(request: Request, services: Services, who: Who, body: OwnRotation) -> ShownToken:
    """A program gives itself a token in place of the one that it shows: with the same scopes, for as many days."""
    if who.means is not Means.TOKEN:
        raise HTTPException(HTTPStatus.UNAUTHORIZED, "Show the token that is to be rotated.")
    shown = request.headers["authorization"].partition(" ")[2].strip()
    with services.database.begin() as transaction:
        token = tokens.of_secret(transaction, shown)
    return _rotated(services, token.token_id, body.overlap_hours, None, who.name)


def _rotated(services: WebServices, token_id: int, hours: float, days: int | None, actor: str) -> ShownToken:
    with services.database.begin() as transaction:
        secret = accounts.rotate_token(transaction, token_id, timedelta(hours=hours), days, actor, datetime.now(UTC))
        return ShownToken(value=secret, token=tokens.of_secret(transaction, secret))


PAGE = Page(router, Permission.ADMIN, rest=True)
OWN = Page(own_router, rest=True, public=True)  # no scope is needed, but without a token it does nothing
