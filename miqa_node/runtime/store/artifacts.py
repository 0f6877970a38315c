"""The files that the node keeps outside the database."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from miqa_node.core.domain.delivery import ResultObject
from miqa_node.core.domain.image import SaliencyMaps
from miqa_node.core.domain.instance import InstanceDigest, StoredInstance
from miqa_node.core.domain.object_store import ObjectStore, Soundness
from miqa_node.core.domain.series import SeriesSnapshot
from miqa_node.errors import NotFoundError
from miqa_node.runtime.store.arrays import dump_maps, dump_snapshot, load_maps, load_snapshot
from miqa_node.runtime.store.damages import verify_original
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.object_keys import maps_key, original_key, preview_key, result_key, snapshot_key
from miqa_node.runtime.store.verification import check, check_result

T = TypeVar("T")


class Artifacts:
    """Reads and writes these files in an object store. A sound file never changes: the first of two writers wins.

    Every method that reads raises NotFoundError if the file is not there.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def keep_original(self, digest: InstanceDigest, path: Path) -> bool:
        """Move a received file into the store; False if there was one already, sound or not, which it replaces."""
        return self._objects.put_file(original_key(digest), path)

    def has_original(self, digest: InstanceDigest) -> bool:
        """Whether the received file is there."""
        return self._objects.exists(original_key(digest))

    def verify_original(self, database: Database, digest: InstanceDigest) -> Soundness:
        """Read the received file again and compare it with its row; records damage.

        Raises
        ------
        ResourcesError
            It cannot be read now, or only this machine's copy of it was damaged, which is dropped.
        """
        return verify_original(database, self._objects, digest)

    def path(self, object_key: str) -> Path:
        """A readable local file of an original or of a result, by the key in its row."""
        return self._objects.local_path(object_key)

    def keep_preview(self, digest: InstanceDigest, png: bytes) -> None:
        """Keep the preview."""
        self._put(preview_key(digest), png, bytes)

    def preview(self, digest: InstanceDigest) -> bytes:
        """The preview, a PNG file."""
        return self._get(preview_key(digest), bytes)

    def keep_maps(self, digest: InstanceDigest, maps: SaliencyMaps, generation: int = 0) -> None:
        """Keep the saliency maps of an assessment."""
        self._put(maps_key(digest, generation), maps, dump_maps)

    def maps(self, digest: InstanceDigest, generation: int = 0) -> SaliencyMaps:
        """The saliency maps of an assessment."""
        return self._get(maps_key(digest, generation), load_maps)

    def keep_snapshot(self, instance: StoredInstance, snapshot: SeriesSnapshot) -> None:
        """Store the snapshot of a judged series; the instance represents the series."""
        self._put(snapshot_key(instance.digest, instance.generation), snapshot, dump_snapshot)

    def snapshot(self, instance: StoredInstance) -> SeriesSnapshot | None:
        """The snapshot of a judged series; None if all attempts failed before the series was read."""
        try:
            return self._get(snapshot_key(instance.digest, instance.generation), load_snapshot)
        except NotFoundError:
            return None

    def keep_result(self, digest: InstanceDigest, sop_instance_uid: str, data: bytes) -> str:
        """Store a DICOM object made by the node; returns its key.

        What is there is never overwritten: a process that took over while this one was paused may have recorded it.
        Other bytes of the same object get a key of their own; the row says which of them count.
        """
        key = result_key(digest, sop_instance_uid)
        if not self._is_or_becomes(key, data):
            key = result_key(digest, sop_instance_uid, sha256(data).hexdigest())
            put_sound(self._objects, key, data)
        return key

    def _is_or_becomes(self, key: str, data: bytes) -> bool:
        """Whether a key has these bytes now; False if it has others. An empty file, as power cuts leave, is none."""
        if self._objects.put(key, data):
            return True
        if check(self._objects, key, len(data), sha256(data).hexdigest()) is Soundness.SOUND:
            return True
        is_empty = check(self._objects, key, None, None) is not Soundness.SOUND
        if is_empty:
            self._objects.replace(key, data)
        return is_empty

    def mend_result(self, object_key: str, data: bytes) -> None:
        """Store a DICOM object in place of a lost or damaged one."""
        self._objects.replace(object_key, data)

    def verify_result(self, result: ResultObject) -> Soundness:
        """Compare the file of a result with its row; ResourcesError if it cannot be read now."""
        return check_result(self._objects, result)

    def _put(self, key: str, value: T, dump: Callable[[T], bytes]) -> None:
        put_sound(self._objects, key, dump(value))

    def _get(self, key: str, load: Callable[[bytes], T]) -> T:
        return load(self._objects.get(key))


def put_sound(objects: ObjectStore, key: str, data: bytes) -> None:
    """Store an object; if the key is taken by anything else, it was damaged: the same work gives the same bytes."""
    if not objects.put(key, data) and check(objects, key, len(data), sha256(data).hexdigest()) is Soundness.DAMAGED:
        objects.replace(key, data)


class MemoryArtifacts(Artifacts):
    """The same in memory, for one process: values stay objects, and originals stay in place."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def keep_original(self, digest: InstanceDigest, path: Path) -> bool:
        """Remember the path of the file; False if it has come before."""
        is_new = not self.has_original(digest)
        self._values[original_key(digest)] = path
        return is_new

    def has_original(self, digest: InstanceDigest) -> bool:
        """Whether the file has come."""
        return original_key(digest) in self._values

    def verify_original(self, database: Database, digest: InstanceDigest) -> Soundness:  # noqa: ARG002
        """The file is where it lies, and nobody has read it before."""
        return Soundness.SOUND

    def verify_result(self, result: ResultObject) -> Soundness:  # noqa: ARG002
        """In memory nothing is damaged."""
        return Soundness.SOUND

    def keep_result(self, digest: InstanceDigest, sop_instance_uid: str, data: bytes) -> str:
        """Remember the object."""
        key = result_key(digest, sop_instance_uid)
        self._put(key, data, bytes)
        return key

    def path(self, object_key: str) -> Path:
        """The original's path; NotFoundError for results, which are not files here."""
        value = self._values.get(object_key)
        if not isinstance(value, Path):
            raise NotFoundError("There is no file {object_key}.", object_key=object_key)
        return value

    def _put(self, key: str, value: T, dump: Callable[[T], bytes]) -> None:  # noqa: ARG002
        self._values.setdefault(key, value)

    def _get(self, key: str, load: Callable[[bytes], T]) -> T:  # noqa: ARG002
        if key not in self._values:
            raise NotFoundError("There is no object {key}.", key=key)
        value: T = self._values[key]
        return value
