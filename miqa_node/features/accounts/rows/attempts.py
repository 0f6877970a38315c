"""Attempts to sign in, before which nobody sees an image: how many may fail, and their record.

Addresses are cheap, and whoever is on a proxy's host may claim any: failures count against the account, wherever they
come from. Guesses of others must not keep its owner out: an address from which the account has signed in may fail twice
as often, and its browsers have an allowance of their own, which only they can use up.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.keys.secret_files import KEY_FILE, open_key
from miqa_node.core.keys.secrets import new_secret, sha256_of
from miqa_node.core.settings import AccessSettings, Settings
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import sign_ins, users

FAILURES_COUNT_FOR = timedelta(minutes=15)
THROTTLED_EVERY = timedelta(minutes=1)
KNOWN_FOR = timedelta(days=90)
"""How long an account's addresses and browsers are known."""
_BROWSER = "browser "
"""How the place of a browser begins; the SHA-256 of its cookie follows."""
_OF = sign_ins.c


class SignInOutcome(StrEnum):
    """The outcome of a sign-in attempt."""

    SIGNED_IN = "signed in"
    PASSWORD_RIGHT = "password right"  # noqa: S105 - words, no secrets
    """The second factor comes next. Failures are not reset, or codes could be guessed without limit."""
    REFUSED = "refused"
    THROTTLED = "throttled"


@dataclass(frozen=True, slots=True)
class Client:
    """Where an attempt comes from: an address, the secret of the browser's cookie, and a proxy if one claims that."""

    address: str
    browser: str = ""
    proxy: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """The browser as it is kept."""
        return f"{_BROWSER}{sha256_of(self.browser)}"


def stand_in(name: str, settings: Settings) -> str:
    """What is kept of a name without an account, so that it is slowed down as if it had one.

    It may be a password that was typed into the wrong field: 16 bits under the node's key tell nothing of it.
    """
    key = open_key(settings.node.data_dir / KEY_FILE, settings.analysis.pseudonym_key)
    return f"#{hmac.new(key, b'sign-in ' + name.encode(), hashlib.sha256).hexdigest()[:4]}"


def begin(
    transaction: Transaction, name: str, client: Client, means: str, access: AccessSettings, now: datetime
) -> tuple[int, bool]:
    """Count an attempt as failed until :func:`end` says otherwise; its number, and whether it may be tried at all.

    The row comes first, or the account's lock: of attempts at the same time each counts the ones before it.
    """
    transaction.execute(sa.select(users.c.name).where(users.c.name == name).with_for_update())
    number = _insert(transaction, name, client.address, means, SignInOutcome.REFUSED, now)
    failed = [_OF.outcome == SignInOutcome.REFUSED.value, _OF.at > now - FAILURES_COUNT_FOR, _OF.sign_in_id != number]
    of_browser = _OF.peer_address.startswith(_BROWSER)

    def count(*conditions: sa.ColumnElement[bool]) -> int:
        return int(transaction.execute(sa.select(sa.func.count()).where(*failed, *conditions)).scalar_one())

    if is_known(transaction, name, now, client.place):
        transaction.execute(_update(number, peer_address=client.place))
        allowed = count(_OF.name == name, of_browser) < access.sign_in_failures
    else:
        factor = 2 if is_known(transaction, name, now, client.address) else 1
        allowed = (
            count(_OF.name == name, sa.not_(of_browser)) < factor * access.sign_in_failures
            and count(_OF.peer_address == client.address) < access.sign_in_failures_per_address
        )
    return number, allowed


def end(
    transaction: Transaction, number: int, name: str, client: Client, means: str, outcome: SignInOutcome, now: datetime
) -> None:
    """Record the outcome of an attempt; ``name`` is empty in the audit trail if there is no such account.

    Of those that had to wait the first of a minute stands for all: otherwise whoever guesses fills the disk.
    """
    own = sa.select(_OF.name).where(_OF.sign_in_id == number).scalar_subquery()
    if outcome is SignInOutcome.THROTTLED and _exists(transaction, outcome, now - THROTTLED_EVERY, _OF.name == own):
        transaction.execute(sa.delete(sign_ins).where(_OF.sign_in_id == number))
        return
    place = {"peer_address": client.address} if outcome is SignInOutcome.SIGNED_IN else {}
    transaction.execute(_update(number, outcome=outcome.value, means=means, **place))
    if outcome is SignInOutcome.PASSWORD_RIGHT:
        return
    signed_in = outcome is SignInOutcome.SIGNED_IN
    event = AuditEvent.SIGNED_IN if signed_in else AuditEvent.SIGN_IN_FAILED
    detail = {"outcome": outcome.value, **client.proxy}
    records.add(transaction, AuditEntry(event, now, name, means, client.address, failed=not signed_in, detail=detail))


def note(
    transaction: Transaction, name: str, client: Client, means: str, outcome: SignInOutcome, now: datetime
) -> None:
    """Record a sign-in or an attempt that needs no password; ``name`` is empty if there is no such account."""
    end(transaction, _insert(transaction, name, client.address, means, outcome, now), name, client, means, outcome, now)


def is_known(transaction: Transaction, name: str, now: datetime, *places: str) -> bool:
    """Whether an account has signed in from one of some addresses, or with one of some browsers, lately."""
    here = _OF.name == name, _OF.peer_address.in_(places)
    return _exists(transaction, SignInOutcome.SIGNED_IN, now - KNOWN_FOR, *here)


def keep_browser(transaction: Transaction, name: str, secret: str, now: datetime) -> str:
    """Know the browser of an account from now on; the secret of its cookie, a new one unless the node gave it one."""
    client = Client("", secret)
    if not _exists(transaction, SignInOutcome.SIGNED_IN, now - KNOWN_FOR, _OF.peer_address == client.place):
        client = Client("", new_secret())
    _insert(transaction, name, client.place, "browser", SignInOutcome.SIGNED_IN, now)
    return client.browser


def _exists(transaction: Transaction, outcome: SignInOutcome, since: datetime, *of: sa.ColumnElement[bool]) -> bool:
    query = sa.select(_OF.sign_in_id).where(_OF.outcome == outcome.value, _OF.at > since, *of)
    return transaction.execute(query.limit(1)).first() is not None


def _insert(transaction: Transaction, name: str, place: str, means: str, outcome: SignInOutcome, now: datetime) -> int:
    values = {"at": now, "name": name, "peer_address": place, "means": means, "outcome": outcome.value}
    made = transaction.execute(sa.insert(sign_ins).values(values).returning(_OF.sign_in_id))
    return int(made.scalar_one())


def _update(number: int, **values: str) -> sa.Update:
    return sa.update(sign_ins).where(_OF.sign_in_id == number).values(values)
