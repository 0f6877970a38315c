"""Accounts of people and programs, and the one-time links to choose a password."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.access import Permission, Role
from miqa_node.core.keys.secrets import new_secret, sha256_of
from miqa_node.errors import AccessError, ConflictError, NotFoundError
from miqa_node.runtime.people import sessions
from miqa_node.runtime.store.database import Transaction, insert_or_ignore
from miqa_node.runtime.store.tables import invitations, tokens, users


@dataclass(frozen=True, slots=True)
class User:
    """One account; ``password_hash`` is empty for those who sign on elsewhere or never."""

    name: str
    role: Role
    password_hash: str
    subject: str | None
    disabled: bool
    created_at: datetime

    @property
    def has_pages(self) -> bool:
        """Whether it may sign in: a program, or who is disabled, may not, whatever password it had."""
        return not self.disabled and self.role is not Role.SERVICE

    @property
    def administers(self) -> bool:
        """Whether it is an administrator who can sign in."""
        return self.role is Role.ADMIN and not self.disabled and bool(self.password_hash or self.subject)


def any_exists(transaction: Transaction) -> bool:
    """Whether the node was set up."""
    return transaction.execute(sa.select(users.c.name).limit(1)).first() is not None


def find(transaction: Transaction, name: str) -> User | None:
    """The account of that name."""
    return _one(transaction, users.c.name == name)


def load(transaction: Transaction, name: str) -> User:
    """The account of that name; NotFoundError if it does not exist."""
    user = find(transaction, name)
    if user is None:
        raise NotFoundError("There is no account {name}.", name=name)
    return user


def of_subject(transaction: Transaction, subject: str) -> User | None:
    """The account of a subject of the site's provider."""
    return _one(transaction, users.c.subject == subject)


def every(transaction: Transaction) -> list[User]:
    """All accounts by name."""
    return [_user(row) for row in transaction.execute(sa.select(users).order_by(users.c.name))]


def administrators(transaction: Transaction) -> list[User]:
    """Administrators who can sign in, locked: nobody else changes their number until this transaction ends."""
    query = sa.select(users).where(users.c.role == Role.ADMIN.value).order_by(users.c.name).with_for_update()
    return [user for user in map(_user, transaction.execute(query)) if user.administers]


def reviewers(transaction: Transaction) -> list[str]:
    """Names of people with the permission to decide studies."""
    return [user.name for user in every(transaction) if user.has_pages and Permission.REVIEW in user.role.permissions]


def add(
    transaction: Transaction,
    name: str,
    role: Role,
    now: datetime,
    *,
    password_hash: str = "",
    subject: str | None = None,
) -> User:
    """Add an account; ConflictError if the name is taken."""
    values = {
        "name": name,
        "role": role.value,
        "password_hash": password_hash,
        "subject": subject,
        "disabled": False,
        "created_at": now,
    }
    if not insert_or_ignore(transaction, users, values):
        raise ConflictError("There is an account {name} already.", name=name)
    return load(transaction, name)


def set_role(transaction: Transaction, name: str, role: Role) -> None:
    """Change an account's role from the next request on."""
    _change(transaction, name, role=role.value)


def renew_hash(transaction: Transaction, name: str, password_hash: str) -> None:
    """Store a new hash of the same password with the current parameters."""
    _change(transaction, name, password_hash=password_hash)


def set_password(transaction: Transaction, name: str, password_hash: str) -> None:
    """Replace the password and end every session of the account: anyone who used the old one is signed out."""
    _change(transaction, name, password_hash=password_hash)
    sessions.end_all(transaction, name)


def set_disabled(transaction: Transaction, name: str, *, disabled: bool, now: datetime) -> None:
    """Disable an account at once, with its sessions, tokens and links, or enable it again without them."""
    _change(transaction, name, disabled=disabled)
    if disabled:
        sessions.end_all(transaction, name)
        transaction.execute(sa.delete(invitations).where(invitations.c.name == name))
        transaction.execute(
            sa.update(tokens).where(tokens.c.name == name, tokens.c.revoked_at.is_(None)).values(revoked_at=now)
        )


def invite(transaction: Transaction, name: str, expires_at: datetime) -> str:
    """The secret of a one-time link; ``name`` is empty for the link that sets up the node.

    A new link replaces an older one for the same name.
    """
    secret = new_secret()
    transaction.execute(sa.delete(invitations).where(invitations.c.name == name))
    transaction.execute(sa.insert(invitations).values(token_sha256=sha256_of(secret), name=name, expires_at=expires_at))
    return secret


def invited(transaction: Transaction, secret: str, now: datetime) -> str:
    """The account of a link; AccessError if the link was used, has expired or never existed."""
    name = transaction.execute(
        sa.select(invitations.c.name).where(
            invitations.c.token_sha256 == sha256_of(secret), invitations.c.expires_at > now
        )
    ).scalar_one_or_none()
    if name is None or (name == "" and any_exists(transaction)):
        raise AccessError("This link was used already or is too old. Ask for a new one.")
    return str(name)


def use_invitation(transaction: Transaction, secret: str, now: datetime) -> str:
    """The same, using up the link; of two concurrent requests, one is refused."""
    name = invited(transaction, secret, now)
    used = transaction.execute(sa.delete(invitations).where(invitations.c.token_sha256 == sha256_of(secret)))
    if not used.rowcount:
        raise AccessError("This link was used already or is too old. Ask for a new one.")
    return name


def _change(transaction: Transaction, name: str, **values: object) -> None:
    if not transaction.execute(sa.update(users).where(users.c.name == name).values(**values)).rowcount:
        raise NotFoundError("There is no account {name}.", name=name)


def _one(transaction: Transaction, condition: sa.ColumnElement[bool]) -> User | None:
    row = transaction.execute(sa.select(users).where(condition)).one_or_none()
    return None if row is None else _user(row)


def _user(row: sa.Row[tuple[object, ...]]) -> User:
    return User(row.name, Role(row.role), row.password_hash, row.subject, row.disabled, row.created_at)
