"""``silence`` on a node's store: which body parts are silent, and the end for one of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from miqa_node.interfaces.cli.exits import Exit
from miqa_node.runtime.site_records import site_limits
from tests.interfaces.cli.conftest import Ran
from tests.web.staging import Stage


@pytest.fixture
def parts(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Chests for a year, knees for a day."""
    monkeypatch.setenv("MIQA_POLICY__SILENT_DAYS", "7")
    with stage.services.database.begin() as transaction:
        for part, days in (("CHEST", 365), ("KNEE", 1)):
            site_limits.begin_part(transaction, part, datetime.now(UTC) - timedelta(days=days))
    return stage


def test_silent_parts_are_listed_and_one_is_ended(cli: Callable[..., Ran], data_dir: Path, parts: Stage) -> None:
    at = ("--data-dir", data_dir)
    before = {one["start"]["body_part"]: one["silent_until"] for one in cli("silence", "--json", *at).json}
    assert before["CHEST"] is None
    assert before["KNEE"] is not None
    after = cli("silence", "--end", "Knie", "--as", "mara", "--comment", "looked at 50", *at)
    assert after.code == Exit.OK
    [line] = [line for line in after.out.splitlines() if "KNEE" in line]
    assert "mara" in line
    assert "looked at 50" in line
    assert "until" not in line
    assert cli("silence", "--end", "KNEE", "--as", "mara", *at).code == Exit.CONFLICT
    assert cli("silence", "--end", "KNEEE", "--as", "mara", *at).code == Exit.NOT_FOUND
    assert cli("silence", "--end", "unknown", "--as", "mara", *at).code == Exit.OK
    again = cli("silence", "--end", "unknown", "--as", "mara", *at)
    assert again.code == Exit.CONFLICT
    assert "The silent days of images without a known body part were ended already." in again.err


def test_without_silent_days_nothing_is_silent(
    cli: Callable[..., Ran], data_dir: Path, parts: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MIQA_POLICY__SILENT_DAYS")
    assert "No body part is silent" in cli("silence", "--data-dir", data_dir).out
