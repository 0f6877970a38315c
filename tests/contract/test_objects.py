"""What every object store promises: disk and S3 run the same tests."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from miqa_node.domain.ports import ObjectStore
from miqa_node.errors import NotFoundError, ResourcesError, SettingsError
from miqa_node.store.objects import open_objects

KEY = "instances/ab/abcdef.dcm"


@pytest.fixture(params=["disk", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "disk":
        return open_objects("", tmp_path / "objects", 0)
    return open_objects(request.getfixturevalue("bucket_url"), tmp_path / "cache", 0)


def test_what_was_put_comes_back(store: ObjectStore) -> None:
    assert not store.exists(KEY)
    assert store.put(KEY, b"abc")
    assert store.exists(KEY)
    assert store.get(KEY) == b"abc"
    assert store.local_path(KEY).read_bytes() == b"abc"
    store.check()


def test_what_is_there_never_changes(store: ObjectStore, tmp_path: Path) -> None:
    assert store.put(KEY, b"first")
    assert not store.put(KEY, b"second")
    file = tmp_path / "third"
    file.write_bytes(b"third")
    assert not store.put_file(KEY, file)
    assert not file.exists()
    assert store.get(KEY) == b"first"


def test_a_file_is_taken_over(store: ObjectStore, tmp_path: Path) -> None:
    file = tmp_path / "new"
    file.write_bytes(b"x" * 100_000)
    assert store.put_file(KEY, file)
    assert not file.exists()
    assert store.get(KEY) == b"x" * 100_000


def test_an_absent_key_is_named(store: ObjectStore) -> None:
    with pytest.raises(NotFoundError, match="nothing"):
        store.get("instances/no/nothing.dcm")


@pytest.mark.parametrize(
    "key", ["", "x", "../etc/passwd", "instances/../../x", "/instances/a", "instances/a b", "instances/a\n"]
)
def test_only_proper_keys_become_paths(store: ObjectStore, key: str) -> None:
    with pytest.raises(ValueError, match="not an object key"):
        store.put(key, b"")


def test_of_two_writers_one_wins(store: ObjectStore) -> None:
    outcomes: list[bool] = []
    writers = [threading.Thread(target=lambda n=n: outcomes.append(store.put(KEY, bytes([n]) * 10))) for n in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(outcomes) == [False] * 7 + [True]
    assert len(set(store.get(KEY))) == 1


def test_a_full_disk_is_said_in_time(tmp_path: Path) -> None:
    with pytest.raises(ResourcesError, match="min_free_bytes"):
        open_objects("", tmp_path, 2**62).check()


def test_other_schemes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="s3://"):
        open_objects("ftp://x", tmp_path, 0)
