"""Where words may be left: each column of each table, unpacked, each file of each folder, and the files' names."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from miqa_node.runtime.store.database import Database
from tests.features.retention.left.words import Words

Found = dict[str, set[str]]
"""Places of words, by the surface that holds them."""


def in_tables(database: Database, words: Words) -> Found:
    """By table and column, of all schemas: also tables that the program does not know."""
    found: Found = {}
    with database.begin() as transaction:
        inspector = sa.inspect(transaction)
        for schema in [None] if database.is_sqlite else ["public", "dbos"]:
            for name in inspector.get_table_names(schema):
                columns = [one["name"] for one in inspector.get_columns(name, schema)]
                table = sa.table(name, *map(sa.column, columns), schema=schema)
                for row in transaction.execute(sa.select(table)):
                    for column, value in zip(columns, row, strict=True):
                        if places := words.found(_bytes(value)):
                            found.setdefault(f"{name}.{column}", set()).update(places)
    return found


def in_folders(folders: Iterable[Path], words: Words) -> Found:
    """By file; a file's own name counts as its content does."""
    found: Found = {}
    for folder in folders:
        for path in folder.rglob("*"):
            place = str(path.relative_to(folder.parent))
            data = path.read_bytes() if path.is_file() else b""
            if places := words.found(data) | words.found(place.encode()):
                found[place] = places
    return found


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes | memoryview):
        return bytes(value)
    return value.encode() if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False).encode()


def told(found: Found, least: int = 1) -> list[str]:
    """A line for each surface: how many words, and of which places."""
    return [
        f"{surface}: {len(places)}: {', '.join(sorted(places)[:12])}"
        for surface, places in sorted(found.items())
        if len(places) >= least
    ]


def without(found: Found, may_stay: Iterable[str]) -> Found:
    """What is found of places that must not stay; ``may_stay`` are the last words of places."""
    staying = frozenset(may_stay)
    left = {surface: {one for one in places if one.split(" ", 1)[-1] not in staying} for surface, places in found.items()}
    return {surface: places for surface, places in left.items() if places}


def counted(found: Found) -> Counter[str]:
    """How many places each surface holds."""
    return Counter({surface: len(places) for surface, places in found.items()})


def lines(texts: Iterable[tuple[str, str | bytes]], words: Words) -> Iterator[tuple[str, set[str]]]:
    """The same of texts with the names of their surfaces: logs, metrics, mails, answers."""
    for name, text in texts:
        if places := words.found(text if isinstance(text, bytes) else text.encode()):
            yield name, places
