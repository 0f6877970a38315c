"""The object store of the settings: bytes by key, written once, on local disk or in an S3 bucket."""

from __future__ import annotations

from pathlib import Path

from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.core.settings import Settings
from miqa_node.errors import SettingsError
from miqa_node.runtime.store.disk import Absent, DiskObjects, never_stored


def objects_of(settings: Settings, absent: Absent = never_stored) -> ObjectStore:
    """The store of a node's settings."""
    store = settings.store
    return open_objects(store.objects_url, settings.objects_dir, store.min_free_bytes, store.cache_bytes, absent)


def open_objects(
    url: str, folder: Path, min_free_bytes: int, cache_bytes: int, absent: Absent = never_stored
) -> ObjectStore:
    """The store of the settings; ``folder`` has the objects, or a limited number of copies of a bucket's objects."""
    if not url:
        return DiskObjects(folder, min_free_bytes, absent)
    if url.startswith("s3://"):
        from miqa_node.runtime.store.bucket import BucketObjects  # noqa: PLC0415 - its library slows the start of other nodes

        return BucketObjects(url, folder, min_free_bytes, cache_bytes, absent)
    raise SettingsError(f"store.objects_url: {url!r} is neither empty nor s3://bucket/prefix.")
