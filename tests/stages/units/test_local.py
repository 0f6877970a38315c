"""A file that is assessed without a node takes the way of every image, and is told the same."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.data import get_testdata_file

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import InstanceDigest, ReceivedObject
from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.errors import DecodeError
from miqa_node.local import LocalAssessor
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.assess.assessor import ImageAssessor
from miqa_node.stages.assess.packages import open_package
from miqa_node.stages.assess.sidecars import SidecarModels
from miqa_node.stages.assess.text.assessor import with_text
from miqa_node.stages.report.made import ReportSettings
from miqa_node.stages.units.base import CONFLICTING
from miqa_node.stages.units.rows import instances
from tests.node.test_pipeline import ListQueue
from tests.parts import build_pipeline, results_of


@pytest.fixture(scope="module")
def local() -> Iterator[LocalAssessor]:
    with LocalAssessor(load_settings(work={"processes": 1}), calibrated=False, reports=ReportSettings()) as assessor:
        yield assessor


def comparable(assessment: Assessment) -> Assessment:
    return replace(assessment, assessed_at=datetime(2026, 11, 21, tzinfo=UTC), timings_ms={})


def test_what_cannot_be_judged_is_an_error_with_the_reason(local: LocalAssessor, samples: Path, tmp_path: Path) -> None:
    ds = pydicom.dcmread(samples / "RG3_J2KR.dcm")
    ds.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51" + bytes(1000)])
    ds.save_as(tmp_path / "broken.dcm")
    with pytest.raises(DecodeError, match=r"."):
        local.assess_file(tmp_path / "broken.dcm")
    del ds.PixelData
    ds.save_as(tmp_path / "empty.dcm")
    with pytest.raises(DecodeError, match="not an image"):
        local.assess_file(tmp_path / "empty.dcm")


@pytest.mark.more
@pytest.mark.parametrize("name", ["RG1_UNCR.dcm", "examples_ybr_color.dcm"])
def test_it_says_what_a_node_says(name: str, local: LocalAssessor, samples: Path, tmp_path: Path) -> None:
    """Of a chest, and of a run of ultrasound, which no model covers; a middle frame represents it."""
    original = samples / name if (samples / name).exists() else Path(str(get_testdata_file(name)))
    result = local.assess_file(original)
    settings = load_settings()
    package = open_package(settings.models_dir / local.models.name, Accelerator.CPU, settings.assess)
    database = Database(f"sqlite:///{tmp_path / 'miqa.sqlite'}")
    database.migrate()
    policy = read_policy(settings.policy_file)
    source = Path(shutil.copy(original, tmp_path / "one.dcm"))
    digest = InstanceDigest(hashlib.sha256(source.read_bytes()).hexdigest())
    store = DiskObjects(tmp_path / "objects")
    models = SidecarModels(settings, lambda: ImageAssessor(package), lambda: policy)
    with WorkerPool(settings) as pool:
        way = build_pipeline(
            database, store, ListQueue(), pool, policy, lambda _kind: [],
            assessor=with_text(settings, lambda: models)(), certify=local.models.certificate,
        )  # fmt: skip
        way.receive(
            ReceivedObject(str(source), digest, source.stat().st_size, "A", "B", "127.0.0.1", datetime.now(UTC))
        )
        way.judge(digest)
    with database.begin() as transaction:
        assessment = instances.load_assessment(transaction, digest)
        disposition = instances.load_disposition(transaction, digest)
        objects = {one.kind: store.get(one.object_key) for one in results_of(transaction, digest)}
    database.close()
    assert assessment is not None
    assert disposition is not None
    assert comparable(result.assessment) == comparable(assessment)
    assert (result.disposition.verdict, result.disposition.reasons) == (disposition.verdict, disposition.reasons)
    assert set(result.maps.findings) == {finding.name for finding in assessment.findings if finding.present}
    assert {one.kind for one in result.objects or ()} == set(objects) >= {"SR"}
    for one in result.objects or ():
        assert timeless(one.data) == timeless(objects[one.kind]), one.kind


def timeless(file: bytes) -> dict[str, Any]:
    """The elements of an object without dates and times."""
    ds = pydicom.dcmread(BytesIO(file))
    ds.walk(lambda part, element: part.__delitem__(element.tag) if element.VR in ("DA", "TM", "DT") else None)
    return ds.to_json_dict()


@pytest.mark.more
def test_files_of_one_uid_do_not_meet(local: LocalAssessor, samples: Path) -> None:
    for name in ("RG1_UNCR.dcm", "RG1_J2KR.dcm", "RG1_UNCR.dcm"):
        issues = local.assess_file(samples / name).assessment.plausibility
        assert CONFLICTING not in issues


@pytest.mark.more
def test_a_file_without_uids_is_judged_and_stays_without(local: LocalAssessor, samples: Path, tmp_path: Path) -> None:
    ds = pydicom.dcmread(samples / "RG1_UNCR.dcm")
    del ds.StudyInstanceUID, ds.SeriesInstanceUID
    ds.save_as(tmp_path / "bare.dcm")
    result = local.assess_file(tmp_path / "bare.dcm")
    assert result.assessment.findings
    assert (result.assessment.header.study_instance_uid, result.assessment.header.missing_uids) == ("", ())
