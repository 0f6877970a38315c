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
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.report.sr_groups import OTHERS_OF_SERIES
from tests.features.reassess.test_reassessment import AgainRig
from tests.parts import results_of
from tests.policies import document

ONLY_XA = document(
    {"measurement": "entropy", "above": 0.0, "then": "REVIEW", "reason": "unsharp"},
    where={"runs": {"modality": ["XA"]}},
)


@pytest.fixture
def rig(tmp_path: Path, pool: WorkerPool) -> Iterator[AgainRig]:
    rig = AgainRig(tmp_path, pool, parse_policy(ONLY_XA))
    yield rig
    rig.database.close()


@pytest.fixture
def sonogram(rig: AgainRig, samples: Path) -> Callable[..., InstanceDigest]:
    """Receives image ``number`` of a series."""

    def receive(number: int, **changes: Any) -> InstanceDigest:
        path = rig.folder / f"{number}.dcm"
        ds = pydicom.dcmread(samples / "US1_UNCR.dcm")
        for keyword, value in {"InstanceNumber": number, **changes}.items():
            setattr(ds, keyword, value)
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID(f"1.2.3.{number}")
        ds.save_as(path)
        return rig.receive(path)

    return receive


def reports_of(rig: AgainRig, digests: list[InstanceDigest]) -> list[pydicom.Dataset]:
    with rig.database.begin() as transaction:
        made = [one for digest in digests for one in results_of(transaction, digest)]
    assert {one.kind for one in made} <= {SR}
    return [pydicom.dcmread(rig.objects.local_path(one.object_key)) for one in made]


def comments_of(report: pydicom.Dataset) -> set[str]:
    return {element.value for element in report.iterall() if element.keyword == "TextValue"}


def test_a_series_that_nobody_judges_has_one_report(rig: AgainRig, sonogram: Callable[..., InstanceDigest]) -> None:
    digests = [sonogram(number) for number in (1, 2, 3)]
    for digest in digests:
        rig.finish(digest)
        assert rig.verdict(digest) is Verdict.NOT_ASSESSED
    [report] = reports_of(rig, digests)
    comments = comments_of(report)
    assert (
        "Not assessed: Measured, experimental: limits for ultrasound have not been tried on two scanners." in comments
    )
    assert OTHERS_OF_SERIES in comments
    [listed] = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert [one.ReferencedSOPInstanceUID for one in listed.ReferencedSOPSequence] == ["1.2.3.1"]
    assert [sorted(rig.queued(digest)) for digest in digests] == [[("SR", "ARCHIVE"), ("SR", "PACS")], [], []]


def test_each_series_of_a_study_has_its_own(rig: AgainRig, sonogram: Callable[..., InstanceDigest]) -> None:
    digests = [sonogram(number, SeriesInstanceUID=f"1.2.4.{number % 2}") for number in (1, 2, 3)]
    for digest in digests:
        rig.finish(digest)
    reports = reports_of(rig, digests)
    assert len({report.SOPInstanceUID for report in reports}) == len(reports) == 2
    assert len({report.SeriesInstanceUID for report in reports}) == 2


def test_whoever_is_recorded_first_reports_even_if_another_was_killed_meanwhile(
    rig: AgainRig, sonogram: Callable[..., InstanceDigest], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = sonogram(1), sonogram(2)
    with monkeypatch.context() as patch:
        patch.setattr("miqa_node.stages.units.rows.judgements.save_disposition", _killed)
        with pytest.raises(KeyboardInterrupt):
            rig.pipeline.judge(first)  # its file is written, its row is not
    rig.finish(second)
    rig.finish(first)
    [report] = reports_of(rig, [first, second])
    assert rig.queued(first) == []
    assert sorted(rig.queued(second)) == [("SR", "ARCHIVE"), ("SR", "PACS")]
    [listed] = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert listed.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3.2"


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_two_workers_at_once_report_once(
    rig: AgainRig, sonogram: Callable[..., InstanceDigest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both look before either has written: the one of whom the row is recorded second queues nothing."""
    digests = [sonogram(1), sonogram(2)]
    both, maker_of = threading.Barrier(2), deliveries.result_maker

    def look(*arguments: Any) -> InstanceDigest | None:
        maker = maker_of(*arguments)
        both.wait(60)
        return maker

    monkeypatch.setattr(deliveries, "result_maker", look)
    workers = [threading.Thread(target=rig.pipeline.judge, args=(digest,)) for digest in digests]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert len(reports_of(rig, digests)) == 1
    assert sorted(one for digest in digests for one in rig.queued(digest)) == [("SR", "ARCHIVE"), ("SR", "PACS")]


@pytest.mark.more
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


@pytest.mark.more
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


@pytest.mark.more
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
