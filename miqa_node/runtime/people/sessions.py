"""Sessions of signed-in browsers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from miqa_node.core.domain.access import Role
from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.keys.secrets import new_secret, sha256_of
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import half_sign_ins, sessions, users

SEEN_EVERY = timedelta(minutes=1)
"""Resolution of the time of the last request."""


@dataclass(frozen=True, slots=True)
class SignedInSession:
    """A signed-in browser.

    ``checked_at``: when the site's provider last confirmed it; None for other sign-ins. ``sealed`` is the encrypted
    refresh token; empty if the provider issued none.
    """

    name: str
    role: Role
    checked_at: datetime | None = None
    sealed: str = ""


def start(transaction: Transaction, name: str, now: datetime, *, most: int) -> str:
    """Start a session; returns the secret for the cookie. The account's oldest sessions beyond ``most`` end."""
    secret = new_secret()
    transaction.execute(
        sa.insert(sessions).values(token_sha256=sha256_of(secret), name=name, started_at=now, seen_at=now)
    )
    newest = (
        sa.select(sessions.c.token_sha256)
        .where(sessions.c.name == name)
        .order_by(sessions.c.started_at.desc(), sessions.c.token_sha256)
        .limit(most)
    )
    transaction.execute(
        sa.delete(sessions).where(sessions.c.name == name, sessions.c.token_sha256.not_in(newest.scalar_subquery()))
    )
    return secret


def find(
    transaction: Transaction,
    secret: str,
    now: datetime,
    *,
    idle: timedelta,
    lifetime: timedelta,
    confirmed: timedelta = timedelta.max,
    by_itself: bool = False,
) -> SignedInSession | None:
    """The session of a cookie; None if it ended, or its account is disabled or a program's.

    ``confirmed``: maximum age of the provider's confirmation for a session that began there. A request that a page
    sends ``by_itself`` is not a sign of a person and does not extend the session.
    """
    is_confirmed: sa.ColumnElement[bool] = sa.true()
    if confirmed < timedelta.max:
        is_confirmed = sa.or_(sessions.c.checked_at.is_(None), sessions.c.checked_at > now - confirmed)
    row = transaction.execute(
        sa.select(sessions.c.seen_at, sessions.c.checked_at, sessions.c.sealed, users.c.name, users.c.role)
        .join(users, users.c.name == sessions.c.name)
        .where(
            sessions.c.token_sha256 == sha256_of(secret),
            sessions.c.seen_at > now - idle,
            sessions.c.started_at > now - lifetime,
            is_confirmed,
            sa.not_(users.c.disabled),
            users.c.role != Role.SERVICE.value,
        )
    ).one_or_none()
    if row is None:
        return None
    if not by_itself and now - row.seen_at > SEEN_EVERY:
        transaction.execute(sa.update(sessions).where(sessions.c.token_sha256 == sha256_of(secret)).values(seen_at=now))
    return SignedInSession(row.name, Role(row.role), row.checked_at, row.sealed or "")


def confirm(
    transaction: Transaction, secret: str, sealed: str, now: datetime, *, provider_sid: str | None = None
) -> None:
    """Record a confirmation by the site's provider; ``provider_sid`` is its session identifier, if new."""
    values: dict[str, object] = {"sealed": sealed, "checked_at": now}
    if provider_sid is not None:
        values["provider_sid"] = provider_sid
    transaction.execute(sa.update(sessions).where(sessions.c.token_sha256 == sha256_of(secret)).values(values))


def take_check(transaction: Transaction, secret: str, now: datetime, apart: timedelta) -> bool:
    """Whether the caller may check a session with the provider: only one of many requests, and again after a time."""
    is_free = sa.or_(sessions.c.asked_at.is_(None), sessions.c.asked_at <= now - apart)
    this = sessions.c.token_sha256 == sha256_of(secret)
    return bool(transaction.execute(sa.update(sessions).where(this, is_free).values(asked_at=now)).rowcount)


def end_at_provider(transaction: Transaction, subject: str, sid: str, before: datetime, now: datetime) -> list[str]:
    """End sessions begun at the site's provider before a time: all of a subject, or the one with ``sid``.

    One of the two may be empty. Returns the accounts' names, once per session.
    """
    conditions = [sessions.c.checked_at.is_not(None), sessions.c.started_at <= before]
    if sid:
        conditions.append(sessions.c.provider_sid == sid)
    if subject:
        conditions.append(sessions.c.name.in_(sa.select(users.c.name).where(users.c.subject == subject)))
    names = transaction.execute(sa.delete(sessions).where(*conditions).returning(sessions.c.name)).scalars().all()
    ended = [AuditEntry(AuditEvent.SIGNED_OUT, now, name, "oidc") for name in names]
    records.add(transaction, *ended)
    return list(names)


def end(
    transaction: Transaction,
    secret: str,
    now: datetime,
    peer_address: str,
    *,
    means: str = "session",
    detail: Mapping[str, str] | None = None,
) -> None:
    """Sign this browser out."""
    this = sa.delete(sessions).where(sessions.c.token_sha256 == sha256_of(secret))
    name = transaction.execute(this.returning(sessions.c.name)).scalar_one_or_none()
    if name is not None:
        records.add(transaction, AuditEntry(AuditEvent.SIGNED_OUT, now, name, means, peer_address, detail=detail or {}))


def end_all(transaction: Transaction, name: str) -> None:
    """Sign an account out of every browser, also where its code is still to be entered."""
    for table in (sessions, half_sign_ins):
        transaction.execute(sa.delete(table).where(table.c.name == name))


def of_accounts(transaction: Transaction) -> dict[str, tuple[int, datetime]]:
    """Number of sessions of each account, and its last request to the minute."""
    last = sa.func.max(sessions.c.seen_at, type_=sessions.c.seen_at.type)
    query = sa.select(sessions.c.name, sa.func.count(), last).group_by(sessions.c.name)
    return {row[0]: (int(row[1]), row[2]) for row in transaction.execute(query)}


def forget_ended(transaction: Transaction, now: datetime, *, idle: timedelta, lifetime: timedelta) -> None:
    """Remove the rows of expired sessions."""
    transaction.execute(
        sa.delete(sessions).where(sa.or_(sessions.c.seen_at <= now - idle, sessions.c.started_at <= now - lifetime))
    )
