"""Where words may be left: each column of each table, unpacked, each file of each folder, and the files' names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import all_tables
from miqa_node.runtime.store.tables.column_marks import ABOUT, ERASE
from tests.features.retention.left.words import Words

_IMAGES = ("instances", "studies", "worklist")
Found = dict[str, set[str]]
"""Places of words, by the surface that holds them."""


def in_tables(database: Database, words: Words) -> Found:
    """By table and column, of all schemas: also tables that the program does not know."""
    places_of: Found = {}
    with database.begin() as transaction:
        inspector = sa.inspect(transaction)
        for schema in [None] if database.is_sqlite else ["public", "dbos"]:
            for name in inspector.get_table_names(schema):
                columns = [one["name"] for one in inspector.get_columns(name, schema)]
                table = sa.table(name, *map(sa.column, columns), schema=schema)
                for row in transaction.execute(sa.select(table)):
                    for column, value in zip(columns, row, strict=True):
                        if places := words.found(_bytes(value)):
                            places_of.setdefault(f"{name}.{column}", set()).update(places)
    return places_of


def empty_columns(database: Database) -> set[str]:
    """Columns of text about images or patients that no row has a value in: the search tells nothing of them."""
    empty = set()
    with database.begin() as transaction:
        for table in all_tables().sorted_tables:
            is_about = ABOUT in table.info or any(key.column.table.name in _IMAGES for key in table.foreign_keys)
            for column in (one for one in table.columns if is_about and ERASE in one.info):
                values = transaction.execute(sa.select(column)).scalars()
                if not any(value not in (None, "", [], {}) for value in values):
                    empty.add(f"{table.name}.{column.name}")
    return empty


def in_folders(folders: Iterable[Path], words: Words) -> Found:
    """By file; a file's own name counts as its content does."""
    places_of: Found = {}
    for folder in folders:
        for path in folder.rglob("*"):
            place = str(path.relative_to(folder.parent))
            data = path.read_bytes() if path.is_file() else b""
            if places := words.found(data) | words.found(place.encode()):
                places_of[place] = places
    return places_of


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes | memoryview):
        return bytes(value)
    return value.encode() if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False).encode()


def told(surfaces: Found) -> str:
    """A line for each surface: how many words, and of which places."""
    lines = (f"{name}: {len(places)}: {', '.join(sorted(places)[:12])}" for name, places in sorted(surfaces.items()))
    return "\n".join(lines)


def without(surfaces: Found, may_stay: Iterable[str]) -> Found:
    """What is found of places that must not stay; ``may_stay`` are the last words of places."""
    staying = frozenset(may_stay)
    rest = {
        surface: {one for one in places if one.split(" ", 1)[-1] not in staying} for surface, places in surfaces.items()
    }
    return {surface: places for surface, places in rest.items() if places}


def lines(texts: Iterable[tuple[str, bytes]], words: Words) -> Iterator[tuple[str, set[str]]]:
    """The same of texts with the names of their surfaces: logs, metrics, answers."""
    for name, text in texts:
        if places := words.found(text):
            yield name, places
