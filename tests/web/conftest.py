"""A store with images in it, put there the way the pipeline does, and the web interface in front of it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient

from miqa_node.domain.assessment import Assessment, Measurement, ModelIdentity
from miqa_node.domain.delivery import ResultKind, ResultObject
from miqa_node.domain.finding import DEFECTS, FINDING_CODES, Finding, FindingName, quality_score
from miqa_node.domain.instance import (
    Header,
    InstanceDigest,
    Received,
    SeriesInstanceUid,
    SopInstanceUid,
    StudyInstanceUid,
    StudyRecord,
)
from miqa_node.domain.policy import Disposition, Reason, Verdict
from miqa_node.settings import load_settings
from miqa_node.store import deliveries, instances, worklist
from miqa_node.store.database import Database
from miqa_node.store.objects import DiskObjects
from miqa_node.web.app import WebServices, create_app

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
PATIENT_NAME = "Muster^Erika"


@dataclass
class Stage:
    """The services, and how to put an image into them."""

    services: WebServices
    not_ready: list[str]

    def add(
        self,
        number: int,
        verdict: Verdict = Verdict.REJECT,
        finding: FindingName = FindingName.MOTION_BLUR,
        *,
        station: str = "ROOM1",
        study: int | None = None,
        preview: bytes | None = None,
        text: str | None = None,
    ) -> tuple[StudyInstanceUid, InstanceDigest]:
        """Receive, assess, decide, report and flag image ``number``."""
        at = NOW + timedelta(minutes=number)
        study_uid = StudyInstanceUid(f"1.2.3.{study if study is not None else number}")
        digest = InstanceDigest(hashlib.sha256(b"%d" % number).hexdigest())
        header = Header(
            sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1",
            sop_instance_uid=SopInstanceUid(f"1.2.3.4.5.{number}"),
            series_instance_uid=SeriesInstanceUid(f"1.2.3.4.{number}"),
            study_instance_uid=study_uid,
            transfer_syntax_uid="1.2.840.10008.1.2.1",
            modality="DX",
            body_part_examined="CHEST",
            view_position="PA",
            station_name=station,
            has_pixels=True,
        )
        record = StudyRecord(study_uid, f"ACC{number}", f"PID{number}", PATIENT_NAME, "20261120", "Thorax")
        received = Received("unused", digest, 8_000_000, "MODALITY", "MIQA", "10.0.0.7", at)
        findings = tuple(
            Finding(name, FINDING_CODES[name], 0.97 if verdict.flagged and name is finding else 0.04, 0.6, 0.5)
            for name in FindingName
        )
        assessment = Assessment(
            digest,
            header,
            at,
            findings=findings,
            measurements=(Measurement("noise", 12.5, "1"), Measurement("edge_slope", 0.41, "mm")),
            score=quality_score(f for f in findings if f.name in DEFECTS),
            model=ModelIdentity("quality", "0.1.0", "ab" * 32),
            timings_ms={"decode": 20.0},
        )
        words = text or f"{finding.value.replace('_', ' ').capitalize()}: probability 0.97, severity 0.60"
        reasons = (Reason(finding.value, words, FINDING_CODES[finding], verdict),) if verdict.flagged else ()
        disposition = Disposition(verdict, reasons, "2026-01", "frontal chest")
        result = ResultObject(
            f"2.25.{number}", "1.2.840.10008.5.1.4.1.1.88.34", ResultKind.SR, f"results/aa/{number}.dcm"
        )
        self.services.objects.put(f"previews/{digest[:2]}/{digest}.png", preview or phantom_png())
        with self.services.database.begin() as transaction:
            instances.record(transaction, header, record, received, f"instances/{digest[:2]}/{digest}.dcm")
            instances.begin_attempt(transaction, digest)
            instances.save_assessment(transaction, assessment)
            instances.save_disposition(transaction, digest, study_uid, disposition, at)
            deliveries.record_result(transaction, digest, result, at)
            deliveries.queue(transaction, result, "PACS", at)
            if verdict.flagged:
                worklist.flag(transaction, study_uid, verdict, at)
        return study_uid, digest


def phantom_png() -> bytes:
    """Two dark lungs on a bright body, 256 × 208."""
    image = np.full((256, 208), 40, np.uint8)
    cv2.ellipse(image, (104, 150), (92, 130), 0, 0, 360, 190, -1)
    for x in (64, 144):
        cv2.ellipse(image, (x, 140), (30, 74), 0, 0, 360, 60, -1)
    return cv2.imencode(".png", image)[1].tobytes()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file without rows: migrating anew for every test would take most of their time."""
    file = tmp_path_factory.mktemp("web") / "miqa.sqlite"
    database = Database(f"sqlite:///{file}")
    database.migrate()
    database.close()
    return file


@pytest.fixture
def stage(tmp_path: Path, migrated: Path) -> Iterator[Stage]:
    settings = load_settings(node={"data_dir": tmp_path}, web={"page_size": 3, "allowed_hosts": ["miqa.example"]})
    shutil.copy(migrated, tmp_path)
    database = Database(settings.database_url)
    not_ready: list[str] = []
    services = WebServices(database, DiskObjects(settings.objects_dir), settings, lambda: list(not_ready))
    yield Stage(services, not_ready)
    database.close()


@pytest.fixture
def connect(stage: Stage) -> Iterator[Callable[..., TestClient]]:
    """Clients of the application; ``client`` is the address that the request comes from."""

    def make(client: str = "127.0.0.1", base_url: str = "http://localhost:8080") -> TestClient:
        app = create_app(stage.services)
        return TestClient(app, base_url, raise_server_exceptions=False, client=(client, 50000), follow_redirects=False)

    return make


@pytest.fixture
def client(connect: Callable[..., TestClient]) -> TestClient:
    return connect()
