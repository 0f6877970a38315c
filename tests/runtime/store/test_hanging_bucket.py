"""A bucket that accepts connections and never answers: senders are told within the time that the node promises."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from miqa_node.errors import ResourcesError
from miqa_node.runtime.store import bucket
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.runtime.workers import readiness
from miqa_node.runtime.workers.readiness import ReadinessChecks
from tests.waiting import wait_until


@pytest.fixture
def hanging_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 server that takes every request and answers none."""
    listening = socket.create_server(("127.0.0.1", 0))
    sockets: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                sockets.append(listening.accept()[0])
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    for name, value in {
        "AWS_ENDPOINT": f"http://127.0.0.1:{listening.getsockname()[1]}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    yield "s3://bucket/node"
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    for connection in sockets:
        connection.close()


def test_a_sender_waits_no_longer_than_promised(
    hanging_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "BUCKET_TIMEOUT_S", 1.0)
    store = open_objects(hanging_url, tmp_path / "cache", 0, 1 << 20)
    file = tmp_path / "file"
    file.write_bytes(b"x")
    for wait in (store.check, lambda: store.put_file("instances/ab/abcdef.dcm", file)):  # or it would wait for ever
        with pytest.raises(ResourcesError, match="does not answer"):
            wait()
    assert file.exists()
    assert bucket.CHECK_SHARE + bucket.PUT_SHARE < 1.0, "together they take less than the promised time"


def test_readiness_answers_within_a_second_while_a_check_hangs(
    hanging_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "HANGS_S", 1.5)
    monkeypatch.setattr(bucket, "BUCKET_TIMEOUT_S", 3600.0)
    store = open_objects(hanging_url, tmp_path / "cache", 0, 1 << 20)
    ready = ReadinessChecks({"The object store": store.check, "The database": lambda: None})
    answers: list[list[str]] = []

    def is_noticed() -> bool:
        answers.append(ready.reasons())  # it answers long before the check does
        return answers[-1] == ["The object store did not answer within 1.5 s."]

    wait_until(is_noticed)
    assert all(reasons == ["The object store has not been checked yet."] for reasons in answers[:-1])
    assert readiness.ANSWER_S < 1.0
