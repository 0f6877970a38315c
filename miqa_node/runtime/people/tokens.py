"""Tokens that programs send instead of a password, each with its own scopes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from miqa_node.core.domain.access import Permission, Role
from miqa_node.core.domain.operations import RENEWAL_TIME, Alarm
from miqa_node.core.keys.secrets import new_secret, sha256_of
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import NotFoundError
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import tokens, users

PREFIX = "miqa_"
"""Prefix for recognising a leaked token, by people and secret scanners."""

RENEW = Phrase("Rotate each on the page People or with miqa-node users token rotate, and give its program the new one.")
MOST_NAMED = 3
"""Tokens in an alarm."""
USED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Token:
    """A token's data without its value."""

    token_id: int
    name: str
    label: str
    scopes: tuple[Permission, ...]
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None

    def is_in_force(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


@dataclass(frozen=True, slots=True)
class Bearer:
    """The account of a presented token and its permissions, never more than those of the account's role."""

    name: str
    role: Role
    permissions: frozenset[Permission]


def add(
    transaction: Transaction,
    name: str,
    label: str,
    scopes: Iterable[Permission],
    now: datetime,
    expires_at: datetime | None,
) -> str:
    """Add a token to an account; its value is shown only once."""
    secret = PREFIX + new_secret()
    transaction.execute(
        sa.insert(tokens).values(
            token_sha256=sha256_of(secret),
            name=name,
            label=label,
            scopes=" ".join(sorted(scope.value for scope in set(scopes))),
            created_at=now,
            expires_at=expires_at,
        )
    )
    return secret


def replace(
    transaction: Transaction, token: Token, now: datetime, ends_at: datetime, expires_at: datetime | None
) -> str:
    """Add a token with the same scopes; the old one expires at the latest at ``ends_at``."""
    secret = add(transaction, token.name, token.label, token.scopes, now, expires_at)
    ends_at = ends_at if token.expires_at is None else min(ends_at, token.expires_at)
    transaction.execute(sa.update(tokens).where(tokens.c.token_id == token.token_id).values(expires_at=ends_at))
    return secret


def of_secret(transaction: Transaction, secret: str) -> Token:
    """The stored row of a presented token; NotFoundError if it does not exist."""
    row = transaction.execute(sa.select(tokens).where(tokens.c.token_sha256 == sha256_of(secret))).one_or_none()
    if row is None:
        raise NotFoundError("There is no such token.")
    return _token(row)


def find(transaction: Transaction, secret: str, now: datetime) -> Bearer | None:
    """The account of a token; None if the token is revoked, expired or unknown, or the account is disabled."""
    row = transaction.execute(
        sa.select(tokens.c.token_id, tokens.c.scopes, tokens.c.used_at, users.c.name, users.c.role)
        .join(users, users.c.name == tokens.c.name)
        .where(
            tokens.c.token_sha256 == sha256_of(secret),
            tokens.c.revoked_at.is_(None),
            sa.or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now),
            sa.not_(users.c.disabled),
        )
    ).one_or_none()
    if row is None:
        return None
    if row.used_at is None or now - row.used_at > USED_EVERY:
        transaction.execute(sa.update(tokens).where(tokens.c.token_id == row.token_id).values(used_at=now))
    role = Role(row.role)
    return Bearer(row.name, role, role.permissions & {Permission(scope) for scope in row.scopes.split()})


def every(transaction: Transaction, name: str = "") -> list[Token]:
    """All tokens, or those of one account, oldest first."""
    query = sa.select(tokens).order_by(tokens.c.token_id)
    return [_token(row) for row in transaction.execute(query.where(tokens.c.name == name) if name else query)]


def ending(transaction: Transaction, now: datetime) -> list[Token]:
    """Tokens in force that end within ``RENEWAL_TIME``, made for longer than that, and that no newer one replaces."""
    in_force = [token for token in every(transaction) if token.is_in_force(now)]
    newest = {(token.name, token.label, token.scopes): token for token in in_force}
    return [
        token
        for token in newest.values()
        if token.expires_at is not None and token.expires_at - now < RENEWAL_TIME < token.expires_at - token.created_at
    ]


def alarms(transaction: Transaction, now: datetime) -> Iterator[Alarm]:
    """One alarm for all tokens that end soon."""
    if soon := sorted(ending(transaction, now), key=lambda token: token.expires_at or now):
        named = ", ".join(f"{token.token_id} ({token.name})" for token in soon[:MOST_NAMED])
        subject = Phrase(
            "Tokens end soon, the first on {day}: {tokens}",
            day=f"{soon[0].expires_at:%Y-%m-%d}",
            tokens=named + ", …" * (len(soon) > MOST_NAMED),
        )
        yield Alarm(subject, RENEW, None)


def load(transaction: Transaction, token_id: int) -> Token:
    """A token's data; NotFoundError if it does not exist."""
    row = transaction.execute(sa.select(tokens).where(tokens.c.token_id == token_id)).one_or_none()
    if row is None:
        raise NotFoundError("There is no token {token_id}.", token_id=token_id)
    return _token(row)


def revoke(transaction: Transaction, token_id: int, now: datetime) -> None:
    """Revoke a token; NotFoundError if it does not exist or is already revoked."""
    revoked = transaction.execute(
        sa.update(tokens).where(tokens.c.token_id == token_id, tokens.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    if not revoked.rowcount:
        raise NotFoundError("There is no token {token_id} in force.", token_id=token_id)


def _token(row: sa.Row[tuple[object, ...]]) -> Token:
    return Token(
        row.token_id,
        row.name,
        row.label,
        tuple(Permission(scope) for scope in row.scopes.split()),
        row.created_at,
        row.expires_at,
        row.used_at,
        row.revoked_at,
    )
