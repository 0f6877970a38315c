"""Which key of pseudonyms each process uses: with two keys one person has two pseudonyms, and counts as two."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from datetime import datetime, timedelta

import sqlalchemy as sa

from miqa_node.core.domain.operations import Alarm
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import Settings
from miqa_node.runtime.store.database import Transaction, insert_into
from miqa_node.runtime.store.tables import pseudonym_keys

FINGERPRINT_CHARACTERS = 16
IN_USE = timedelta(days=2)
"""A process says every hour which key it uses; one that has not for so long is gone."""
MEND = "Each counts one patient apart: set analysis.pseudonym_key to one secret on all machines."


def place_of(settings: Settings) -> str:
    """A process by its name and the folder that holds its key, unless that is in the settings."""
    return f"{settings.node.name} in {settings.node.data_dir.absolute()}"


def fingerprint(key: bytes) -> str:
    """What identifies a key and does not tell it."""
    return hmac.new(key, b"fingerprint", hashlib.sha256).hexdigest()[:FINGERPRINT_CHARACTERS]


def note(transaction: Transaction, place: str, mark: str, now: datetime) -> None:
    """Record that the process of a place uses the key with this fingerprint."""
    values = {"place": place, "fingerprint": mark, "used_at": now}
    statement = insert_into(transaction, pseudonym_keys).values(values)
    transaction.execute(statement.on_conflict_do_update(index_elements=[pseudonym_keys.c.place], set_=values))


def in_use(transaction: Transaction, now: datetime) -> dict[str, str]:
    """Fingerprints of the keys in use, by place."""
    of = pseudonym_keys.c
    rows = transaction.execute(sa.select(of.place, of.fingerprint).where(of.used_at > now - IN_USE).order_by(of.place))
    return {row.place: row.fingerprint for row in rows}


def conflict(places: dict[str, str]) -> str:
    """Which places use which key, if not all use the same; else empty."""
    by_key: dict[str, list[str]] = {}
    for place, mark in places.items():
        by_key.setdefault(mark, []).append(place)
    if len(by_key) < 2:
        return ""
    return "; ".join(f"{mark}: {', '.join(names)}" for mark, names in sorted(by_key.items()))


def alarms(transaction: Transaction, now: datetime) -> Iterator[Alarm]:
    """An alarm while several keys are in use."""
    if keys := conflict(in_use(transaction, now)):
        yield Alarm(
            "Several keys of pseudonyms are in use", Phrase("{keys}. {mend}", keys=keys, mend=Phrase(MEND)), None
        )
