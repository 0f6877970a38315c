"""Starts the process from which workers are forked before the node itself is loaded: both load at the same time.

Imports nothing that takes long.
"""

from __future__ import annotations

import os

from miqa_node.core.process import start_fork_server
from miqa_node.core.settings import Settings

LOADER = "miqa_node.isolation.loaded"
VARIABLE, LOGS_VARIABLE = "NODE_FORK_SERVER_SETTINGS", "NODE_FORK_SERVER_LOGS"
OWNER_VARIABLE = "NODE_FORK_SERVER_OWNER"


def announce(settings: Settings, *, logs: bool) -> None:
    """Let fork servers that this process starts from now on load the models of these settings."""
    os.environ[VARIABLE] = settings.model_dump_json()
    os.environ[LOGS_VARIABLE] = "1" if logs else ""
    os.environ[OWNER_VARIABLE] = str(os.getpid())


def start_loading(settings: Settings) -> None:
    """Let the fork server load the models now, and return at once."""
    announce(settings, logs=True)
    start_fork_server([LOADER])
