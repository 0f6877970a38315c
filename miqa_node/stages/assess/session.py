"""ONNX Runtime sessions: selects and checks the provider that runs a graph, and reloads a failing graph."""

from __future__ import annotations

import hashlib
import sys
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import structlog
from numpy.typing import NDArray

from miqa_node.core.settings import Accelerator, AssessSettings
from miqa_node.errors import InferenceError, ModelPackageError, SettingsError
from miqa_node.stages.assess.blocked import in_whole_blocks
from miqa_node.stages.assess.graph import IMAGES, GraphFacts, RunnableGraph
from miqa_node.stages.assess.inference.client import inference_process

if TYPE_CHECKING:
    import onnxruntime as ort

log = structlog.get_logger(__name__)

FAILURES_IN_A_ROW = 3
"""After this many failures in a row a session counts as broken, and the graph is loaded again."""
GPU_PROVIDER = "CUDAExecutionProvider"
CPU_PROVIDER = "CPUExecutionProvider"
PROVIDER_OPTIONS = {
    # Without a search by trial, which each new number of images in a run would start; in full single precision.
    GPU_PROVIDER: {"device_id": "0", "cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"},
}


_sessions: weakref.WeakSet[GraphSession] = weakref.WeakSet()
"""All sessions in use in this process."""


class GraphSession:
    """One graph on one provider; ``run`` may be called from several threads.

    In a worker of a node that has an inference process the graph runs there.
    """

    def __init__(
        self, model: Path | bytes, accelerator: Accelerator, *, intra_op_threads: int, inter_op_threads: int
    ) -> None:
        self._model, self._accelerator, self._threads = model, accelerator, (intra_op_threads, inter_op_threads)
        self.name: str = "" if isinstance(model, bytes) else f"{model.parent.name}/{model.name}"
        """Folder and file of the graph; empty for a graph in memory."""
        self._failures, self._failure = 0, ""
        self._graph = self._load()
        facts = self._graph.facts
        self.provider: str = facts.provider
        self._is_rehearsing = False
        self._sha256 = "" if isinstance(model, bytes) else _sha256_of(model)
        self.inputs, self.outputs = facts.inputs, facts.outputs
        self.channels, self.metadata = facts.channels, facts.metadata
        _sessions.add(self)

    @classmethod
    def of(cls, model: Path | bytes, accelerator: Accelerator, settings: AssessSettings) -> GraphSession:
        """The graph with as many threads as the settings give it."""
        return cls(model, accelerator, intra_op_threads=settings.intra_op_threads, inter_op_threads=1)

    @contextmanager
    def rehearsing(self) -> Iterator[None]:
        """In this block a run releases its memory, so a process that waits for its first image uses little."""
        self._is_rehearsing = self.provider == CPU_PROVIDER
        try:
            yield
        finally:
            self._is_rehearsing = False

    def run(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[np.float32]], timeout_s: float | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """Run the graph; the named outputs as arrays.

        TimeoutError if it takes longer than ``timeout_s``; the graph then stops at its next node.
        """
        try:
            values = self._graph.run(outputs, inputs, timeout_s, gives_back=self._is_rehearsing)
        except TimeoutError:
            raise
        except Exception as error:
            self._failures, self._failure = self._failures + 1, type(error).__name__
            raise
        self._failures = 0
        return dict(zip(outputs, values, strict=True))

    def trouble(self) -> str:
        """Why the session counts as broken; empty if it works."""
        if self._failures < FAILURES_IN_A_ROW:
            return ""
        return f"The model session {self.name} failed {self._failures} times in a row ({self._failure})."

    def reload(self) -> None:
        """Load the checked graph again; runs in progress finish on the old session.

        ModelPackageError if it cannot be loaded, or if the file has changed.
        """
        if not isinstance(self._model, bytes) and _sha256_of(self._model) != self._sha256:
            raise ModelPackageError(
                "{name} was changed while it was in use: activate the package again.", name=self.name
            )
        self._graph = self._load()
        self._failures = 0
        log.warning("a model session was loaded again", session=self.name, failure=self._failure)

    def _load(self) -> RunnableGraph:
        model = self._model
        if (process := inference_process()) is not None:
            return process.open(model if isinstance(model, bytes) else model.read_bytes())
        return LocalGraph(open_graph(model, self._accelerator, self._threads))


class LocalGraph:
    """A graph in a session of this process."""

    def __init__(self, session: ort.InferenceSession) -> None:
        self._session = session
        self.facts = facts_of(session)

    def run(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[np.float32]], timeout_s: float | None,
        *, gives_back: bool,
    ) -> Sequence[NDArray[np.float32]]:  # fmt: skip
        """See :meth:`RunnableGraph.run`."""
        if timeout_s is not None:
            return self._run_within(outputs, inputs, timeout_s)
        values: Sequence[NDArray[np.float32]] = self._session.run(
            list(outputs), dict(inputs), _giving_back() if gives_back else None
        )
        return values

    def _run_within(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[np.float32]], timeout_s: float
    ) -> list[NDArray[np.float32]]:
        import onnxruntime as ort  # noqa: PLC0415 - only processes that run graphs load it

        options, late = ort.RunOptions(), threading.Event()

        def stop() -> None:
            late.set()
            options.terminate = True

        timer = threading.Timer(timeout_s, stop)
        timer.daemon = True
        timer.start()
        try:
            values: list[NDArray[np.float32]] = self._session.run(list(outputs), dict(inputs), options)
        except Exception as error:
            if late.is_set():
                raise TimeoutError(f"the graph was stopped after {timeout_s:g} s") from error
            raise
        finally:
            timer.cancel()
        return values


def check_finite(name: str, *values: NDArray[np.floating]) -> None:
    """InferenceError if a value that a verdict follows from is not a finite number.

    Every comparison with NaN is false, so nothing would be found, and the image accepted.
    """
    if not all(np.isfinite(some).all() for some in values):
        raise InferenceError("The graph of {name} gave values for the image that are no numbers.", name=name)


class ModelSessions:
    """All sessions of the process, for the health watch: a session that fails repeatedly is loaded again."""

    name = "model-sessions"

    def trouble(self) -> str:
        """The broken sessions, as a sentence; empty if there are none."""
        return " ".join(reason for session in tuple(_sessions) if (reason := session.trouble()))

    def heal(self) -> None:
        """Load the graphs of broken sessions again."""
        for session in tuple(_sessions):
            if session.trouble():
                session.reload()


def open_graph(
    model: Path | bytes, accelerator: Accelerator, threads: tuple[int, int], *, is_for_one: bool = True
) -> ort.InferenceSession:
    """A session of a graph, with ``threads`` (within and between operators), for one image at a time or any number.

    Raises
    ------
    ModelPackageError
        The runtime cannot load the graph.
    SettingsError
        The settings require a GPU and none works.
    """
    import onnxruntime as ort  # noqa: PLC0415 - only processes that run graphs load it

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads
    # Spinning threads would take the cores from decoding and receiving.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    if is_for_one:
        options.add_free_dimension_override_by_name(IMAGES, 1)
    providers = _providers(accelerator)
    if GPU_PROVIDER in providers:
        _load_cuda()
    graph = (in_whole_blocks(model) if providers == [CPU_PROVIDER] else None) or model
    try:
        session = ort.InferenceSession(
            graph if isinstance(graph, bytes) else str(graph),
            options,
            providers=providers,
            provider_options=[PROVIDER_OPTIONS.get(name, {}) for name in providers],
        )
    except Exception as error:  # the runtime's exceptions share no narrower base class
        raise ModelPackageError("ONNX Runtime cannot load the graph: {error}", error=error) from error
    # The runtime would keep the bytes of the graph, for a fallback to other providers that a node does not use.
    setattr(session, "_model_bytes", None)  # noqa: B010
    if accelerator is Accelerator.GPU and session.get_providers()[0] != GPU_PROVIDER:
        # The runtime silently falls back to the CPU if CUDA's libraries do not load.
        raise SettingsError(gpu_missing())
    return session


def facts_of(session: ort.InferenceSession) -> GraphFacts:
    """The facts that a session knows about its graph."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    return GraphFacts(
        tuple(one.name for one in inputs),
        tuple(one.name for one in outputs),
        {one.name: one.shape[1] for one in outputs if len(one.shape) == 4 and isinstance(one.shape[1], int)},
        dict(session.get_modelmeta().custom_metadata_map),
        session.get_providers()[0],
        # An input with several rows for an image is called "N*…".
        all(str(one.shape[0]).partition("*")[0] == IMAGES for one in (*inputs, *outputs) if one.shape),
    )


def _giving_back() -> ort.RunOptions:
    import onnxruntime as ort  # noqa: PLC0415 - only processes that run graphs load it

    options = ort.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def available_provider(accelerator: Accelerator) -> str:
    """The provider that a session would get.

    Raises
    ------
    SettingsError
        The settings require a GPU and the installed ONNX Runtime has no provider for one.
    """
    providers = _providers(accelerator)
    return providers[0]


def gpu_missing() -> str:
    """The advice if a GPU is required but not available."""
    return (
        'node.accelerator is "gpu", but ONNX Runtime has no usable CUDA provider here. Install the extra [gpu] '
        '(make setup ACCEL=gpu), check the driver with nvidia-smi, or set node.accelerator to "auto" or "cpu".'
    )


def _sha256_of(file: Path) -> str:
    with file.open("rb") as graph:
        return hashlib.file_digest(graph, "sha256").hexdigest()


def _providers(accelerator: Accelerator) -> list[str]:
    has_gpu = _is_built_for_gpu() and _offers_gpu()
    if accelerator is Accelerator.CPU or (accelerator is Accelerator.AUTO and not has_gpu):
        return [CPU_PROVIDER]
    if not has_gpu:
        raise SettingsError(gpu_missing())
    return [GPU_PROVIDER, CPU_PROVIDER]


def _is_built_for_gpu() -> bool:
    """Whether ONNX Runtime has the library of its CUDA provider; the node's own process need not load it to know."""
    spec = find_spec("onnxruntime")
    folders = spec.submodule_search_locations if spec is not None else None
    return any(any(Path(folder, "capi").glob("*onnxruntime_providers_cuda*")) for folder in folders or ())


@cache
def _load_cuda() -> None:
    """Load CUDA and cuDNN from the Python packages of the extra ``gpu``: by itself the runtime seeks only the system's.

    What it says of missing libraries goes to standard error: standard output may be JSON for a program.
    """
    import onnxruntime as ort  # noqa: PLC0415 - only processes that run graphs load it

    with redirect_stdout(sys.stderr):
        ort.preload_dlls()


def _offers_gpu() -> bool:
    import onnxruntime as ort  # noqa: PLC0415 - only processes that run graphs load it

    return GPU_PROVIDER in ort.get_available_providers()
