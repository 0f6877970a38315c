# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Pages of other distributions: in the bar, behind sign-in, with templates and files of their own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from miqa_node import plugins
from miqa_node.core.domain.access import Role
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.page import PAGES
from tests.interfaces.web.test_plugin_pages import client
from tests.web.people import ORIGIN, add_account
from tests.web.staging import Stage


def test_it_asks_for_its_permission_and_for_a_form_of_this_node(stage: Stage, client: TestClient) -> None:
    assert client.post("/dose", headers=ORIGIN, data={"x": "1"}).status_code == 403
    add_account(stage, "ada", Role.ADMIN)

    assert client.get("/dose", headers={"accept": "application/json"}).status_code == 401
