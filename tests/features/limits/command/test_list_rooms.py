"""``rooms`` lists what is told of each, until somebody has seen it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from miqa_node.interfaces.cli.exits import Exit
from tests.features.limits.test_rooms import HARD, LIKE, RULE, Site
from tests.interfaces.cli.conftest import Ran
from tests.policies import ACCEPT, policy_of
from tests.web.staging import Stage


def test_what_is_told_of_a_room_is_listed_until_it_is_seen(
    cli: Callable[..., Ran], data_dir: Path, stage: Stage
) -> None:
    site, at = Site(stage.services.database, policy_of(ACCEPT, RULE, HARD)), ("--data-dir", data_dir)
    site.judge_all(LIKE)
    site.look(times=4)
    assert "CHEST, ROOM1, PA: most images show Noisy. Check dose" in cli("rooms", *at).out
    [room] = cli("rooms", "--json", *at).json
    assert room["whole"]["told"] == ["noise"]
    assert len({one["sop_instance_uid"] for one in room["examples"]}) == 6
    assert cli("rooms", "--seen", "ROOM9", "--as", "mara", *at).code == Exit.NOT_FOUND
    assert "most images show" not in cli("rooms", "--seen", "ROOM1", "--as", "mara", *at).out
    [room] = cli("rooms", "--json", *at).json
    assert room["whole"]["seen"] == ["noise"]
