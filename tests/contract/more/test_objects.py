# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""What every object store promises: disk and S3 run the same tests."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.errors import NotFoundError, ResourcesError, SettingsError
from miqa_node.runtime.store.disk import KINDS, check_writing
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.runtime.store.verification import Soundness, check
from tests.conftest import free_port
from tests.contract.test_objects import KEY, LIMIT, store


def test_a_bucket_that_does_not_answer_is_a_lack_of_resources(
    bucket_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("miqa_node.runtime.store.bucket.BUCKET_TIMEOUT_S", 1)
    store = open_objects(bucket_url, tmp_path / "cache", 0, LIMIT)
    store.put(KEY, b"abc")
    monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{free_port()}")  # nobody listens there
    away = open_objects(bucket_url, tmp_path / "other", 0, LIMIT)
    file = tmp_path / "file"
    file.write_bytes(b"x")
    for ask in (
        lambda: away.put(KEY, b"abc"),
        lambda: away.put_file(KEY, file),
        lambda: away.get(KEY),
        lambda: away.exists(KEY),
    ):
        with pytest.raises(ResourcesError, match="does not answer"):
            ask()
    assert file.exists()


def test_copies_of_a_bucket_stay_within_their_limit_and_come_back(
    bucket_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("miqa_node.runtime.store.cache.SWEEP_INTERVAL_S", 0.0)
    store = open_objects(bucket_url, tmp_path / "cache", 0, 250_000)
    keys = [f"instances/ab/{number}.dcm" for number in range(5)]
    for number, key in enumerate(keys):
        file = tmp_path / "file"
        file.write_bytes(bytes([number]) * 100_000)
        os.utime(file, (number, number))  # long unused
        store.put_file(key, file)
    part = tmp_path / "cache/instances/ab/.left.part"
    part.write_bytes(b"x")
    os.utime(part, (0, 0))
    assert store.local_path(keys[3]).read_bytes() == b"\3" * 100_000  # in use from now on
    assert store.get(keys[0]) == b"\0" * 100_000
    there = sorted(path.name for path in (tmp_path / "cache").rglob("*.*"))
    assert there == ["0.dcm", "3.dcm"]
    assert [store.get(key)[0] for key in keys] == list(range(5))
