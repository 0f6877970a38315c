"""``tune`` on a node's store: propose, look, confirm, list, withdraw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Verdict
from miqa_node.interfaces.cli.exits import Exit
from tests.interfaces.cli.conftest import Ran
from tests.web.staging import Stage

NOISE = FindingName("noise")


@pytest.fixture
def judged(stage: Stage) -> Stage:
    for number in range(45):
        stage.add(number, Verdict.REVIEW if number < 9 else Verdict.ACCEPT, NOISE)
    return stage


def test_nothing_changes_until_somebody_confirms(cli: Callable[..., Ran], data_dir: Path, judged: Stage) -> None:
    at = ("--data-dir", data_dir)
    made = cli("tune", "--budget", "8%", "--quick", *at)
    assert made.code == Exit.OK
    assert "set 1: of 45 images 0 would be flagged (0.0%, budget 8.0%)" in made.out
    assert "Nothing has changed" in made.out
    assert "tune --confirm 1 --as NAME --second-look" in made.out
    assert [one["in_force"] for one in cli("tune", "--json", *at).json] == [False]

    shown = cli("tune", "--show", 1, "--json", *at).json
    noise = next(one for one in shown["proposal"]["limits"] if one["limit"]["finding"] == NOISE)
    assert (noise["images"], noise["present"]) == (45, 9)
    assert noise["nearest"][0]["digest"]
    assert shown["confirmed_at"] is None

    confirm = ("tune", "--confirm", 1, "--as", "mara", "--comment", "week 1", *at)
    untried = cli(*confirm)
    assert untried.code == Exit.CONFLICT
    assert "--second-look" in untried.err
    assert "confirmed by mara" in cli(*confirm, "--second-look").out
    [limit_set] = cli("tune", "--json", *at).json
    assert (limit_set["in_force"], limit_set["actor"], limit_set["comment"]) == (True, "mara", "week 1")
    assert cli(*confirm, "--second-look").code == Exit.CONFLICT
    assert cli("tune", "--withdraw", "--as", "mara", *at).code == Exit.OK
    assert "withdrawal" in cli("tune", *at).out


@pytest.mark.parametrize("budget", ["0", "60%", "much"])
def test_a_budget_is_a_share(cli: Callable[..., Ran], data_dir: Path, stage: Stage, budget: str) -> None:
    assert cli("tune", "--budget", budget, "--data-dir", data_dir).code == Exit.USAGE


def test_too_few_images_and_unknown_sets_are_named(cli: Callable[..., Ran], data_dir: Path, stage: Stage) -> None:
    stage.add(1)
    few = cli("tune", "--budget", "0.08", "--data-dir", data_dir)
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
