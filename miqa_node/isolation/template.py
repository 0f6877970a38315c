"""Loads the models once, in the process from which all workers of a node are forked: they share that memory.

The fork server does this before it forks (:mod:`miqa_node.isolation.loaded`). An environment variable has its settings,
without secrets. Nothing that starts threads or uses a GPU is loaded here: that does not survive a fork, so each worker
loads it itself.
"""

from __future__ import annotations

import os

import structlog

from miqa_node.core.observe.log import set_up_logging
from miqa_node.core.settings import Settings
from miqa_node.errors import MiqaError
from miqa_node.isolation import tasks
from miqa_node.isolation.early import LOGS_VARIABLE, OWNER_VARIABLE, VARIABLE
from miqa_node.isolation.inference import has_inference_process
from miqa_node.runtime.store import documents
from miqa_node.runtime.workers.child import use_one_thread
from miqa_node.stages.assess.session import CPU_PROVIDER, available_provider


def load_announced() -> None:
    """Load the announced models into this process, a fork server."""
    text = os.environ.get(VARIABLE)
    if not text or os.environ.get(OWNER_VARIABLE) != str(os.getppid()):  # no worker needs it, or the node was killed
        return
    use_one_thread()  # a child would wait forever for threads that do not survive the fork
    settings = Settings.model_validate_json(text)
    if os.environ.get(LOGS_VARIABLE):
        set_up_logging(settings.log, node=settings.node.name)
    documents.prepare()
    try:
        is_plain = available_provider(settings.node.accelerator) == CPU_PROVIDER
        if is_plain and not has_inference_process(settings) and settings.assess.intra_op_threads == 1:
            tasks.load_models(settings)
    except MiqaError as error:  # each worker gets the same error, and reports it
        structlog.get_logger(__name__).debug("models are not shared", reason=str(error))
