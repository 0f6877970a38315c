"""The whole way: chests are judged and learned from, a person confirms the range, and the next noisy one is flagged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.usual_range import UsualRange
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.features.usual_ranges.rows import baselines
from miqa_node.features.usual_ranges.work import HistoryWork
from miqa_node.runtime.site_records import confirmed_ranges
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.units.rows import instances, reassessments
from tests.node.test_pipeline import Rig
from tests.policies import TRIED, document, measured

pytestmark = pytest.mark.more

POLICY = document(
    measured("entropy"),
    {"measurement": "noise_sigma", "above": "usual", "then": "REVIEW", "reason": "noise"},
    evidence=TRIED,
)
TAKEN_AT = datetime(2026, 3, 2, 8, tzinfo=UTC)


def receive(rig: Rig, sample: Path, number: int, sigma: float) -> InstanceDigest:
    """Another patient's image of the same room, with so much noise."""
    ds = pydicom.dcmread(sample)
    flat = np.random.default_rng(number).normal(1000.0, sigma, (256, 256)) + np.linspace(0.0, 500.0, 256)
    at = TAKEN_AT + timedelta(hours=6 * number)
    return rig.receive(
        sample,
        {
            "PixelData": flat.astype(ds.pixel_array.dtype).tobytes(), "Rows": 256, "Columns": 256,
            "SOPInstanceUID": generate_uid(entropy_srcs=[f"{number}"]), "PatientID": f"P{number}",
            "SeriesInstanceUID": generate_uid(entropy_srcs=[f"{number} series"]),
            "StudyInstanceUID": generate_uid(entropy_srcs=[f"{number} study"]), "StationName": "ROOM1",
            "AcquisitionDate": f"{at:%Y%m%d}", "AcquisitionTime": f"{at:%H%M%S}",
        },
    )  # fmt: skip


def judged(rig: Rig, digest: InstanceDigest) -> Assessment:
    rig.finish(digest)
    with rig.database.begin() as transaction:
        assessment = instances.load_assessment(transaction, digest)
    assert assessment is not None
    return assessment


def test_a_confirmed_range_flags_and_stays_with_the_judgement(tmp_path: Path, pool: WorkerPool, samples: Path) -> None:
    sample = samples / "RG3_UNCR.dcm"
    rig = Rig(tmp_path, pool, parse_policy(POLICY))
    for number in range(24):
        judged(rig, receive(rig, sample, number, 10.0 + number % 5 * 0.2))
    HistoryWork(rig.database, 0.02).look()
    before = receive(rig, sample, 50, 30.0)
    assert judged(rig, before).usual_ranges == ()
    assert rig.verdict(before) is Verdict.ACCEPT, "a hint until somebody confirms the range"
    with rig.database.begin() as transaction:
        [history] = baselines.page(transaction, datetime.now(UTC), limit=9)
        sigma = [one for one in history.ranges if one.measurement == "noise_sigma"]
        usual = [UsualRange(one.measurement, one.unit, one.low, one.high, one.series, one.since) for one in sigma]
        station, now = history.scanner.station, datetime.now(UTC)
        confirmed_ranges.confirm(transaction, history.baseline, station, usual, "mara", now)
    noisy, quiet = receive(rig, sample, 51, 30.0), receive(rig, sample, 52, 10.3)
    assert "noise_sigma" in {one.measurement for one in judged(rig, noisy).usual_ranges}
    assert rig.verdict(noisy) is Verdict.REVIEW
    judged(rig, quiet)
    assert rig.verdict(quiet) is Verdict.ACCEPT
    with rig.database.begin() as transaction:
        disposition = instances.load_disposition(transaction, noisy)
    assert disposition is not None
    [reason] = [one for one in disposition.reasons if one.verdict.flagged]
    assert reason.text.startswith("Noisier than this machine's usual images: Noise ")
    assert (reason.name, reason.finding) == ("noise_sigma", "noise")
    for usual_now, verdict in ((False, Verdict.ACCEPT), (True, Verdict.REVIEW)):
        with rig.database.begin() as transaction:
            assert reassessments.ask(transaction, before, "mara", "", datetime.now(UTC), usual_now=usual_now)
        judged(rig, before)
        assert rig.verdict(before) is verdict
    rig.database.close()
