"""The inference process: loads graphs for workers and runs their images together."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import AuthenticationError, current_process
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from miqa_node.core.observe.steady_thread import start_brief_thread
from miqa_node.core.settings import Settings
from miqa_node.errors import MiqaError, ModelPackageError
from miqa_node.runtime.workers.answers import MAX_ANSWER_BYTES, ForbiddenAnswerError, read_answer, write_answer
from miqa_node.stages.assess.graph import GraphFacts
from miqa_node.stages.assess.inference.batches import Array, Arrays, Batches
from miqa_node.stages.assess.session import CPU_PROVIDER, facts_of, open_graph

if TYPE_CHECKING:
    import onnxruntime as ort

log = structlog.get_logger(__name__)

MOST_GRAPHS = 64
"""Of one worker: more than all packages of a node with their explanations have, also after some changes."""
LOOK_S = 1.0
BATCH_WAIT_S = 0.002
"""So long an image waits for others while the device is idle."""
FAILURES_IN_A_ROW = 8
"""After as many failed runs without a success the process ends and another is started: a GPU does not recover from
some errors within one."""


def serve(address: str, settings: Settings, owner: Connection) -> None:
    """Answer workers until the owner's end of ``owner`` is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    graphs = _Graphs(settings)
    start_brief_thread("watch", partial(_watch, owner, graphs, settings.work.timeout_s))
    Path(address).unlink(missing_ok=True)
    with Listener(address, "AF_UNIX", backlog=64, authkey=bytes(current_process().authkey)) as listener:
        while True:
            try:
                worker = listener.accept()
            except (AuthenticationError, EOFError, ConnectionError):  # no worker of this node, or one that died
                continue
            start_brief_thread("worker", partial(_attend, worker, graphs))


def bound_run(session: ort.InferenceSession, outputs: Sequence[str], inputs: Arrays) -> Sequence[Array]:
    """Run a graph with inputs and outputs bound to the memory of its provider's device."""
    import onnxruntime as ort  # noqa: PLC0415 - only processes that run graphs load it

    device = "cpu" if session.get_providers()[0] == CPU_PROVIDER else "cuda"
    binding = session.io_binding()
    for name, array in inputs.items():
        binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array, device, 0))
    for name in outputs:
        binding.bind_output(name, device)
    session.run_with_iobinding(binding)
    values: Sequence[Array] = binding.copy_outputs_to_cpu()
    return values


@dataclass(frozen=True, slots=True, weakref_slot=True)
class _Graph:
    facts: GraphFacts
    batches: Batches


_Opened = dict[str, _Graph]
"""The graphs that one worker opened, by the SHA-256 of their files."""


class _Graphs:
    """The loaded graphs: each as long as a worker is connected that opened it."""

    def __init__(self, settings: Settings) -> None:
        self._accelerator, self._assess = settings.node.accelerator, settings.assess
        self._graphs: weakref.WeakValueDictionary[str, _Graph] = weakref.WeakValueDictionary()
        self._loading, self._failures = threading.Lock(), 0
        # A GPU takes one run at a time, a CPU one for each core.
        self._gpu, self._cores = threading.Lock(), threading.BoundedSemaphore(settings.work.worker_processes)
        self._runs: dict[int, float] = {}

    def busy_s(self) -> float:
        """How long the oldest run has taken so far; 0 if there is none."""
        now = time.monotonic()
        return now - min(list(self._runs.values()), default=now)

    def answer(self, request: Any, opened: _Opened) -> Any:
        """The answer to a request of :mod:`~miqa_node.stages.assess.inference.client`; ModelPackageError refuses it."""
        match request:
            case ("know", str(key)):
                return self._open(key, None, opened)
            case ("load", bytes(data)):
                return self._open(hashlib.sha256(data).hexdigest(), data, opened)
            case ("run", str(key), tuple(outputs), dict(inputs)) if key in opened:
                return self._run(opened[key].batches, outputs, inputs)
        raise ModelPackageError("The inference process does not know this request.")

    def _open(self, key: str, data: bytes | None, opened: _Opened) -> GraphFacts | None:
        """The facts of a graph that now counts as opened; None if it would have to be sent."""
        with self._loading:
            graph = self._graphs.get(key)
            if graph is None and data is None:
                return None
            if len(opened) >= MOST_GRAPHS:
                raise ModelPackageError("A worker has opened {most_graphs} graphs already.", most_graphs=MOST_GRAPHS)
            self._graphs[key] = opened[key] = graph = graph or self._loaded(data or b"")
            return graph.facts

    def _loaded(self, data: bytes) -> _Graph:
        assess = self._assess
        session = open_graph(data, self._accelerator, (assess.intra_op_threads, 1), is_for_one=False)
        facts = facts_of(session)
        most = assess.batch_size if facts.takes_any_number else 1

        def run(outputs: Sequence[str], inputs: Arrays) -> Sequence[Array]:
            self._runs[threading.get_ident()] = time.monotonic()
            try:
                return bound_run(session, outputs, inputs)
            finally:
                del self._runs[threading.get_ident()]

        device = self._cores if facts.provider == CPU_PROVIDER else self._gpu
        return _Graph(facts, Batches(run, device, most=most, wait_s=BATCH_WAIT_S))

    def _run(self, batches: Batches, outputs: Sequence[str], inputs: Arrays) -> Sequence[Array]:
        try:
            values = batches.run(outputs, inputs)
        except Exception as error:
            self._failures += 1
            if self._failures >= FAILURES_IN_A_ROW:
                log.error("the inference process ends, to be started again", reason=type(error).__name__)
                os._exit(1)
            raise
        self._failures = 0
        return values


def _attend(worker: Connection, graphs: _Graphs) -> None:
    """Answer one worker until it disconnects or sends a malformed message."""
    opened: _Opened = {}
    with worker:
        while True:
            try:
                request = read_answer(worker.recv_bytes(MAX_ANSWER_BYTES))
            except (EOFError, OSError, ForbiddenAnswerError):
                return
            try:
                answer: tuple[Any, str] = graphs.answer(request, opened), ""
            except MiqaError as error:
                answer = None, str(error)
            except Exception as error:  # noqa: BLE001 - the runtime's exceptions share no narrower base class
                answer = None, f"The inference process could not run the graph ({type(error).__name__})."
            try:
                worker.send_bytes(write_answer(answer))
            except OSError:
                return


def _watch(owner: Connection, graphs: _Graphs, limit_s: float) -> None:
    """End this process with its owner, or when a run hangs: nothing else ends what waits for a device."""
    with suppress(OSError):
        while not owner.poll(LOOK_S):
            if graphs.busy_s() > limit_s:
                log.error("the inference process ends, to be started again", reason=f"a run took {limit_s:g} s")
                os._exit(1)
    os._exit(0)
