"""``tune`` on a node's store: try limits, look, confirm, list, withdraw, and let rooms learn anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmwrite

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.room import Place, RoomState
from miqa_node.core.domain.verdict import Verdict
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.runtime.site_records import rooms
from miqa_node.runtime.store.object_keys import original_key
from tests.interfaces.cli.conftest import Ran
from tests.stages.assess.making import chest_dataset
from tests.web.staging import Stage

NOISE = FindingName("noise")
ROOM = Place("quality", "CHEST", "ROOM1", "PA")


@pytest.fixture
def judged(stage: Stage) -> Stage:
    for number in range(45):
        stage.add(number, Verdict.REVIEW if number < 9 else Verdict.ACCEPT, NOISE)
    return stage


def test_nothing_changes_until_somebody_confirms(cli: Callable[..., Ran], data_dir: Path, judged: Stage) -> None:
    at = ("--data-dir", data_dir)
    made = cli("tune", "--limit", "noise=0.7", "--keep", "--quick", *at)
    assert made.code == Exit.OK
    assert "set 1: of 45 images 0 would be flagged (0.0%, budget 0.0%)" in made.out
    assert "Nothing has changed" in made.out
    assert made.out.endswith("tune --confirm 1 --as NAME\n")
    assert [one["in_force"] for one in cli("tune", "--json", *at).json] == [False]

    shown = cli("tune", "--show", 1, "--json", *at).json
    noise = next(one for one in shown["proposal"]["limits"] if one["limit"]["finding"] == NOISE)
    assert (noise["images"], noise["present"]) == (45, 9)
    assert noise["nearest"][0]["digest"]
    assert shown["confirmed_at"] is None

    confirm = ("tune", "--confirm", 1, "--as", "mara", "--comment", "week 1", *at)
    assert "confirmed by mara" in cli(*confirm).out
    [limit_set] = cli("tune", "--json", *at).json
    assert (limit_set["in_force"], limit_set["actor"], limit_set["comment"]) == (True, "mara", "week 1")
    assert cli(*confirm, "--second-look").code == Exit.CONFLICT
    assert cli("tune", "--withdraw", "--as", "mara", *at).code == Exit.OK
    assert "withdrawal" in cli("tune", *at).out


@pytest.mark.parametrize("budget", ["8%", "0", "much"])
def test_the_budget_of_a_node_is_a_setting(cli: Callable[..., Ran], data_dir: Path, stage: Stage, budget: str) -> None:
    refused = cli("tune", "--budget", budget, "--data-dir", data_dir)
    assert refused.code == Exit.USAGE
    text = " ".join(refused.err.replace("│", " ").split())
    assert "the budget of a node is the setting policy.room_budget" in text
    assert "--learn" in text


def test_rooms_learn_anew_unless_they_learn_nothing(
    cli: Callable[..., Ran], data_dir: Path, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    with stage.services.database.begin() as transaction:
        rooms.begin(transaction, ROOM, now)
        before = rooms.every(transaction)[0]
        rooms.change(transaction, before, replace(before, state=RoomState.CONFIRMED))
    learn = ("tune", "--learn", "--as", "mara", "--data-dir", data_dir)
    refused = cli(*learn)
    assert refused.code == Exit.USAGE
    assert "policy.learn_images is 0" in refused.err
    monkeypatch.setenv("MIQA_POLICY__LEARN_IMAGES", "50")
    for _ in range(2):
        learns = cli(*learn)
        assert learns.code == Exit.OK
        assert "expired" in learns.out
        assert "its limits stay until it has learned anew" in learns.out


def test_too_few_images_and_unknown_sets_are_named(cli: Callable[..., Ran], data_dir: Path, stage: Stage) -> None:
    stage.add(1)
    few = cli("tune", "--limit", "noise=0.5", "--data-dir", data_dir)
    assert few.code == Exit.CONFLICT
    assert "needs 40" in few.err
    assert cli("tune", "--confirm", 7, "--as", "mara", "--data-dir", data_dir).code == Exit.NOT_FOUND


@pytest.mark.parametrize(
    ("limit", "word"),
    [("noise", "with a strength"), ("noise=2", "with a strength"), ("noize=0.5", "did you mean noise?")],
)
def test_a_limit_that_is_none_is_named(
    cli: Callable[..., Ran], data_dir: Path, stage: Stage, limit: str, word: str
) -> None:
    wrong = cli("tune", "--limit", limit, "--data-dir", data_dir)
    assert wrong.code == Exit.USAGE
    assert word in " ".join(wrong.err.replace("│", " ").split())


@pytest.mark.more
def test_limits_of_ones_own_are_tried_and_kept(cli: Callable[..., Ran], data_dir: Path, judged: Stage) -> None:
    at = ("--data-dir", data_dir)
    tried = cli("tune", "--limit", "noise=0.3", *at)
    assert tried.code == Exit.OK
    assert "a trial: of 45 images" in tried.out
    assert "+noise, all other rooms: 0.30" in tried.out
    assert "Nothing was kept" in tried.out
    assert cli("tune", "--json", *at).json == []

    assert "set 1:" in cli("tune", "--limit", "noise=0.3", "--keep", *at).out
    changed = cli("tune", "--show", 1, "--limit", "noise:ROOM9:AP=0.9", "--keep", "--json", *at).json
    places = {(one["limit"]["room"], one["limit"]["least_strength"]) for one in changed["proposal"]["limits"]}
    assert (changed["number"], places) == (2, {("", 0.3), ("ROOM9", 0.9)})
    confirm = ("tune", "--confirm", 2, "--as", "mara", "--comment", "by hand", *at)
    assert "confirmed by mara" in cli(*confirm, "--second-look").out
    assert "-noise, ROOM9, AP: 0.90" in cli("tune", "--limit", "noise=0.3", *at).out


@pytest.mark.more
def test_simulated_defects_on_own_originals_are_counted(
    cli: Callable[..., Ran], data_dir: Path, judged: Stage, tmp_path: Path
) -> None:
    """Originals of some images lie in the store; the packages that ship judge them with defects."""
    for number in range(20, 32):
        _, digest = judged.add(100 + number, Verdict.ACCEPT, NOISE)
        judged.services.objects.put(original_key(digest), chest(number))
    at = ("--data-dir", data_dir)
    made = cli("tune", "--limit", "noise:ROOM1:PA=0.5", "--keep", "--quick", "--json", *at).json
    assert {one["simulated"] for one in made["proposal"]["limits"]} == {None}
    tried = cli("tune", "--simulate", made["number"], "--json", *at).json
    noise = [one for one in tried["proposal"]["limits"] if one["limit"]["finding"] == NOISE and one["limit"]["room"]]
    assert [(one["simulated"] > 0, one["found"] is not None) for one in noise] == [(True, True)]
    shown = cli("tune", "--show", made["number"], *at).out
    assert "Simulated defects on own images" in shown


def chest(number: int) -> bytes:
    """Smooth, so that simulated noise can be seen."""
    dataset, y = chest_dataset(number), np.linspace(-1, 1, 120)[:, None]
    x = np.linspace(-1, 1, 96)[None]
    dataset.PixelData = (3000 * np.exp(-2 * x**2 - y**2) + 300).astype(np.uint16).tobytes()
    file = BytesIO()
    dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()


@pytest.mark.more
def test_without_originals_nothing_is_said_about_the_second_side(
    cli: Callable[..., Ran], data_dir: Path, judged: Stage
) -> None:
    at = ("--data-dir", data_dir)
    assert "Not simulated: miqa-node tune --simulate 1" in cli("tune", "--limit", "noise=0.5", "--keep", *at).out
    assert (
        "Not simulated: miqa-node tune --simulate 2"
        in cli("tune", "--limit", "noise=0.5", "--keep", "--quick", *at).out
    )
    assert cli("tune", "--simulate", 99, *at).code == Exit.NOT_FOUND
