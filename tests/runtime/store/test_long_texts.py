"""What PostgreSQL refuses must not reach it: texts too long for an index, zero bytes, numbers beyond its own."""

from __future__ import annotations

import hashlib
import random
import string
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom import config, dcmread
from pydicom.data import get_testdata_file

from miqa_node.core.domain.instance import InstanceDigest, ReceivedObject
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.features.analysis.rows import rollup
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.runtime.store.result_index import complete, complete_sources
from miqa_node.runtime.workers.pool import WorkerPool
from tests.parts import build_pipeline, results_of
from tests.stages.report import making
from tests.stages.units.test_series_way import RULES, Jobs

pytestmark = pytest.mark.more

KEYWORDS = (
    "PatientID", "AccessionNumber", "StudyID", "StudyDescription", "SeriesDescription", "StationName",
    "Manufacturer", "BodyPartExamined", "ViewPosition", "ImageLaterality", "OperatorsName", "DetectorID",
    "PerformedLocation", "ProtocolName", "ReferringPhysicianName",
)  # fmt: skip


@pytest.mark.parametrize("modality", ["CT", "CR"])
@pytest.mark.parametrize("number", ["12", "4000000000", "99999999999999999999"])
def test_an_image_of_which_postgresql_would_refuse_much_is_received_judged_counted_and_found(
    database: Database, tmp_path: Path, pool: WorkerPool, number: str, modality: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config.settings, "writing_validation_mode", config.IGNORE)
    ds = dcmread(str(get_testdata_file("CT_small.dcm"))) if modality == "CT" else making.small(64, 64)
    for seed, keyword in enumerate(KEYWORDS):  # random, since PostgreSQL compresses what repeats
        text = "".join(random.Random(seed).choices(string.ascii_letters + string.digits, k=9000))
        ds.add_new(keyword, "UT", text)
    ds.add_new("NumberOfSeriesRelatedInstances", "UT", number)
    ds.add_new("DeviationIndex", "DS", "1e-200")
    ds.add_new("ExposureIndex", "DS", "1e300")
    ds.PatientName = "A\0B^C"
    path = tmp_path / "image.dcm"
    ds.save_as(path, enforce_file_format=True)
    digest, size = InstanceDigest(hashlib.sha256(path.read_bytes()).hexdigest()), path.stat().st_size
    objects = DiskObjects(tmp_path / "objects")
    pipeline = build_pipeline(database, objects, Jobs(), pool, parse_policy(RULES), lambda _: ["PACS"])
    pipeline.receive(ReceivedObject(str(path), digest, size, "CT1", "MIQA", "127.0.0.1", datetime.now(UTC)))
    pipeline.judge(digest)
    with database.begin() as transaction:
        assert results_of(transaction, digest)
        rollup.refresh(transaction, datetime.now(UTC))
    assert complete_sources(database, objects, 60.0)
    assert complete(database, objects, 60.0)
