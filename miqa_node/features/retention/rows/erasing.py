"""Erases a patient's rows as the marks of the columns say, in all tables (runtime/store/tables/column_marks.py)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from miqa_node.features.retention.rows.header_texts import HeaderTexts
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import Digest, PackedJson, Uid
from miqa_node.runtime.store.tables.column_marks import ABOUT, ERASE, KEEP, ONLY_OWN, REFERRED_ONLY


@dataclass(frozen=True, slots=True)
class ErasedPatient:
    """Whose rows are erased; ``images`` selects digests, ``own_studies`` are those without images of others."""

    patient_numbers: Sequence[int]
    images: sa.Select[tuple[str]]
    studies: Sequence[str]
    own_studies: Sequence[str]
    patient_id: str
    authority: str | None
    token: str
    """For texts that are marked RANDOM."""
    texts: HeaderTexts
    """What goes of the headers of the images."""

    @property
    def keys(self) -> Mapping[str, Any]:
        """The values by which rows are the patient's, by the names of columns."""
        return {"digest": self.images, "study_instance_uid": self.studies, "patient_number": self.patient_numbers}


def erase_rows(transaction: Transaction, metadata: sa.MetaData, patient: ErasedPatient) -> None:
    """Do with the patient's rows of all tables what their columns say."""
    for table in reversed(metadata.sorted_tables):  # rows that refer to others go before these
        marks = {column: column.info[ERASE] for column in table.columns if ERASE in column.info}
        if not any(_changes(mark) for mark in marks.values()):
            continue
        own = _is_of(table, patient)
        if "delete" in marks.values():
            transaction.execute(sa.delete(table).where(own))
            continue
        values = {column.name: _empty(column) for column, mark in marks.items() if mark == "empty"}
        values |= {column.name: patient.token for column, mark in marks.items() if mark == "random"}
        if values:
            transaction.execute(sa.update(table).where(own).values(values))
        for column, mark in marks.items():
            if mark == "word":
                _empty_words(transaction, column, patient.texts, own)
            elif mark in ("header", "judged"):
                change = patient.texts.without_header if mark == "header" else patient.texts.without_citations
                _rewrite(transaction, column, change, own)
    _delete_unreferred(transaction, metadata)


def _delete_unreferred(transaction: Transaction, metadata: sa.MetaData) -> None:
    for table in reversed(metadata.sorted_tables):
        if REFERRED_ONLY in table.info and (keys := _keys_to(table, metadata)):
            unnamed = (~sa.exists().where(key.parent == key.column) for key in keys)
            transaction.execute(sa.delete(table).where(*unnamed))


def _keys_to(table: sa.Table, metadata: sa.MetaData) -> list[sa.ForeignKey]:
    keys = (key for other in metadata.sorted_tables for key in other.foreign_keys)
    return [key for key in keys if key.column.table is table]


def unmarked(metadata: sa.MetaData) -> list[str]:
    """Columns of text or JSON without a word on what erasure does with them, and marks that cannot be followed."""
    vain = [one.name for one in metadata.sorted_tables if REFERRED_ONLY in one.info and not _keys_to(one, metadata)]
    return vain + [
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if (_is_text(column) and not _is_marked(column)) or (ERASE in column.info and not _can_be_followed(column))
    ]


def overwrite(engine: sa.Engine, metadata: sa.MetaData) -> None:
    """Let nothing of what was changed remain in the database's own files, statistics included.

    SQLite writes zeros over it (``secure_delete``); its log is emptied unless others still read from it. PostgreSQL
    removes old versions of rows, and values that it noted as frequent.
    """
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in metadata.sorted_tables:
            if REFERRED_ONLY in table.info or any(_changes(one.info.get(ERASE, KEEP)) for one in table.columns):
                connection.exec_driver_sql(f'VACUUM (ANALYZE) "{table.name}"')


def _changes(mark: str) -> bool:
    return not mark.startswith(KEEP)


def _is_of(table: sa.Table, patient: ErasedPatient) -> sa.ColumnElement[bool]:
    return sa.or_(*(_belongs(table.c[name], patient) for name in table.info[ABOUT]))


def _belongs(column: sa.Column[Any], patient: ErasedPatient) -> sa.ColumnElement[bool]:
    of = column.table.c
    if column.name == "patient_id":  # the ID of an authority; without one, as earlier versions wrote it, of everybody
        same = sa.or_(of.authority.is_(None), of.authority == patient.authority)
        return sa.and_(column == patient.patient_id, column != "", same)
    if column.name in patient.keys:
        is_own = column.table.info.get(ONLY_OWN)
        return column.in_(patient.own_studies if is_own else patient.keys[column.name])
    [key] = column.foreign_keys
    return column.in_(sa.select(key.column).where(_is_of(key.column.table, patient)))


def _empty(column: sa.Column[Any]) -> Any:
    return "" if isinstance(column.type, sa.String) else sa.null()


def _empty_words(
    transaction: Transaction, column: sa.Column[Any], texts: HeaderTexts, own: sa.ColumnElement[bool]
) -> None:
    gone = own, column.in_(sorted(texts.words))
    transaction.execute(sa.update(column.table).where(*gone).values({column.name: ""}))


def _rewrite(
    transaction: Transaction, column: sa.Column[Any], change: Callable[[Any], Any], own: sa.ColumnElement[bool]
) -> None:
    """Rewrite the patient's documents and sentences that the change changes; a text may be a JSON object, too."""
    primary = list(column.table.primary_key.columns)
    for row in transaction.execute(sa.select(column, *primary).where(own, column.is_not(None))).all():
        document = row[0]
        changed = _as_text(document, change) if isinstance(document, str) else change(document)
        if changed == document:
            continue
        same = sa.and_(*(key == value for key, value in zip(primary, row[1:], strict=True)))
        transaction.execute(sa.update(column.table).where(same).values({column.name: changed}))


def _as_text(text: str, change: Callable[[Any], Any]) -> str:
    if not text.startswith("{"):
        return str(change(text))
    return json.dumps(change(json.loads(text)), ensure_ascii=False)


def _is_text(column: sa.Column[Any]) -> bool:
    return column.type not in (Uid, Digest) and isinstance(column.type, sa.String | sa.JSON | PackedJson)


def _is_marked(column: sa.Column[Any]) -> bool:
    mark = column.info.get(ERASE)
    if isinstance(mark, str) and mark.startswith(KEEP):
        return bool(mark.removeprefix(KEEP).strip())
    return mark in ("empty", "delete", "random", "header", "judged", "word")


def _can_be_followed(column: sa.Column[Any]) -> bool:
    """Whether erasure knows the patient's rows of the table, and can empty the column."""
    mark, table = column.info[ERASE], column.table
    if not _changes(mark):
        return True
    if ABOUT not in table.info or (mark == "empty" and not isinstance(column.type, sa.String) and not column.nullable):
        return False
    texts = [one.info.get(ERASE) for one in table.columns if _is_text(one)]
    return mark != "delete" or set(texts) == {"delete"}
