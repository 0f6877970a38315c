"""Large objects reach a bucket over a slow line, in parts; only a bucket that is silent is given up."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest

from miqa_node.core.domain.object_store import MiB
from miqa_node.errors import ResourcesError
from miqa_node.runtime.store import bucket
from miqa_node.runtime.store.site_store import open_objects

pytestmark = pytest.mark.more

KEY = "instances/ab/abcdef.dcm"
Line = Callable[..., AbstractContextManager[None]]


class SlowLine:
    """Forwards connections to a server at a limited rate, and after ``silent_after`` bytes nothing any more."""

    def __init__(self, server: str, bytes_per_s: float, silent_after: float = float("inf")) -> None:
        address = urlsplit(server)
        self._server = str(address.hostname), int(address.port or 80)
        self._rate, self._rest = bytes_per_s, silent_after
        self._over = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listening]
        self.port = self._listening.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, far = self._listening.accept()[0], socket.create_connection(self._server)
                self._sockets += [near, far]
                threading.Thread(target=self._forward, args=(near, far, self._rate), daemon=True).start()
                threading.Thread(target=self._forward, args=(far, near, float("inf")), daemon=True).start()

    def _forward(self, reader: socket.socket, writer: socket.socket, rate: float) -> None:
        with suppress(OSError):
            while data := reader.recv(1 << 16):
                if rate < float("inf"):
                    self._over.wait(len(data) / rate)
                    self._rest -= len(data)
                    if self._rest < 0:
                        self._over.wait()
                writer.sendall(data)
            writer.shutdown(socket.SHUT_WR)


@pytest.fixture
def line(bucket_url: str, monkeypatch: pytest.MonkeyPatch) -> Line:
    server = os.environ["AWS_ENDPOINT"]

    @contextmanager
    def slow(*args: float) -> Iterator[None]:
        with SlowLine(server, *args) as way:
            monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{way.port}")
            yield
            monkeypatch.setenv("AWS_ENDPOINT", server)

    return slow


def test_an_upload_may_take_longer_than_a_bucket_may_be_silent(
    bucket_url: str, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "BUCKET_TIMEOUT_S", 8.0)
    data, file = os.urandom(24 * MiB), tmp_path / "file"
    file.write_bytes(data)
    with line(2 * MiB):  # some 12 s, of which the first 5.6 s were the limit
        store = open_objects(bucket_url, tmp_path / "cache", 0, 1 << 30)
        assert store.put_file(KEY, file)
        assert store.put("results/ab/1.2.3.dcm", data)
        assert not store.put("results/ab/1.2.3.dcm", data)
    elsewhere = open_objects(bucket_url, tmp_path / "other", 0, 1 << 30)
    assert elsewhere.get(KEY) == data
    assert elsewhere.stat(KEY).size_bytes == len(data)


def test_a_bucket_that_is_silent_in_the_middle_is_given_up_and_the_file_stays(
    bucket_url: str, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "BUCKET_TIMEOUT_S", 4.0)
    file = tmp_path / "file"
    file.write_bytes(os.urandom(24 * MiB))
    with line(32 * MiB, 12 * MiB):
        store = open_objects(bucket_url, tmp_path / "cache", 0, 1 << 30)
        with pytest.raises(ResourcesError, match="does not answer"):
            store.put_file(KEY, file)
    assert file.exists()


def test_a_large_object_is_never_whole_in_memory(bucket_url: str, tmp_path: Path) -> None:
    program = f"""
import resource
from pathlib import Path
from typing import Self
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.runtime.store.verification import check
store = open_objects({bucket_url!r}, Path({str(tmp_path / "cache")!r}), 0, 1 << 30)
store.put("results/ab/small.dcm", b"x")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
store.put_file({KEY!r}, Path({str(tmp_path / "file")!r}))
store.drop_copy({KEY!r})
store.local_path({KEY!r})
check(store, {KEY!r}, None, "")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    with (tmp_path / "file").open("wb") as file:
        for _ in range(160):
            file.write(os.urandom(MiB))
    more = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert int(more.stdout) < 80, "MiB; the file has 160"
