"""Actions on accounts and tokens, for pages and commands alike; each is recorded with its actor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
import structlog

from miqa_node.core.domain.access import Permission, Role, account_name
from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import AccessError, ConflictError, NotFoundError
from miqa_node.runtime.people import second_factors, sessions, tokens, users
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.people.tokens import Token
from miqa_node.runtime.people.users import User
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import account_events

log = structlog.get_logger(__name__)

MAX_LABEL_CHARACTERS = 200
MAX_TOKEN_DAYS = 36_500
TOKEN_DAYS = 90
"""Days that a new token works unless somebody says otherwise; those of displays, which show no patient, have no end."""
OVERLAP_HOURS = 24.0
"""Default overlap during which a rotated token still works."""
MAX_OVERLAP_HOURS = 8_760


class Action(StrEnum):
    """The recorded action."""

    ADDED = Phrase("added")
    ROLE = Phrase("role")
    LINK = Phrase("link")
    DISABLED = Phrase("disabled")
    ENABLED = Phrase("enabled")
    SIGNED_OUT = Phrase("signed out")
    PASSWORD = Phrase("password chosen")
    FACTOR_ADDED = Phrase("factor added")
    FACTOR_REMOVED = Phrase("factor removed")
    CODES_RENEWED = Phrase("codes renewed")
    RECOVERY_CODE = Phrase("recovery code")
    TOKEN_ADDED = Phrase("token added")
    TOKEN_ROTATED = Phrase("token rotated")
    TOKEN_REVOKED = Phrase("token revoked")


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """One action on an account; ``detail`` is the role, or the purpose and scopes of a token."""

    at: datetime
    name: str
    action: Action
    actor: str
    detail: str


@dataclass(frozen=True, slots=True)
class Account:
    """An account with its tokens and its number of sessions."""

    user: User
    sessions: int
    seen_at: datetime | None
    tokens: Sequence[Token]
    has_factor: bool

    @property
    def signs_in(self) -> str:
        """How the account signs in, or why it cannot."""
        words = signs_in(self.user)
        return Phrase("{how} and a second factor", how=words) if self.has_factor else words


def every(transaction: Transaction) -> list[Account]:
    """All accounts by name."""
    by_name: dict[str, list[Token]] = {}
    for token in tokens.every(transaction):
        by_name.setdefault(token.name, []).append(token)
    sessions_by_name = sessions.of_accounts(transaction)
    factors = second_factors.of_accounts(transaction)
    rows = []
    for user in users.every(transaction):
        browsers, seen_at = sessions_by_name.get(user.name, (0, None))
        rows.append(Account(user, browsers, seen_at, by_name.get(user.name, []), user.name in factors))
    return rows


def add(
    transaction: Transaction,
    name: str,
    role: Role,
    actor: str,
    now: datetime,
    *,
    password_hash: str = "",
    subject: str | None = None,
) -> User:
    """Add an account without password, with a password hash, or for a subject of the site's provider.

    ConflictError if the name is taken, AccessError if it is not a valid name.
    """
    user = users.add(transaction, account_name(name), role, now, password_hash=password_hash, subject=subject)
    _note(transaction, user.name, Action.ADDED, actor, now, role.value)
    return user


def link(transaction: Transaction, name: str, lifetime_s: float, actor: str, now: datetime) -> tuple[str, datetime]:
    """The secret of a link for choosing a password, and its expiry.

    Raises
    ------
    AccessError
        The account is disabled, belongs to a program, or signs on at the provider.
    """
    user = users.load(transaction, account_name(name))
    if not user.has_pages or user.subject:
        raise AccessError(
            "{name} {signs_in}: no password can be chosen for it.", name=user.name, signs_in=signs_in(user)
        )
    until = now + timedelta(seconds=lifetime_s)
    secret = users.invite(transaction, user.name, until)
    _note(transaction, user.name, Action.LINK, actor, now)
    return secret, until


def set_role(transaction: Transaction, name: str, role: Role, actor: str, now: datetime) -> None:
    """Change the role from the next request on; ConflictError for the last administrator."""
    name = account_name(name)
    before = users.load(transaction, name)
    users.set_role(transaction, name, role)
    _check_administrators(transaction, before)
    _note(transaction, name, Action.ROLE, actor, now, role.value)


def follow_role(transaction: Transaction, user: User, role: Role, actor: str, now: datetime) -> None:
    """Set the role to the provider's current one; no change if it is the same."""
    if user.role is not role:
        users.set_role(transaction, user.name, role)
        _note(transaction, user.name, Action.ROLE, actor, now, role.value)


def set_password(transaction: Transaction, name: str, password_hash: str, actor: str, now: datetime) -> None:
    """Replace the password of an account, which ends all its sessions."""
    users.set_password(transaction, name, password_hash)
    _note(transaction, name, Action.PASSWORD, actor, now)


def set_disabled(transaction: Transaction, name: str, actor: str, now: datetime, *, disabled: bool) -> None:
    """Disable an account at once, or enable it again; ConflictError for the last administrator."""
    name = account_name(name)
    before = users.load(transaction, name)
    users.set_disabled(transaction, name, disabled=disabled, now=now)
    _check_administrators(transaction, before)
    _note(transaction, name, Action.DISABLED if disabled else Action.ENABLED, actor, now)


def sign_out(transaction: Transaction, name: str, actor: str, now: datetime) -> None:
    """End all sessions of an account; it may sign in again."""
    user = users.load(transaction, account_name(name))
    sessions.end_all(transaction, user.name)
    _note(transaction, user.name, Action.SIGNED_OUT, actor, now)


def add_factor(transaction: Transaction, name: str, now: datetime) -> list[str]:
    """Put the second factor in force after a right code. Returns recovery codes, which are shown only once."""
    _note(transaction, name, Action.FACTOR_ADDED, name, now)
    return second_factors.confirm(transaction, name, now)


def remove_factor(transaction: Transaction, name: str, actor: str, now: datetime) -> None:
    """Remove the second factor: the password suffices, or the owner sets up a new one; NotFoundError if there is none.

    Sessions continue, because they were started with it.
    """
    name = account_name(name)
    if not second_factors.remove(transaction, name):
        raise NotFoundError("{name} has no second factor.", name=name)
    _note(transaction, name, Action.FACTOR_REMOVED, actor, now)


def renew_recovery_codes(transaction: Transaction, name: str, actor: str, now: datetime) -> list[str]:
    """Replace all recovery codes by new ones, which are shown only once."""
    _note(transaction, name, Action.CODES_RENEWED, actor, now)
    return second_factors.renew_codes(transaction, name)


def note_recovery(transaction: Transaction, name: str, codes: int, now: datetime) -> None:
    """Record that a recovery code was used in place of the app."""
    _note(transaction, name, Action.RECOVERY_CODE, name, now, f"{codes} left")


def add_token(
    transaction: Transaction,
    name: str,
    label: str,
    scopes: Sequence[Permission],
    days: int | None,
    actor: str,
    now: datetime,
) -> str:
    """Add a token, which is shown only once; it expires after ``days``, by default ``TOKEN_DAYS``.

    By default one that allows nothing but displays never expires: nobody stands at a wall to renew it.

    Raises
    ------
    AccessError
        The account is disabled, or its role does not have the token's scopes.
    """
    user = users.load(transaction, account_name(name))
    missing = [one.value for one in scopes if one not in user.role.permissions]
    if missing:
        raise AccessError(
            "The role {role} of {name} does not allow {permissions}.",
            role=user.role.value,
            name=user.name,
            permissions=", ".join(missing),
        )
    if not scopes:
        raise AccessError("Say what the token shall allow.")
    if user.disabled:
        raise AccessError("{name} is disabled.", name=user.name)
    label = label.strip()[:MAX_LABEL_CHARACTERS]
    if days is None and set(scopes) != {Permission.DISPLAY}:
        days = TOKEN_DAYS
    secret = tokens.add(transaction, user.name, label, scopes, now, now + timedelta(days=days) if days else None)
    allowed = " ".join(sorted(scope.value for scope in scopes))
    _note(transaction, user.name, Action.TOKEN_ADDED, actor, now, f"{label}: {allowed}" if label else allowed)
    return secret


def rotate_token(
    transaction: Transaction, token_id: int, overlap: timedelta, days: int | None, actor: str, now: datetime
) -> str:
    """Replace a token by a new one, which is shown only once; the old one works during the overlap.

    It expires after ``days``, by default after the old one's lifetime, or never.

    Raises
    ------
    NotFoundError
        No token with that number is in force.
    """
    token = tokens.load(transaction, token_id)
    if not token.is_in_force(now):
        raise NotFoundError("There is no token {token_id} in force.", token_id=token_id)
    lifetime = token.expires_at - token.created_at if token.expires_at else None
    lifetime = timedelta(days=days) if days else lifetime
    secret = tokens.replace(transaction, token, now, now + overlap, now + lifetime if lifetime else None)
    made = tokens.of_secret(transaction, secret).token_id
    detail = f"{token_id} by {made}" + (f", {token.label}" if token.label else "")
    _note(transaction, token.name, Action.TOKEN_ROTATED, actor, now, detail)
    return secret


def revoke_token(transaction: Transaction, token_id: int, actor: str, now: datetime) -> None:
    """Revoke a token; NotFoundError if no token with that number is in force."""
    token = tokens.load(transaction, token_id)
    tokens.revoke(transaction, token_id, now)
    _note(transaction, token.name, Action.TOKEN_REVOKED, actor, now, token.label)


def events(transaction: Transaction, *, limit: int) -> list[AccountEvent]:
    """The recorded actions, newest first."""
    query = sa.select(account_events).order_by(account_events.c.event_id.desc()).limit(limit)
    return [
        AccountEvent(row.at, row.name, Action(row.action), row.actor, row.detail) for row in transaction.execute(query)
    ]


def signs_in(user: User) -> Phrase:
    """How an account signs in, or why it cannot."""
    if user.disabled:
        return Phrase("is disabled")
    if user.role is Role.SERVICE:
        return Phrase("uses tokens")
    if user.subject:
        return Phrase("signs on at the site's provider")
    return Phrase("with a password") if user.password_hash else Phrase("has not chosen a password yet")


def _check_administrators(transaction: Transaction, before: User) -> None:
    """ConflictError if the account was the only administrator and is none now.

    After the change, because a transaction of SQLite begins with its first change.
    """
    if before.administers and not users.administrators(transaction):
        raise ConflictError(
            "{name} is the only administrator who can sign in. Make another one first.", name=before.name
        )


def _note(transaction: Transaction, name: str, action: Action, actor: str, now: datetime, detail: str = "") -> None:
    transaction.execute(
        sa.insert(account_events).values(at=now, name=name, action=action.value, actor=actor, detail=detail)
    )
    content = {"account": name, "action": action.value, "detail": detail}
    records.add(transaction, AuditEntry(AuditEvent.ACCOUNT_CHANGED, now, actor, detail=content))
    log.info("account changed", account=name, action=action.value, by=actor)
