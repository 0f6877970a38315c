"""Late slices whose measuring fails for good: the verdict of the series stands, and every page says what came later."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from miqa_node.core.domain.verdict import Verdict
from miqa_node.stages.units.rows import instances
from tests.interfaces.cli.conftest import Ran, cli
from tests.node.test_one_verdict_everywhere import Said, check_state, client, files, judge_all, rig, verdict_of
from tests.stages.measure.series import making
from tests.stages.units.test_series_way import Rig

pytestmark = pytest.mark.more

__all__ = ["cli", "rig"]

LIMIT = 3
LATER = "More of the series came"


def killed(rig: Rig) -> None:
    """The node died each time while it judged the late job alone."""
    [digest] = rig.look(30.0)
    with rig.database.begin() as transaction:
        for _ in range(1 + LIMIT):  # the first counts against nobody
            instances.begin_attempt(transaction, digest, datetime.now(UTC))
    rig.pipeline.judge(digest)


def given_up(rig: Rig) -> None:
    """A step of the late job failed again and again."""
    [digest] = rig.look(30.0)
    rig.pipeline.give_up(digest)


@pytest.mark.parametrize("shape", ["one series", "a series for each slice"])
@pytest.mark.parametrize("numbers", [[0, 1, 2, 3], [0, 1, 3, 4]], ids=["accepted", "flagged"])
@pytest.mark.parametrize("fail", [killed, given_up])
def test_the_earlier_verdict_stands_and_pages_say_what_came_later(
    rig: Rig,
    tmp_path: Path,
    cli: Callable[..., Ran],
    fail: Callable[[Rig], None],
    numbers: list[int],
    shape: str,
) -> None:
    web = client(rig)
    speaker = Said(rig, web, cli, making.STUDY, files(tmp_path / "sent", shape))
    speaker.receive(numbers)
    judge_all(rig)
    expected = verdict_of(set(numbers))
    speaker.receive([5])
    assert set(speaker.late().values()) == {True}
    fail(rig)
    judge_all(rig)
    verdicts = speaker.verdicts()
    assert verdicts == {surface: {expected.value} for surface in verdicts}
    check_state(speaker, expected)
    assert not any(speaker.late().values()), "nothing is being measured any more"
    addresses = ["/images", f"/studies/{making.STUDY}"] + ["/"] * (expected is Verdict.REVIEW)
    for address in addresses:
        text = web.get(address).text
        assert LATER in text, address
        assert "could not be measured" in text, address
    assert "could not be measured" in cli("explain", making.STUDY, "--data-dir", rig.folder).out
    speaker.receive([6 if expected is Verdict.ACCEPT else 2])  # a new slice has all measured: the verdict changes
    judge_all(rig)
    expected = verdict_of(speaker.here)
    verdicts = speaker.verdicts()
    assert verdicts == {surface: {expected.value} for surface in verdicts}
    assert LATER not in web.get("/images").text  # the page of the study tells its history, too
