"""Days at the ends of Python's calendar are wrong words on the command line, and no fault of the program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from miqa_node.interfaces.cli.exits import Exit
from tests.interfaces.cli.conftest import Ran
from tests.web.staging import Stage


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "999999d"])
def test_a_moment_outside_the_calendar_is_refused_in_words(cli: Callable[..., Ran], data_dir: Path, day: str) -> None:
    ran = cli("worklist", "list", "--since", day, "--data-dir", data_dir)

    assert ran.code == Exit.USAGE
    assert f"{day} is not from 1900-01-01 to 2999-12-31" in ran.err


def test_a_day_outside_the_calendar_is_refused_in_words(cli: Callable[..., Ran], data_dir: Path) -> None:
    ran = cli("analysis", "export", "images", "--until", "9999-12-31", "--data-dir", data_dir)

    assert ran.code == Exit.USAGE
    assert "9999-12-31 is not from 1900-01-01 to 2999-12-31" in ran.err


def test_a_month_before_the_calendar_is_no_month(cli: Callable[..., Ran], stage: Stage) -> None:
    folder = stage.services.settings.node.data_dir
    ran = cli("analysis", "model", "--month", "0001-01", "--data-dir", folder)

    assert ran.code == Exit.USAGE
    assert "is not a month" in ran.err
