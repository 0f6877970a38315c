# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""What strangers send is not read, and what others upload has a place and a quota of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa

from miqa_node.core.domain.access import Permission, Role
from miqa_node.core.settings import load_settings
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.server import WebServer
from miqa_node.interfaces.web.services import WebServices
from miqa_node.local import LocalResult
from miqa_node.stages.receive.intake import Intake
from tests.interfaces.dicomweb.test_stow import TYPE, body, sample
from tests.interfaces.web.test_connections import rest, send, sockets
from tests.interfaces.web.test_web_gate import FORM, STALLED, Open, head, open_node, status
from tests.waiting import wait_until
from tests.web.people import add_account, add_token
from tests.web.staging import Stage


def test_after_a_refusal_a_sender_cannot_go_on_for_ever(stage: Stage, open_node: Open, sockets: ExitStack) -> None:
    add_account(stage, "mara", Role.ADMIN)
    port, _ = open_node(header_timeout_s=1.0)
    connection = send(port, sockets, head("/predict", FORM, 500_000_000))

    assert status(rest(connection)) == 401  # and then the end


def test_a_stalled_upload_ends(open_node: Open, sockets: ExitStack) -> None:
    port, services = open_node(stall_timeout_s=1.0)

    assert rest(send(port, sockets, STALLED)) == b""
    assert wait_until(lambda: services.storing.taken == 0)
