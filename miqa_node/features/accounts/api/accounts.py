"""The REST interface to accounts, equivalent to the page People and ``miqa-node users``."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from miqa_node.core.domain.access import Permission, Role
from miqa_node.errors import ConflictError
from miqa_node.interfaces.web.access import Admin, is_set_up
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import CHANGE_ERRORS, responses
from miqa_node.interfaces.web.services import Services
from miqa_node.interfaces.web.values import NO_CONTROLS, Strict
from miqa_node.runtime.people import accounts, users

AccountName = Annotated[str, Path(min_length=1, max_length=64, pattern=NO_CONTROLS, description="Name of the account.")]

router = APIRouter(prefix="/api/v1/accounts", tags=["accounts"])


class AccountAction(StrEnum):
    """What is done with an account."""

    SIGN_OUT = "sign-out"
    RESET_FACTOR = "reset-factor"
    DISABLE = "disable"
    ENABLE = "enable"


class AccountSummary(BaseModel):
    """An account without its secrets."""

    name: str
    role: Role
    signs_in: str = Field(description="How, or why not, in words.")
    disabled: bool
    created_at: datetime
    seen_at: datetime | None = Field(description="When a browser of the account last asked for something.")


class NewAccount(Strict):
    """Name and role of a new account."""

    name: str = Field(min_length=1, max_length=64, pattern=NO_CONTROLS)
    role: Role = Role.VIEWER


class NewRole(Strict):
    """The role that an account gets."""

    role: Role


class EmptyBody(Strict):
    """An empty object."""


class WelcomeLink(BaseModel):
    """The link where a person chooses a password: it works once."""

    link: str
    until: datetime


@router.get("", summary="List accounts", responses=responses(401, 403, 503))
def list_accounts(services: Services, _who: Admin) -> list[AccountSummary]:
    """All accounts by name."""
    with services.database.begin() as transaction:
        return [_summary(one) for one in accounts.every(transaction)]


@router.post("", summary="Make an account", responses=responses(401, 403, 409, 415, 422, 503))
def add_account(services: Services, who: Admin, body: NewAccount) -> AccountSummary:
    """The first must be an administrator's. A person then gets a link, a service a token."""
    if not is_set_up(services) and body.role is not Role.ADMIN:
        raise ConflictError("The first account must be an administrator's: make yours first.")
    with services.database.begin() as transaction:
        user = accounts.add(transaction, body.name, body.role, who.actor, datetime.now(UTC))
        return _one(accounts.every(transaction), user.name)


@router.post("/{name}/role", summary="Give it another role", responses=CHANGE_ERRORS)
def set_role(services: Services, who: Admin, name: AccountName, body: NewRole) -> AccountSummary:
    """From its next request on; the last administrator stays one."""
    with services.database.begin() as transaction:
        accounts.set_role(transaction, name, body.role, who.actor, datetime.now(UTC))
        return _one(accounts.every(transaction), name)


@router.post("/{name}/link", summary="Make a welcome link", responses=CHANGE_ERRORS)
def make_link(request: Request, services: Services, who: Admin, name: AccountName, _body: EmptyBody) -> WelcomeLink:
    """Its owner chooses a password there; a link that was made before no longer works."""
    lifetime_s, now = services.settings.access.invitation_lifetime_s, datetime.now(UTC)
    with services.database.begin() as transaction:
        secret, until = accounts.link(transaction, users.load(transaction, name).name, lifetime_s, who.actor, now)
    return WelcomeLink(link=services.welcome_link(request, secret), until=until)


@router.post(
    "/{name}/{action}", summary="Sign out, reset the second factor, disable or enable", responses=CHANGE_ERRORS
)
def change_account(
    services: Services, who: Admin, name: AccountName, action: AccountAction, _body: EmptyBody
) -> AccountSummary:
    """Disabling ends sessions and revokes tokens at once; what the account did keeps its name."""
    actor, now = who.actor, datetime.now(UTC)
    with services.database.begin() as transaction:
        match action:
            case AccountAction.SIGN_OUT:
                accounts.sign_out(transaction, name, actor, now)
            case AccountAction.RESET_FACTOR:
                accounts.remove_factor(transaction, name, actor, now)
            case AccountAction.DISABLE | AccountAction.ENABLE:
                accounts.set_disabled(transaction, name, actor, now, disabled=action is AccountAction.DISABLE)
        return _one(accounts.every(transaction), name)


def _one(every: list[accounts.Account], name: str) -> AccountSummary:
    return next(_summary(one) for one in every if one.user.name == name)


def _summary(one: accounts.Account) -> AccountSummary:
    return AccountSummary(
        name=one.user.name, role=one.user.role, signs_in=one.signs_in, disabled=one.user.disabled,
        created_at=one.user.created_at, seen_at=one.seen_at,
    )  # fmt: skip


PAGE = Page(router, Permission.ADMIN, rest=True)
