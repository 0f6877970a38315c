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
