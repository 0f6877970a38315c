# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Strangers and silent peers at the DICOM port: they are closed at once, counted and logged, and keep nobody out."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from structlog.testing import capture_logs

from miqa_node.core.observe import metrics
from miqa_node.core.settings import DicomSettings
from miqa_node.stages.receive import admission
from miqa_node.stages.receive.admission import Admission
from miqa_node.stages.receive.pending import PendingConnections
from tests.stages.receive.test_pending import (
    STRANGERS,
    StartNode,
    connect,
    echo,
    is_closed,
    only_127_0_0_1_is_this_host,
    sockets,
)
from tests.stages.receive.test_scp import associate
from tests.stages.receive.wire import Node


@pytest.mark.usefixtures("only_127_0_0_1_is_this_host")
def test_silent_sockets_of_listed_peers_keep_no_modality_out(start_node: StartNode, sockets: ExitStack) -> None:
    node = start_node(acse_timeout_s=60.0, allowed_peers=["*@127.0.0.0/8"])
    silent = [connect(node.port, sockets, STRANGERS[number // 20]) for number in range(60)]

    assert all(echo(node.port) for _ in range(16))
    assert is_closed(silent[0])
