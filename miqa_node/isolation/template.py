"""Loads the models once, in the process that all workers of a node are forked from: they share that memory.

The fork server does so before it forks (:mod:`miqa_node.isolation.loaded`). Its settings come by an environment
variable, without their secrets. Nothing that starts threads, or uses a GPU, is loaded here: that does not live through
a fork, so each worker loads it for itself.
"""

from __future__ import annotations

import gc
import os

import structlog

from miqa_node.assess.session import CPU_PROVIDER, available_provider
from miqa_node.errors import MiqaError
from miqa_node.imaging.child import use_one_thread
from miqa_node.isolation import tasks
from miqa_node.observe.log import set_up_logging
from miqa_node.process import give_back_memory
from miqa_node.settings import Settings

VARIABLE, LOGS_VARIABLE = "NODE_FORK_SERVER_SETTINGS", "NODE_FORK_SERVER_LOGS"
OWNER_VARIABLE = "NODE_FORK_SERVER_OWNER"


def announce(settings: Settings, *, logs: bool) -> None:
    """Have the fork servers that this process starts from now on load the models of these settings."""
    os.environ[VARIABLE] = settings.model_dump_json()
    os.environ[LOGS_VARIABLE] = "1" if logs else ""
    os.environ[OWNER_VARIABLE] = str(os.getpid())


def load_announced() -> None:
    """Load what was announced to this process, a fork server."""
    text = os.environ.get(VARIABLE)
    if not text or os.environ.get(OWNER_VARIABLE) != str(os.getppid()):  # nobody needs it, or the node was killed
        return
    use_one_thread()  # a child would wait for ever for threads that it was forked without
    settings = Settings.model_validate_json(text)
    if os.environ.get(LOGS_VARIABLE):
        set_up_logging(settings.log, node=settings.node.name)
    assess = settings.assess
    try:
        if available_provider(settings.node.accelerator) == CPU_PROVIDER and (
            assess.intra_op_threads == assess.inter_op_threads == 1
        ):
            tasks.load_models(settings)
    except MiqaError as error:  # each worker meets it, too, and says what it is
        structlog.get_logger(__name__).debug("models are not shared", reason=str(error))
    gc.collect()
    gc.freeze()
    give_back_memory()
