"""A pilot beside a running node: what comes by an ordinary way, or in doubt, is judged and told like any image."""

from __future__ import annotations

from pathlib import Path

import pytest

from miqa_node.core.settings import load_settings
from miqa_node.errors import ConflictError
from miqa_node.features.pilot.archive import Way
from miqa_node.features.pilot.judging import PilotJudge
from miqa_node.features.pilot.progress import Outcome
from miqa_node.features.worklist.rows import history
from miqa_node.node import Node
from miqa_node.stages.deliver.kinds.folder import FolderConfig
from tests.features.pilot.making import past_images
from tests.features.pilot.trial import trial
from tests.sending import judged
from tests.waiting import LIMIT_S, wait_until

pytestmark = pytest.mark.more


def test_what_comes_seconds_after_the_answer_to_a_move_is_the_pilots(
    tmp_path: Path, judge: PilotJudge, samples: Path
) -> None:
    with trial(tmp_path, judge, past_images(samples, 2)) as one:
        settings = load_settings(tmp_path / "site" / "miqa.toml", web={"port": 0})
        with Node(settings, []) as node:
            one.archive.node, one.archive.late_s = ("127.0.0.1", node.dicom_port), 2.0
            counts = one.run(Way.MOVE)
            assert (counts.fetched, counts.failed, counts.known) == (2, 0, 0)
            with node.database.begin() as transaction:
                assert not any(
                    history.of_uid(transaction, image.SOPInstanceUID, limit=1) for image in one.archive.images
                )


def test_what_comes_otherwise_is_ordinary(tmp_path: Path, judge: PilotJudge, samples: Path) -> None:
    before, later, unmarked = past_images(samples, 3)
    folder = tmp_path / "told"
    folder.mkdir()

    def count(uid: str) -> int:
        return len(history.of_uid(transaction, uid, limit=2))

    with trial(tmp_path, judge, [before, later]) as one:
        settings = load_settings(tmp_path / "site" / "miqa.toml", web={"port": 0})
        with Node(settings, [FolderConfig(name="told", folder=str(folder))]) as node:
            judged(node, before, LIMIT_S)
            wait_until(lambda: list(folder.rglob("*.dcm")))
            counts = one.run()
            assert (counts.known, counts.fetched) == (1, 1), "one that the node had keeps its origin"
            with node.database.begin() as transaction:
                assert [count(image.SOPInstanceUID) for image in (before, later)] == [1, 0]
            results = len(list(folder.rglob("*.dcm")))
            row = judged(node, later, LIMIT_S)
            assert row.disposition is not None
            assert one.rows()[later.SOPInstanceUID].verdict == row.disposition.verdict.value
            wait_until(lambda: len(list(folder.rglob("*.dcm"))) > results)

            one.archive.images.append(unmarked)
            one.archive.node = "127.0.0.1", node.dicom_port
            one.list_again()
            with pytest.raises(ConflictError, match="C-MOVE is refused"):
                one.run(Way.MOVE)
            assert one.rows()[unmarked.SOPInstanceUID].outcome is Outcome.FOUND
            assert one.run(Way.MOVE).known == 2, "in doubt it is ordinary"
