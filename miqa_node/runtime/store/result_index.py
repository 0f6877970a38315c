"""Finds stored objects by study, series and instance attributes of their headers.

These are the node's own objects, and received ones while their files are kept. The header values are in the rows of
results and of ``source_headers``. Rows are completed after the object was stored, in the background and before every
search, so a search misses no result.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.core.domain.search_keys import COLUMNS, SEARCH_KEYS, SearchKey, SearchLevel
from miqa_node.dicom.bytes.head import drop_unreadable, read_head, read_some
from miqa_node.dicom.bytes.search_values import HEADER_TAGS, column_values
from miqa_node.errors import NotFoundError, lacks_resources
from miqa_node.runtime.store.database import Database, Transaction, insert_or_ignore
from miqa_node.runtime.store.matching import Condition, matches, sequence_matches
from miqa_node.runtime.store.tables import instances, patients, results, source_headers
from miqa_node.runtime.store.upkeep import unless_erased

BATCH = 200

Query = Mapping[str, str]
"""Values to match, by keyword (:data:`~miqa_node.core.domain.search_keys.SEARCH_KEYS`)."""


@dataclass(frozen=True, slots=True)
class ResultLocation:
    """One object and the location of its bytes; ``made_at`` is when it was made or received."""

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    object_key: str
    made_at: datetime
    authority: str = ""
    """Who assigned the Patient ID; empty for the site's own numbers, or if it is unknown."""


@dataclass(frozen=True, slots=True)
class ResultGroup:
    """A study or series of results: the newest match, and a summary of the whole group."""

    newest: ResultLocation
    modalities: tuple[str, ...]
    series: int
    instances: int


def complete(database: Database, objects: ObjectStore, budget_s: float) -> bool:
    """Read the headers of new results; returns whether all were read in time."""
    deadline = time.monotonic() + budget_s
    while True:
        with database.begin() as transaction:
            new = transaction.execute(
                sa.select(results.c.sop_instance_uid, results.c.object_key)
                .where(results.c.series_instance_uid.is_(None))
                .limit(BATCH)
            ).all()
        if not new:
            return True
        if time.monotonic() > deadline:
            return False
        headers = [(uid, _read(objects, key, own=True)) for uid, key in new]
        with database.begin() as transaction:
            for uid, values in headers:
                unread = results.c.series_instance_uid.is_(None)  # an erasure may have emptied it meanwhile
                transaction.execute(sa.update(results).where(results.c.sop_instance_uid == uid, unread).values(values))


def complete_sources(database: Database, objects: ObjectStore, budget_s: float, since: datetime | None = None) -> bool:
    """Read the headers of received objects, newest first; returns whether all were read in time.

    With ``since``, only of those that arrived since: without it, each call looks at all images.
    """
    deadline = time.monotonic() + budget_s
    is_read = sa.exists().where(source_headers.c.digest == instances.c.digest)
    unread = sa.select(instances.c.digest, instances.c.object_key).where(~is_read, instances.c.removed_at.is_(None))
    if since is not None:
        unread = unread.where(instances.c.received_at >= since)
    while True:
        with database.begin() as transaction:
            new = transaction.execute(unread.order_by(instances.c.received_at.desc()).limit(BATCH)).all()
        if not new:
            return True
        headers = []
        for digest, key in new:
            if time.monotonic() > deadline:
                break
            headers.append({"digest": digest, **_read(objects, key, own=False)})
        with database.begin() as transaction:
            present = unless_erased(transaction, [row["digest"] for row in headers])
            for row in headers:
                if row["digest"] in present:
                    insert_or_ignore(transaction, source_headers, row)
        if time.monotonic() > deadline:
            return False


def _read(objects: ObjectStore, key: str, *, own: bool) -> dict[str, str]:
    """The values of an object without what cannot be read; an object without study or series is never found.

    Of one that the node made, only their elements are read; they are the source's, too.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            path = objects.local_path(key)
        except NotFoundError:
            return dict.fromkeys(COLUMNS, "")  # its bytes are gone, so no search finds it
        try:
            values = column_values(read_some(path, HEADER_TAGS) if own else read_head(path))
        except Exception as error:  # a foreign header can make the library fail in any way
            if lacks_resources(error):
                raise
            values = _read_readable(path)
    # Characters that databases cannot store as text.
    return {name: text.replace("\0", "").encode("utf-8", "replace").decode() for name, text in values.items()}


def _read_readable(path: Path) -> dict[str, str]:
    try:
        ds = read_head(path)
        drop_unreadable(ds)
        return column_values(ds)
    except Exception as error:
        if lacks_resources(error):
            raise
        return dict.fromkeys(COLUMNS, "")


def search(
    transaction: Transaction, query: Query, *, limit: int | None = None, offset: int = 0, removed: bool = False
) -> list[ResultLocation]:
    """Objects, newest first; with ``removed``, those whose files retention removed, which are otherwise never found."""
    conditions = _conditions(transaction, query, removed=removed)
    statement = sa.select(*_LOCATION).select_from(_HELD).where(*conditions).order_by(*_NEWEST)
    return [_location(row) for row in transaction.execute(statement.limit(limit).offset(offset))]


def search_groups(
    transaction: Transaction, query: Query, level: SearchLevel, *, limit: int, offset: int = 0
) -> list[ResultGroup]:
    """Studies or series with a matching object, newest first."""
    group = _GROUP[level][-1]
    order = sa.func.row_number().over(partition_by=_GROUP[level], order_by=_NEWEST).label("place")
    ranked = sa.select(*_LOCATION, order).select_from(_HELD).where(*_conditions(transaction, query)).subquery()
    newest = (
        sa.select(ranked)
        .where(ranked.c.place == 1)
        .order_by(ranked.c.made_at.desc(), ranked.c.sop_instance_uid)
        .limit(limit)
        .offset(offset)
    )
    locations = [_location(row) for row in transaction.execute(newest)]
    uids = [_uid_of(one, level) for one in locations]
    columns = (_HELD.c.study_instance_uid, group, _HELD.c.modality, _HELD.c.series_instance_uid)
    whole = sa.select(*columns, sa.func.count()).where(group.in_(uids), *_is_held(_HELD)).group_by(*columns)
    parts: dict[tuple[str, str], list[tuple[str, str, int]]] = {}
    for study, uid, modality, series, count in transaction.execute(whole):
        parts.setdefault((study, uid), []).append((modality, series, count))
    return [_group(one, parts[one.study_instance_uid, uid]) for one, uid in zip(locations, uids, strict=True)]


def count(transaction: Transaction, query: Query, level: SearchLevel) -> int:
    """Number of matching studies, series or objects."""
    groups = sa.select(*_GROUP[level]).select_from(_HELD).where(*_conditions(transaction, query)).distinct().subquery()
    return int(transaction.execute(sa.select(sa.func.count()).select_from(groups)).scalar_one())


_MADE = sa.select(
    results.c.sop_instance_uid,
    results.c.sop_class_uid,
    results.c.object_key,
    results.c.made_at,
    *(results.c[name] for name in COLUMNS),
    instances.c.sop_instance_uid.label("source_uid"),
    sa.func.coalesce(patients.c.authority, "").label("authority"),
    instances.c.artifacts_removed_at.label("gone_at"),
).select_from(
    results.join(instances, instances.c.digest == results.c.digest).outerjoin(
        patients, patients.c.patient_number == instances.c.patient_number
    )
)
# Of two objects with one UID the first counts; an object of the node routed back by a PACS is already there.
_RECEIVED = (
    sa.select(
        instances.c.sop_instance_uid,
        instances.c.sop_class_uid,
        instances.c.object_key,
        instances.c.received_at,
        *(source_headers.c[name] for name in COLUMNS),
        sa.literal("", sa.String(64)),
        sa.func.coalesce(patients.c.authority, ""),
        instances.c.removed_at,
    )
    .select_from(
        instances.join(source_headers, source_headers.c.digest == instances.c.digest).outerjoin(
            patients, patients.c.patient_number == instances.c.patient_number
        )
    )
    .where(~instances.c.conflicting, ~sa.exists().where(results.c.sop_instance_uid == instances.c.sop_instance_uid))
)


def _held(name: str) -> sa.Subquery:
    return sa.union_all(_MADE, _RECEIVED).subquery(name)


def _is_held(objects: sa.Subquery, *, removed: bool = False) -> list[Condition]:
    """Whether an object has the UIDs of study and series, and its file is kept; with ``removed``, is not."""
    is_removed = objects.c.gone_at.is_not(None)
    return [objects.c.series_instance_uid != "", is_removed if removed else ~is_removed]


_HELD, _OTHER = _held("held"), _held("other")
_LOCATION = (
    _HELD.c.sop_instance_uid,
    _HELD.c.sop_class_uid,
    _HELD.c.series_instance_uid,
    _HELD.c.study_instance_uid,
    _HELD.c.object_key,
    _HELD.c.made_at,
    _HELD.c.authority,
)
_NEWEST = (_HELD.c.made_at.desc(), _HELD.c.sop_instance_uid)
# A series is that of its study: studies that were copied may share the UIDs of their series.
_GROUP = {
    SearchLevel.STUDY: (_HELD.c.study_instance_uid,),
    SearchLevel.SERIES: (_HELD.c.study_instance_uid, _HELD.c.series_instance_uid),
    SearchLevel.INSTANCE: (_HELD.c.sop_instance_uid,),
}


def _conditions(transaction: Transaction, query: Query, *, removed: bool = False) -> list[Condition]:
    matching = _matching(transaction, {SEARCH_KEYS[keyword]: value for keyword, value in query.items()})
    own = _is_held(_HELD, removed=removed)
    return own + [condition for condition in matching if condition is not None]


def _matching(transaction: Transaction, values: Mapping[SearchKey, str]) -> Iterator[Condition | None]:
    columns = {**_HELD.c}
    for sequence in dict.fromkeys(key.sequence for key in values if key.sequence):
        keys = {key: value for key, value in values.items() if key.sequence == sequence}
        yield sequence_matches(transaction, keys, columns)
    for key, value in values.items():
        if key.keyword == "ModalitiesInStudy":
            yield _study_has(matches(transaction, key, {**_OTHER.c}, value))
        elif not key.sequence:
            yield matches(transaction, key, columns, value)


def _study_has(condition: Condition | None) -> Condition | None:
    """Whether the condition is true of any object of the study."""
    if condition is None:
        return None
    of_study = _OTHER.c.study_instance_uid == _HELD.c.study_instance_uid
    return sa.exists().where(of_study, *_is_held(_OTHER), condition)


def _location(row: sa.Row[*tuple[Any, ...]]) -> ResultLocation:
    return ResultLocation(*row[:7])


def _uid_of(location: ResultLocation, level: SearchLevel) -> str:
    return location.study_instance_uid if level is SearchLevel.STUDY else location.series_instance_uid


def _group(newest: ResultLocation, parts: Sequence[tuple[str, str, int]]) -> ResultGroup:
    return ResultGroup(
        newest,
        tuple(sorted({modality for modality, _, _ in parts})),
        len({series for _, series, _ in parts}),
        sum(count for _, _, count in parts),
    )
