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

KEY = "instances/ab/abcdef.dcm"
LIMIT = 1 << 20


@pytest.fixture(params=["disk", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "disk":
        return open_objects("", tmp_path / "objects", 0, LIMIT)
    return open_objects(request.getfixturevalue("bucket_url"), tmp_path / "cache", 0, LIMIT)


def test_what_was_put_comes_back(store: ObjectStore) -> None:
    assert not store.exists(KEY)
    assert store.put(KEY, b"abc")
    assert store.exists(KEY)
    assert store.get(KEY) == b"abc"
    assert store.local_path(KEY).read_bytes() == b"abc"
    store.check()


def test_a_probe_leaves_nothing(store: ObjectStore) -> None:
    store.put(KEY, b"abc")
    store.probe()
    assert [one.key for kind in KINDS for one in store.entries(f"{kind}/")] == [KEY]


def test_originals_that_cannot_be_stored_are_noticed(tmp_path: Path) -> None:
    store = open_objects("", tmp_path / "objects", 0, LIMIT)
    store.put(KEY, b"abc")
    store.check()
    (tmp_path / "objects" / "instances").rename(tmp_path / "objects" / "elsewhere")
    (tmp_path / "objects" / "instances").write_bytes(b"")
    with pytest.raises(ResourcesError, match="folder instances cannot be read: Not a directory"):
        store.check()


def test_what_is_there_never_changes(store: ObjectStore) -> None:
    assert store.put(KEY, b"first")
    assert not store.put(KEY, b"second")
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
        open_objects("", tmp_path, 2**62, LIMIT).check()


def test_other_schemes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="s3://"):
        open_objects("ftp://x", tmp_path, 0, LIMIT)


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    store = open_objects("", tmp_path / "objects", 0, LIMIT)
    store.put("instances/ab/first.dcm", b"small")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))  # what a full disk does, without filling one
    try:
        with pytest.raises(OSError, match="too large"):
            store.put(KEY, bytes(1 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in (tmp_path / "objects").rglob("*") if path.is_file()] == ["first.dcm"]


def test_a_folder_that_can_be_read_and_not_written_is_noticed(tmp_path: Path) -> None:
    store = open_objects("", tmp_path, 0, LIMIT)
    check_writing(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        store.check()
        with pytest.raises(ResourcesError, match="cannot be written: File too large"):
            check_writing(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    check_writing(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_flushed_also_by_who_finds_it_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first writer may have died between its link and its flush: success must not be said on its word."""
    store = open_objects("", tmp_path / "objects", 0, LIMIT)
    store.put(KEY, b"abc")
    flushed: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        flushed.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    file = tmp_path / "again"
    file.write_bytes(b"abc")
    assert not store.put_file(KEY, file)
    assert str((tmp_path / "objects" / KEY).parent) in flushed


def test_what_is_deleted_is_gone_and_may_come_again(store: ObjectStore) -> None:
    other = "instances/ab/other.dcm"
    for key in (KEY, other):
        store.put(key, b"abc")
    store.get(KEY)  # a bucket has a copy on this machine now
    store.delete([KEY, "instances/ab/never.dcm"])
    assert (store.exists(KEY), store.exists(other)) == (False, True)
    with pytest.raises(NotFoundError):
        store.get(KEY)
    store.delete([])
    assert store.put(KEY, b"again")
    assert store.get(KEY) == b"again"


def test_what_is_there_can_be_listed(store: ObjectStore) -> None:
    store.put(KEY, b"abc")
    store.put("previews/ab/x.png", b"")
    [entry] = store.entries("instances/ab/")
    assert (entry.key, entry.size_bytes) == (KEY, 3)
    assert abs((datetime.now(UTC) - entry.modified_at).total_seconds()) < 600
    assert list(store.entries("instances/cd/")) == []


def test_what_is_damaged_is_replaced_by_the_same_file_sent_again(store: ObjectStore, tmp_path: Path) -> None:
    file = tmp_path / "file"
    for rest in (b"", b"wh", b"whoLe"):
        store.replace(KEY, rest)
        assert store.get(KEY) == rest
        file.write_bytes(b"whole")
        assert not store.put_file(KEY, file), "the key was taken"
        assert not file.exists()
        assert (store.get(KEY), b"".join(store.chunks(KEY)), store.stat(KEY).size_bytes) == (b"whole", b"whole", 5)


def test_a_folder_that_was_deleted_is_made_again(store: ObjectStore, tmp_path: Path) -> None:
    store.put(KEY, b"abc")
    for folder in ("objects", "cache"):
        shutil.rmtree(tmp_path / folder / "instances", ignore_errors=True)
    file = tmp_path / "file"
    file.write_bytes(b"abc")
    store.put_file(KEY, file)
    assert store.get(KEY) == b"abc"


def test_the_store_itself_is_read_and_not_a_copy(store: ObjectStore, tmp_path: Path) -> None:
    store.put(KEY, b"abc")
    copy = store.local_path(KEY)
    if tmp_path / "cache" in copy.parents:
        copy.write_bytes(b"abC")
        assert b"".join(store.chunks(KEY)) == b"abc"
        store.drop_copy(KEY)
        assert store.get(KEY) == b"abc"
    else:
        store.drop_copy(KEY)
        assert store.exists(KEY)


def test_an_object_is_sound_damaged_or_lost(store: ObjectStore) -> None:
    key, data = "results/ab/1.2.3.dcm", bytes(range(256)) * 10_000
    sha256 = hashlib.sha256(data).hexdigest()
    assert check(store, key, len(data), sha256) is Soundness.LOST
    store.put(key, data)
    assert check(store, key, len(data), sha256) is Soundness.SOUND
    assert check(store, key, None, None) is Soundness.SOUND
    assert check(store, key, len(data) + 1, sha256) is Soundness.SOUND, "a wrong size alone is looked at closer"
    for bad in (b"", data[:-1], data[:-1] + b"\0", b"\1" + data[1:]):
        store.replace(key, bad)
        assert check(store, key, len(data), sha256) is Soundness.DAMAGED
        state = Soundness.SOUND if len(bad) == len(data) else Soundness.DAMAGED
        assert check(store, key, len(data), sha256, deep=False) is state
        assert check(store, key, len(data), None) is state
    store.delete([key])
    assert check(store, key, len(data), sha256) is Soundness.LOST


@pytest.mark.parametrize("number", [errno.EPERM, errno.EIO, errno.ESTALE])
def test_an_error_of_the_disk_does_not_say_that_an_object_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Newer versions of Python call what cannot be looked at no file."""
    store = open_objects("", tmp_path / "objects", 0, LIMIT)
    store.put(KEY, b"abc")

    def fail(path: Path, **_: object) -> object:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "stat", fail)
    monkeypatch.setattr(Path, "is_file", lambda _path: False)
    for ask in (store.exists, store.local_path, store.get, store.stat):
        with pytest.raises(OSError, match=os.strerror(number)):
            ask(KEY)
    assert list(store.entries("instances")) == [], "what is not listed is asked for"


def test_objects_of_a_bucket_that_is_gone_are_not_lost(bucket_url: str, tmp_path: Path) -> None:
    store = open_objects(f"{bucket_url.replace('s3://', 's3://other-')}", tmp_path / "cache", 0, LIMIT)
    for ask in (store.exists, store.stat, lambda key: list(store.chunks(key))):
        with pytest.raises(ResourcesError, match="does not"):
            ask(KEY)


def test_of_a_store_that_cannot_be_read_nothing_is_said(tmp_path: Path) -> None:
    store = open_objects("", tmp_path / "objects", 0, LIMIT)
    shutil.rmtree(tmp_path / "objects")
    with pytest.raises(ResourcesError, match="not there"):
        check(store, KEY, 3, None)


@pytest.mark.more
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


@pytest.mark.more
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
