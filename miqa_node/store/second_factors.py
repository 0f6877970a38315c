"""Second factors of accounts with passwords: the key of an authenticator app (TOTP, RFC 6238), and recovery codes.

Between the password and the code a browser holds the secret of a *half sign-in*, which opens nothing else. The key must
be known to compare codes, so it is stored as it is; of recovery codes and secrets only the SHA-256 is.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_bytes

import sqlalchemy as sa

from miqa_node.errors import AccessError
from miqa_node.store.database import Transaction
from miqa_node.store.secrets import new_secret, sha256_of
from miqa_node.store.tables import half_sign_ins, recovery_codes, second_factors

HALF_LIFETIME = timedelta(minutes=10)
"""From the password to the code."""
RECOVERY_CODES = 10
CODE_BYTES = 10
"""80 random bits: nobody tries them out, also not against their hashes."""
KEY_BYTES = 20
"""As long as the hash (RFC 4226 4, R6)."""


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """The key in base32, whether a code of it was seen, and the number of the last time step that was used."""

    key: str
    confirmed: bool
    step: int


def find(transaction: Transaction, name: str) -> SecondFactor | None:
    """The second factor of an account, confirmed or not."""
    row = transaction.execute(sa.select(second_factors).where(second_factors.c.name == name)).one_or_none()
    return None if row is None else SecondFactor(row.key, row.confirmed_at is not None, row.step)


def of_accounts(transaction: Transaction) -> set[str]:
    """Names of all accounts with a confirmed one."""
    query = sa.select(second_factors.c.name).where(second_factors.c.confirmed_at.is_not(None))
    return set(transaction.execute(query).scalars())


def begin(transaction: Transaction, name: str) -> SecondFactor:
    """The key to be put into an app; the same until it is confirmed, AccessError once it is."""
    factor = find(transaction, name)
    if factor is not None and factor.confirmed:
        raise AccessError("This account has a second factor already. Remove it first.")
    if factor is None:
        key = base64.b32encode(token_bytes(KEY_BYTES)).decode()
        transaction.execute(sa.insert(second_factors).values(name=name, key=key, step=0))
        factor = SecondFactor(key, confirmed=False, step=0)
    return factor


def use_step(transaction: Transaction, name: str, step: int) -> bool:
    """Whether the code of a time step is accepted: each once, and none older (RFC 6238 5.2)."""
    this = sa.and_(second_factors.c.name == name, second_factors.c.step < step)
    return bool(transaction.execute(sa.update(second_factors).where(this).values(step=step)).rowcount)


def confirm(transaction: Transaction, name: str, now: datetime) -> list[str]:
    """A code of the app was right: from now on it is asked for. Gives recovery codes, which are shown this once."""
    transaction.execute(sa.update(second_factors).where(second_factors.c.name == name).values(confirmed_at=now))
    return renew_codes(transaction, name)


def renew_codes(transaction: Transaction, name: str) -> list[str]:
    """New recovery codes in place of all older ones."""
    codes = [base64.b32encode(token_bytes(CODE_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
    transaction.execute(sa.delete(recovery_codes).where(recovery_codes.c.name == name))
    rows = [{"code_sha256": sha256_of(f"{name} {code}"), "name": name} for code in codes]
    transaction.execute(sa.insert(recovery_codes), rows)
    return ["-".join(code[at : at + 4] for at in range(0, len(code), 4)) for code in codes]


def use_recovery_code(transaction: Transaction, name: str, code: str) -> bool:
    """Whether it was a recovery code; each works once."""
    plain = "".join(code.split()).replace("-", "").lower()
    this = recovery_codes.c.code_sha256 == sha256_of(f"{name} {plain}")
    return bool(transaction.execute(sa.delete(recovery_codes).where(this)).rowcount)


def codes_left(transaction: Transaction, name: str) -> int:
    """How many recovery codes an account has."""
    query = sa.select(sa.func.count()).select_from(recovery_codes).where(recovery_codes.c.name == name)
    return int(transaction.execute(query).scalar_one())


def remove(transaction: Transaction, name: str) -> bool:
    """Take the second factor and its recovery codes away; whether there was a confirmed one."""
    factor = find(transaction, name)
    for table in (recovery_codes, second_factors):
        transaction.execute(sa.delete(table).where(table.c.name == name))
    return factor is not None and factor.confirmed


def begin_half(transaction: Transaction, name: str, target: str, now: datetime) -> str:
    """What the browser's cookie shall hold after the password, until the code; older ones of the account end."""
    secret = new_secret()
    transaction.execute(
        sa.delete(half_sign_ins).where(sa.or_(half_sign_ins.c.name == name, half_sign_ins.c.expires_at <= now))
    )
    values = {"token_sha256": sha256_of(secret), "name": name, "target": target, "expires_at": now + HALF_LIFETIME}
    transaction.execute(sa.insert(half_sign_ins).values(values))
    return secret


def half(transaction: Transaction, secret: str, now: datetime) -> tuple[str, str]:
    """Whose password was right, and where the browser wants to go; AccessError if that was too long ago."""
    row = transaction.execute(
        sa.select(half_sign_ins).where(
            half_sign_ins.c.token_sha256 == sha256_of(secret), half_sign_ins.c.expires_at > now
        )
    ).one_or_none()
    if row is None:
        raise AccessError("The password was entered too long ago. Sign in again.")
    return row.name, row.target


def end_half(transaction: Transaction, secret: str) -> None:
    """The code was right."""
    transaction.execute(sa.delete(half_sign_ins).where(half_sign_ins.c.token_sha256 == sha256_of(secret)))
