"""Deliveries on the command line: the same objects and actions as over REST."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from miqa_node.interfaces.cli.exits import Exit
from tests.interfaces.cli.conftest import Ran
from tests.web.staging import Stage


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
