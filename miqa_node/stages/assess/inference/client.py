"""A worker's connection to the inference process; graphs behind it run like those of a session of its own."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Mapping, Sequence
from multiprocessing import current_process
from multiprocessing.connection import Client, Connection
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from miqa_node.errors import ModelPackageError
from miqa_node.runtime.workers.answers import MAX_ANSWER_BYTES, read_answer, write_answer
from miqa_node.runtime.workers.children import HELPER_LOST
from miqa_node.stages.assess.graph import GraphFacts

log = structlog.get_logger(__name__)

START_LIMIT_S = 120.0
"""The process loads a GPU's libraries before it listens."""
PAUSE_S = 0.1

_process: InferenceClient | None = None


def connect(address: str) -> None:
    """Let all further sessions of this process run in the inference process; OSError if it cannot be reached."""
    global _process  # noqa: PLW0603 - a worker has one for all its life
    _process = InferenceClient(address)


def inference_process() -> InferenceClient | None:
    """The process that :func:`connect` found; None if graphs run in this process."""
    return _process


class InferenceClient:
    """The connection. Thread-safe: requests of several threads follow each other."""

    def __init__(self, address: str) -> None:
        self._connection = _reached(address)
        self._lock = threading.Lock()
        self._late = 0

    def open(self, graph: bytes) -> RemoteGraph:
        """A graph, which is sent unless the process has it; ModelPackageError if it cannot be loaded."""
        key = hashlib.sha256(graph).hexdigest()
        facts = self.ask(("know", key)) or self.ask(("load", graph))
        return RemoteGraph(self, key, facts)

    def ask(self, request: tuple[Any, ...], timeout_s: float | None = None) -> Any:
        """The answer to a request.

        Raises
        ------
        TimeoutError
            There was none within ``timeout_s``.
        ModelPackageError
            The process refused; the message is its own.
        """
        with self._lock:
            try:
                while self._late:
                    self._connection.recv_bytes(MAX_ANSWER_BYTES)
                    self._late -= 1
                self._connection.send_bytes(write_answer(request))
                if not self._connection.poll(timeout_s):
                    self._late += 1
                    raise TimeoutError(f"the graph did not answer within {timeout_s:g} s")
                answer, reason = read_answer(self._connection.recv_bytes(MAX_ANSWER_BYTES))
            except (EOFError, ConnectionError):
                log.warning("the inference process ended; this worker is replaced")
                os._exit(HELPER_LOST)  # the image is judged again by another worker
        if reason:
            raise ModelPackageError(reason)
        return answer


class RemoteGraph:
    """A graph in the inference process."""

    def __init__(self, process: InferenceClient, key: str, facts: GraphFacts) -> None:
        self._process, self._key, self.facts = process, key, facts

    def run(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[np.float32]], timeout_s: float | None,
        *, gives_back: bool,
    ) -> Sequence[NDArray[np.float32]]:  # fmt: skip
        """See :class:`miqa_node.stages.assess.graph.RunnableGraph`. The memory is not this process's."""
        del gives_back
        values: Sequence[NDArray[np.float32]] = self._process.ask(
            ("run", self._key, tuple(outputs), dict(inputs)), timeout_s
        )
        return values


def _reached(address: str) -> Connection:
    until = time.monotonic() + START_LIMIT_S
    while True:
        try:
            return Client(address, "AF_UNIX", authkey=bytes(current_process().authkey))
        except (OSError, EOFError):
            if time.monotonic() > until:
                raise
            time.sleep(PAUSE_S)
