"""Deliveries on the command line: the same objects and actions as over REST."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.web.app import create_app
from tests.interfaces.cli.conftest import Ran
from tests.web.staging import Stage


def test_json_is_that_of_the_rest_interface(cli: Callable[..., Ran], stage: Stage, data_dir: Path) -> None:
    stage.add(1)
    rest = TestClient(create_app(stage.services), base_url="http://localhost", client=("127.0.0.1", 1))
    listed = cli("deliveries", "list", "--json", "--data-dir", data_dir)
    assert listed.json["items"] == rest.get("/api/v1/deliveries").json()["items"]
    shown = cli("deliveries", "show", "1", "--json", "--data-dir", data_dir).json
    assert shown["events"] == []
    assert shown["delivery_id"] == 1


def test_everything_is_never_meant_by_saying_nothing(cli: Callable[..., Ran], stage: Stage, data_dir: Path) -> None:
    stage.add(1)
    for words in ((), ("1", "--destination", "PACS")):
        ran = cli("deliveries", "cancel", *words, "--data-dir", data_dir)
        assert ran.code == Exit.USAGE
        assert "give numbers of deliveries" in ran.err
    assert cli("deliveries", "show", "77", "--data-dir", data_dir).code == Exit.NOT_FOUND


@pytest.mark.more
def test_a_person_acts_on_one_and_on_many(cli: Callable[..., Ran], stage: Stage, data_dir: Path) -> None:
    for number in (1, 2, 3):
        stage.add(number)
    at = ("--data-dir", data_dir, "--as", "anna")
    assert cli("deliveries", "hold", "1", "--comment", "moving", *at).out == "HELD 1 delivery\n"
    assert cli("deliveries", "hold", "--destination", "PACS", *at, "--json").json["deliveries"] == 2
    assert cli("deliveries", "hold", "1", *at).code == Exit.CONFLICT
    assert cli("deliveries", "list", "--state", "held", *at[:2]).out.count("HELD") == 3
    assert cli("deliveries", "release", "--state", "HELD", *at).out == "QUEUED 3 deliveries\n"
    assert cli("deliveries", "cancel", "2", *at).out == "CANCELLED 1 delivery\n"
    assert cli("deliveries", "resend", "2", *at).out == "QUEUED 1 delivery\n"
    assert "hold by anna: “moving”" in cli("deliveries", "show", "1", *at[:2]).out
