"""Brings the objects of one moment into a backup, and finds those that the node has lost or damaged.

Nothing that is wrong with an object keeps the others from the backup, and nothing lost or damaged takes the place of a
good copy of the last backup. What cannot be read at the moment is neither lost nor damaged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import BinaryIO

import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.object_store import ObjectEntry, ObjectStore
from miqa_node.core.files.whole_file import whole_file
from miqa_node.core.observe.progress import counted
from miqa_node.errors import NotFoundError, ResourcesError
from miqa_node.features.backup.work.copying import CountedBytes, describe_file
from miqa_node.features.backup.work.folder import DAMAGED, LOST, OBJECTS, UNREADABLE, BackupFolder, ManifestEntry
from miqa_node.runtime.store import damages
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import KINDS, ORIGINALS, chunks_of
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.store.tables import column_marks
from miqa_node.runtime.store.upkeep import in_shard, shard_of, shards
from miqa_node.runtime.store.verification import Soundness, digest_of
from miqa_node.stages.units.rows import copies

MADE = tuple(kind for kind in KINDS if kind not in (ORIGINALS, "results"))
"""Kinds of objects that belong to the rows of their images."""
_of = t.instances.c
_ORIGINAL = (_of.removed_at, _of.deleted_at, _of.removal_cause)
_ARTIFACTS = (_of.artifacts_removed_at, _of.artifacts_deleted_at)


@dataclass(frozen=True, slots=True)
class NodeObject:
    """An object that the rows of a node say it has; if no row has its digest, the first copy in the backup is right."""

    key: str
    owner: str = ""
    """The instance, if it is of one."""
    digest: str | None = None

    @property
    def is_original(self) -> bool:
        """Whether it is an image as it was received."""
        return self.key.startswith(f"{ORIGINALS}/")

    @property
    def name(self) -> str:
        """Its name in a backup."""
        return f"{OBJECTS}/{self.key}"


class ObjectReadError(Exception):
    """The store has the object, but cannot read it."""


class ObjectCopies:
    """The objects of the node in the backup: their entries, how many were copied, and what is wrong with others.

    ``moment`` is the database at one moment; ``live`` tells what was removed since.
    """

    def __init__(
        self, live: Database, moment: Database, objects: ObjectStore, folder: BackupFolder, *, deep: bool
    ) -> None:
        self._live, self._moment, self._objects, self._folder, self._deep = live, moment, objects, folder, deep
        with_objects = (table for table in t.all_tables().tables.values() if column_marks.OBJECTS in table.info)
        self._of_tables = {table.info[column_marks.OBJECTS]: table for table in with_objects}
        """Folders of objects that belong to no image, but to the rows of a table, of whatever feature."""
        self.entries: list[ManifestEntry] = []
        self.copied = 0
        self.lost: list[str] = []
        self.damaged: list[str] = []
        self.unreadable: list[str] = []

    def take_all(self) -> None:
        """Bring all objects in."""
        last, with_rows = self._known(), self._shards_with_rows()
        for shard in counted(shards(), "Copying"):
            if shard not in with_rows:
                continue
            listing = {one.key: one for kind in KINDS for one in self._objects.entries(f"{kind}/{shard}/")}
            for one in self._kept(shard, [*last.get(shard, ()), *listing]):
                self._take(one, listing.get(one.key))
        for folder in sorted(self._of_tables):
            listing = {one.key: one for one in self._objects.entries(f"{folder}/")}
            for key in dict.fromkeys((*self._due(folder, last.get(folder, ())), *listing)):
                self._take(NodeObject(key), listing.get(key))

    def _due(self, folder: str, keys: Iterable[str]) -> Iterable[str]:
        """Of objects in the last backup those that should be there: without its row, an erasure took a month's away."""
        table = self._of_tables[folder]
        if column_marks.MONTH not in table.info:
            return keys
        with self._moment.begin() as transaction:
            months = transaction.execute(sa.select(table.c[table.info[column_marks.MONTH]])).scalars().all()
        return [key for key in keys if any(month in key for month in months)]

    def _shards_with_rows(self) -> frozenset[str]:
        """The shards of images; what lies in others belongs to none."""
        with self._moment.begin() as transaction:
            return frozenset(transaction.execute(sa.select(shard_of(_of.digest)).distinct()).scalars())

    def _known(self) -> dict[str, list[str]]:
        """Keys of objects without rows in the last backup, by shard, and those of tables by their folder."""
        last: dict[str, list[str]] = {}
        for name in self._folder.manifest:
            place, _, key = name.partition("/")
            kind, _, rest = key.partition("/")
            if place == OBJECTS and (kind in MADE or kind in self._of_tables):
                last.setdefault(rest.partition("/")[0] if kind in MADE else kind, []).append(key)
        return last

    def _kept(self, shard: str, keys: Iterable[str]) -> Iterator[NodeObject]:
        """The objects of one shard that rows refer to; of ``keys``, those made for images that keep theirs."""
        of_shard = in_shard(_of.digest, shard)
        originals = sa.select(_of.digest, _of.object_key, _of.copy_digest).where(_of.removed_at.is_(None), of_shard)
        owners = sa.select(_of.digest).where(_of.artifacts_removed_at.is_(None), of_shard)
        results = sa.select(t.results).where(t.results.c.digest.in_(owners), t.results.c.object_key != "")
        with self._moment.begin() as transaction:
            rows, made = transaction.execute(originals).all(), transaction.execute(results).all()
            keep = set(transaction.execute(owners).scalars())
            others = copies.files(transaction, [row.digest for row in rows])
        yield from (NodeObject(row.object_key, row.digest, row.copy_digest or row.digest) for row in rows)
        yield from (NodeObject(original_key(digest), owner, digest) for digest, owner in others)
        yield from (NodeObject(row.object_key, row.digest, row.sha256) for row in made)
        for key in dict.fromkeys(key for key in keys if key.partition("/")[0] in MADE):
            if (owner := PurePosixPath(key).name.partition(".")[0]) in keep:
                yield NodeObject(key, owner)

    def _take(self, one: NodeObject, listing: ObjectEntry | None) -> None:
        last = self._folder.manifest.get(one.name)
        if last is not None and not self._has(last):
            last = None
        try:
            if listing is None:  # the listing may be outdated
                with self._reading(one):
                    listing = self._objects.stat(one.key)
            if last is not None and not self._deep and not last.fault and _is_as_read(last, listing):
                self.entries.append(last)
            else:
                self._read(one, listing, last)
        except NotFoundError:
            if not self._was_removed(one):
                self._fail(one, last, Soundness.LOST)
        except ObjectReadError:
            self.unreadable.append(self._lack(one, last, UNREADABLE))

    def _read(self, one: NodeObject, listing: ObjectEntry, last: ManifestEntry | None) -> None:
        """Bring in an object that is new, or that may differ from its copy in the backup."""
        read_at = listing.modified_at.isoformat()
        if last is None:
            last = self._copy_of_earlier_attempt(one)
        if last is not None:
            passage = CountedBytes(self._chunks(one))
            is_sound = _is_sound(one, passage, last)
            if is_sound and passage.sha256 == last.sha256:
                self.entries.append(replace(last, modified_at=read_at, fault=""))
                return
            if not is_sound and (self._is_good(one, last) or passage.sha256 == last.sha256):
                self._fail(one, last, Soundness.DAMAGED)
                return
        passage = CountedBytes(self._chunks(one))
        place = self._folder.place(one.name)
        with whole_file(place) as part, part.open("wb") as file:
            is_sound = _is_sound(one, _written(passage, file), None)
        self.copied += 1
        entry = ManifestEntry(self._folder.name_of(place), passage.size_bytes, passage.sha256, read_at)
        if is_sound:
            self.entries.append(entry)
        else:
            self._fail(one, replace(entry, fault=DAMAGED), Soundness.DAMAGED)

    def _has(self, entry: ManifestEntry) -> bool:
        """Whether the backup still has the file of an entry, as far as that is to be looked at."""
        path = self._folder.path / entry.file
        if not entry.has_file or not path.is_file() or path.stat().st_size != entry.size_bytes:
            return False
        return not self._deep or describe_file(path)[1] == entry.sha256

    def _copy_of_earlier_attempt(self, one: NodeObject) -> ManifestEntry | None:
        """What an attempt copied that ended before its manifest was written."""
        path = self._folder.path / one.name
        if one.digest is None or not path.is_file() or not _is_sound(one, chunks_of(path), None):
            return None
        return ManifestEntry(one.name, *describe_file(path))

    def _fail(self, one: NodeObject, last: ManifestEntry | None, state: Soundness) -> None:
        """Record what the node no longer has."""
        line = self._lack(one, last, LOST)
        (self.lost if state is Soundness.LOST else self.damaged).append(line)
        if one.key.partition("/")[0] not in (*MADE, *self._of_tables):
            with self._live.begin() as transaction:
                damages.note(transaction, one.key, InstanceDigest(one.owner), state, datetime.now(UTC))

    def _lack(self, one: NodeObject, last: ManifestEntry | None, fault: str) -> str:
        """Enter what cannot be brought in, and why there is no file of it; a good copy in the backup stays there."""
        is_good = last is not None and self._is_good(one, last)
        if last is None:
            self.entries.append(ManifestEntry(one.name, 0, "", fault=fault))
        else:
            self.entries.append(replace(last, modified_at="", fault="" if is_good else DAMAGED))
        return f"{one.key} (the backup has a good copy)" if is_good else one.key

    def _is_good(self, one: NodeObject, last: ManifestEntry) -> bool:
        if one.digest is None:
            return not last.fault
        return _is_sound(one, chunks_of(self._folder.path / last.file), None)

    def _was_removed(self, one: NodeObject) -> bool:
        """Whether retention or an erasure removed it since that moment; then the copy of the database says so."""
        columns = _ORIGINAL if one.is_original else _ARTIFACTS
        with self._live.begin() as transaction:
            row = transaction.execute(sa.select(*columns).where(_of.digest == one.owner)).first()
        if row is None or row[0] is None:
            return False
        if self._moment is not self._live:
            values = {column.name: value for column, value in zip(columns, row, strict=True)}
            with self._moment.begin() as transaction:
                transaction.execute(sa.update(t.instances).where(_of.digest == one.owner).values(values))
        return True

    def _chunks(self, one: NodeObject) -> Iterator[bytes]:
        with self._reading(one):
            yield from self._objects.chunks(one.key)

    @contextmanager
    def _reading(self, one: NodeObject) -> Iterator[None]:
        """An error of this object ends as ObjectReadError; a store that does not answer at all, as ResourcesError."""
        try:
            yield
        except ResourcesError as error:
            self._objects.check()
            raise ObjectReadError(one.key) from error
        except OSError as error:
            raise ObjectReadError(one.key) from error


def _is_as_read(last: ManifestEntry, listing: ObjectEntry) -> bool:
    return last.size_bytes == listing.size_bytes and last.modified_at == listing.modified_at.isoformat()


def _is_sound(one: NodeObject, chunks: Iterable[bytes], last: ManifestEntry | None) -> bool:
    """Whether these are the bytes of the object; all of them are read."""
    passage = CountedBytes(chunks)
    parts = iter(passage)
    digest = digest_of(parts, is_original=one.is_original)
    for _ in parts:  # what is not a DICOM file is not digested to its end
        pass
    if one.digest is not None:
        return digest == one.digest
    if last is not None and not last.fault:
        return passage.sha256 == last.sha256
    return passage.size_bytes > 0


def _written(chunks: Iterable[bytes], file: BinaryIO) -> Iterator[bytes]:
    for chunk in chunks:
        file.write(chunk)
        yield chunk
