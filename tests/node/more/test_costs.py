"""What one image costs, as counts that no machine changes: a later change must not give back what was gained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.capacity import TRANSACTIONS
from demo.samples import make_samples
from miqa_node.core.domain.finding import FindingName
from miqa_node.node import Node
from miqa_node.runtime.work.queue import IMAGE_QUEUE
from miqa_node.stages.deliver.destinations import parse_flag
from tests.node.test_costs import Counts, counted_syncs
from tests.node.test_node import Pacs, settings_in, store
from tests.waiting import grown, wait_until

pytestmark = pytest.mark.usefixtures("folders_of_a_node")

RECEIVE_STATEMENTS = 7


JUDGE_STATEMENTS, JUDGE_TRANSACTIONS = 31, 4
"""The conclusion looks for other images of the exposure itself, and so does the row of the exposure; one statement asks
whether somebody confirmed usual ranges of the machine."""


LOOK_STATEMENTS = 8
"""Of the thread that looks for jobs, for one image in an idle node: one for a look, four more for taking the job."""


IMAGE_THREADS = ("dbos-executor", f"queue-worker-{IMAGE_QUEUE}", "lane-", "audit")
"""Threads that write because of an image, beside the one that receives it."""


SYNCS = 12


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    pacs = Pacs()
    yield pacs
    pacs.server.shutdown()


def is_idle(counts: Counts) -> bool:
    """Whether no image is received or judged for a second."""
    return grown(lambda: counts.judging(counts.statements) + counts.received(), 1.0) == 0


def test_statements_transactions_and_syncs_of_a_flagged_image(
    tmp_path: Path, pacs: Pacs, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = make_samples()
    chest, flagged = samples[0], next(one for one in samples if one.simulated == FindingName.MOTION_BLUR)
    files = [tmp_path / "first.dcm", tmp_path / "second.dcm"]
    for file, sample in zip(files, (chest, flagged), strict=True):
        file.write_bytes(sample.data)
    synced = counted_syncs(monkeypatch)
    with Node(settings_in(tmp_path / "node"), [parse_flag(f"PACS=PACS@127.0.0.1:{pacs.port}")]) as node:
        store(node.dicom_port, files[0])
        wait_until(lambda: len(pacs.objects) >= 1)
        start = Counts(node.database.engine)
        wait_until(lambda: is_idle(start), what="what follows the first image is done")
        counts, before = Counts(node.database.engine), len(synced)

        store(node.dicom_port, files[1])
        wait_until(lambda: {"SR", "SEG", "KO"} <= {ds.Modality for ds in pacs.objects})
        wait_until(lambda: counts.judging(counts.commits) > 0)
        wait_until(lambda: is_idle(counts), what="what follows the report is done")

    assert sum(counts.statements[name] for name in counts.receiving) <= RECEIVE_STATEMENTS
    assert sum(counts.changes[name] for name in counts.receiving) == 1
    assert counts.judging(counts.statements) <= JUDGE_STATEMENTS
    assert counts.judging(counts.commits) <= JUDGE_TRANSACTIONS
    assert counts.statements[f"queue-worker-{IMAGE_QUEUE}"] <= LOOK_STATEMENTS
    assert len(synced) - before <= SYNCS
    of_the_image = {*counts.receiving, *(name for name in counts.changes if name.startswith(IMAGE_THREADS))}
    assert 6 <= sum(counts.changes[name] for name in of_the_image) <= TRANSACTIONS
