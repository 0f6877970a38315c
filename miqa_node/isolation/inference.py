"""Starts the node's inference process, and starts it again whenever it has ended."""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import structlog

from miqa_node.core.files.held_folder import hold
from miqa_node.core.observe import metrics
from miqa_node.core.observe.steady_thread import SteadyThread
from miqa_node.core.process import start_fork_server
from miqa_node.core.settings import Settings
from miqa_node.errors import MiqaError
from miqa_node.stages.assess.inference.server import serve
from miqa_node.stages.assess.session import GPU_PROVIDER, available_provider

log = structlog.get_logger(__name__)

LOOK_S = 1.0
PAUSE_S = 2.0
"""Before another start, so that a process that cannot live does not keep a core busy."""
EXIT_TIMEOUT_S = 10.0
LONGEST_FOLDER = 70


def has_inference_process(settings: Settings) -> bool:
    """Whether one process runs the models of all workers: as set, and otherwise where there is a GPU."""
    match settings.assess.inference_process:
        case "on" | "off" as chosen:
            return chosen == "on"
    try:
        return available_provider(settings.node.accelerator) == GPU_PROVIDER
    except MiqaError:  # the GPU that is required is not usable: the workers report it
        return False


class InferenceProcess:
    """The process, from :meth:`start` to :meth:`close`. Workers find it at ``address``, also after it was replaced."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        usual = tempfile.gettempdir()
        # The name of a socket has at most 107 bytes.
        parent = usual if len(usual) < LONGEST_FOLDER else "/tmp"  # noqa: S108 - the folder in it is new
        folder = tempfile.mkdtemp(prefix="miqa-inference-", dir=parent)
        self._folder = Path(folder)  # only its owner may enter
        hold(self._folder)
        self.address = str(self._folder / "socket")
        self._context: Any = multiprocessing.get_context("forkserver")
        self._process: Any = None
        self._alive: Any = None
        self.thread = SteadyThread("inference-process", self._keep, stuck_after_s=120.0)

    def start(self) -> None:
        """Start the process, and keep it."""
        self._begin()
        self.thread.start()

    def close(self) -> None:
        """End the process."""
        self.thread.stop(EXIT_TIMEOUT_S)
        if self._process is not None:
            self._process.kill()
            self._process.join(EXIT_TIMEOUT_S)
            self._alive.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _begin(self) -> None:
        theirs, self._alive = self._context.Pipe(duplex=False)
        arguments = (self.address, self._settings, theirs)
        process = self._context.Process(target=serve, args=arguments, name="inference", daemon=True)
        start_fork_server()
        process.start()
        theirs.close()
        self._process = process

    def _keep(self) -> None:
        while self.thread.goes_on(0.0):
            wait([self._process.sentinel], LOOK_S)
            if self.thread.stopping.is_set() or self._process.is_alive():
                continue
            log.error("the inference process ended and is started again", exitcode=self._process.exitcode)
            metrics.WORKER_DEATHS.labels("inference").inc()
            self._alive.close()
            if self.thread.stopping.wait(PAUSE_S):
                return
            try:
                self._begin()
            except (OSError, EOFError) as error:  # the fork server has just died, too; its next start is a new one
                log.warning("the inference process did not start", reason=type(error).__name__)
