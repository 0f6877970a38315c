# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Images that no model and no rule covers: their series has one report that says so, whatever happens meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest

from miqa_node.core.domain.delivery import SR
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.report.sr_groups import OTHERS_OF_SERIES
from tests.features.reassess.test_reassessment import AgainRig
from tests.parts import results_of
from tests.stages.report.test_series_reports import ONLY_XA, reports_of, rig, sonogram


def test_a_judged_image_of_such_a_series_keeps_its_report(
    rig: AgainRig, samples: Path, sonogram: Callable[..., InstanceDigest]
) -> None:
    """A rule flags the second one, so that there is something to say of it alone."""
    run = pydicom.dcmread(samples / "RG3_UNCR.dcm")
    cine = {
        **{name: run[name].value for name in ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit")},
        "SOPClassUID": pydicom.uid.UID("1.2.840.10008.5.1.4.1.1.12.1"),
        "NumberOfFrames": 2, "Modality": "XA", "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
        "PixelRepresentation": 0, "PixelData": run.PixelData * 2,
    }  # fmt: skip
    digests = [sonogram(1), sonogram(2, **cine), sonogram(3)]
    for digest in digests:
        rig.finish(digest)
    assert [rig.verdict(one).value for one in digests] == ["NOT_ASSESSED", "REVIEW", "NOT_ASSESSED"]
    assert [bool(rig.queued(one)) for one in digests] == [True, True, False]


@pytest.mark.peers
def test_two_nodes_on_postgresql_report_each_series_once(
    tmp_path: Path, pool: WorkerPool, samples: Path, postgres_url: str
) -> None:
    """Each with connections of its own, as two processes have; they judge the images of five series at once."""
    rigs = [AgainRig(tmp_path, pool, parse_policy(ONLY_XA), database_url=postgres_url) for _ in range(2)]
    source, digests = pydicom.dcmread(samples / "US1_UNCR.dcm"), []
    for number in range(20):
        source.SeriesInstanceUID = f"1.2.4.{number % 5}"
        source.SOPInstanceUID = source.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID(f"1.2.3.{number}")
        source.save_as(tmp_path / "one.dcm")
        digests.append(rigs[0].receive(tmp_path / "one.dcm"))
    both = threading.Barrier(2)

    def judge(rig: AgainRig, own: list[InstanceDigest]) -> None:
        for digest in own:
            both.wait(120)  # both judge one of the same series
            rig.pipeline.judge(digest)

    halves = ([d for n, d in enumerate(digests) if n % 10 < 5], [d for n, d in enumerate(digests) if n % 10 >= 5])
    workers = [threading.Thread(target=judge, args=pair) for pair in zip(rigs, halves, strict=True)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
    reports = reports_of(rigs[0], digests)
    queued = sorted(one for digest in digests for one in rigs[0].queued(digest))
    for each in rigs:
        each.database.close()
    assert len({report.SOPInstanceUID for report in reports}) == len(reports) == 5
    assert queued == 5 * [("SR", "ARCHIVE")] + 5 * [("SR", "PACS")]


def test_an_image_judged_again_amends_the_report_that_it_made_and_adds_no_other(
    rig: AgainRig, sonogram: Callable[..., InstanceDigest]
) -> None:
    digests = [sonogram(1), sonogram(2)]
    for digest in digests:
        rig.finish(digest)
    [before] = reports_of(rig, digests)
    assert rig.again(verdicts=(Verdict.NOT_ASSESSED,)) == 2
    for digest in digests:
        rig.finish(digest)
    [first, second] = rig.files(digests[0], SR)
    assert first.SOPInstanceUID == before.SOPInstanceUID
    [amended] = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    assert amended.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == before.SOPInstanceUID
    assert rig.files(digests[1], SR) == []
