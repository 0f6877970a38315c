"""Second factors of accounts with passwords: the key of an authenticator app (TOTP, RFC 6238), and recovery codes.

Between password and code, a browser has the secret of a *half sign-in*, which gives no other access. The key is needed
to compare codes, so callers encrypt it; recovery codes and secrets are stored only as SHA-256.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_bytes

import sqlalchemy as sa

from miqa_node.core.keys.secrets import new_secret, sha256_of
from miqa_node.errors import AccessError
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import half_sign_ins, recovery_codes, second_factors

HALF_LIFETIME = timedelta(minutes=10)
"""Time limit from the password to the code."""
RECOVERY_CODES = 10
CODE_BYTES = 10
"""80 random bits: too many to guess, even with the hashes."""
KEY_FILE = "second-factors.key"
"""In the data directory: the secret that keys are encrypted with, without access.second_factor_key."""


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """The key as it is stored, whether it was confirmed with a code, and the last used time step."""

    key: str
    confirmed: bool
    step: int


def find(transaction: Transaction, name: str) -> SecondFactor | None:
    """The second factor of an account, confirmed or not."""
    row = transaction.execute(sa.select(second_factors).where(second_factors.c.name == name)).one_or_none()
    return None if row is None else SecondFactor(row.key, row.confirmed_at is not None, row.step)


def of_accounts(transaction: Transaction) -> set[str]:
    """Names of all accounts with a confirmed second factor."""
    query = sa.select(second_factors.c.name).where(second_factors.c.confirmed_at.is_not(None))
    return set(transaction.execute(query).scalars())


def begin(transaction: Transaction, name: str, new_key: Callable[[], str]) -> SecondFactor:
    """With the key for the app; the same until it is confirmed, AccessError afterwards."""
    factor = find(transaction, name)
    if factor is not None and factor.confirmed:
        raise AccessError("This account has a second factor already. Remove it first.")
    if factor is None:
        key = new_key()
        transaction.execute(sa.insert(second_factors).values(name=name, key=key, step=0))
        factor = SecondFactor(key, confirmed=False, step=0)
    return factor


def keep_key(transaction: Transaction, name: str, key: str) -> None:
    """Store the key in another form."""
    transaction.execute(sa.update(second_factors).where(second_factors.c.name == name).values(key=key))


def use_step(transaction: Transaction, name: str, step: int) -> bool:
    """Whether the code of a time step is accepted: each step once, and never an older one (RFC 6238 5.2)."""
    this = sa.and_(second_factors.c.name == name, second_factors.c.step < step)
    return bool(transaction.execute(sa.update(second_factors).where(this).values(step=step)).rowcount)


def confirm(transaction: Transaction, name: str, now: datetime) -> list[str]:
    """Put the factor in force after a right code. Returns recovery codes, which are shown only once."""
    transaction.execute(sa.update(second_factors).where(second_factors.c.name == name).values(confirmed_at=now))
    return renew_codes(transaction, name)


def renew_codes(transaction: Transaction, name: str) -> list[str]:
    """Replace all recovery codes by new ones."""
    codes = [base64.b32encode(token_bytes(CODE_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
    transaction.execute(sa.delete(recovery_codes).where(recovery_codes.c.name == name))
    rows = [{"code_sha256": sha256_of(f"{name} {code}"), "name": name} for code in codes]
    transaction.execute(sa.insert(recovery_codes), rows)
    return ["-".join(code[at : at + 4] for at in range(0, len(code), 4)) for code in codes]


def use_recovery_code(transaction: Transaction, name: str, code: str) -> bool:
    """Whether the code is a recovery code, which is then used up."""
    plain = "".join(code.split()).replace("-", "").lower()
    this = recovery_codes.c.code_sha256 == sha256_of(f"{name} {plain}")
    return bool(transaction.execute(sa.delete(recovery_codes).where(this)).rowcount)


def codes_left(transaction: Transaction, name: str) -> int:
    """Number of an account's recovery codes."""
    query = sa.select(sa.func.count()).select_from(recovery_codes).where(recovery_codes.c.name == name)
    return int(transaction.execute(query).scalar_one())


def remove(transaction: Transaction, name: str) -> bool:
    """Remove the second factor and its recovery codes; returns whether it was confirmed."""
    factor = find(transaction, name)
    for table in (recovery_codes, second_factors):
        transaction.execute(sa.delete(table).where(table.c.name == name))
    return factor is not None and factor.confirmed


def begin_half(transaction: Transaction, name: str, target: str, now: datetime) -> str:
    """Begin a half sign-in; returns the secret for the browser's cookie.

    Older half sign-ins of the account end, and a key that they showed and nobody confirmed is forgotten.
    """
    secret = new_secret()
    unconfirmed = second_factors.c.name == name, second_factors.c.confirmed_at.is_(None)
    transaction.execute(sa.delete(second_factors).where(*unconfirmed))
    transaction.execute(
        sa.delete(half_sign_ins).where(sa.or_(half_sign_ins.c.name == name, half_sign_ins.c.expires_at <= now))
    )
    values = {"token_sha256": sha256_of(secret), "name": name, "target": target, "expires_at": now + HALF_LIFETIME}
    transaction.execute(sa.insert(half_sign_ins).values(values))
    return secret


def half(transaction: Transaction, secret: str, now: datetime) -> tuple[str, str]:
    """The account of a half sign-in, and its target page; AccessError if it has expired."""
    row = transaction.execute(
        sa.select(half_sign_ins).where(
            half_sign_ins.c.token_sha256 == sha256_of(secret), half_sign_ins.c.expires_at > now
        )
    ).one_or_none()
    if row is None:
        raise AccessError("The password was entered too long ago. Sign in again.")
    return row.name, row.target


def end_half(transaction: Transaction, secret: str) -> None:
    """End a half sign-in after the right code."""
    transaction.execute(sa.delete(half_sign_ins).where(half_sign_ins.c.token_sha256 == sha256_of(secret)))
