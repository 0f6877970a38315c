"""Puts images into a store the way the pipeline does, for tests of whoever reads from it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import sqlalchemy as sa
from fastapi.testclient import TestClient

from miqa_node.core.domain.assessment import Assessment, Measurement, ModelIdentity
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.delivery import ResultKind, ResultObject
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.instance import (
    Header,
    InstanceDigest,
    ReceivedObject,
    SeriesInstanceUid,
    SopInstanceUid,
    StudyInstanceUid,
    StudyRecord,
)
from miqa_node.core.domain.landmarks import Landmarks
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.prediction import Prediction
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.core.language.local_time import local
from miqa_node.core.settings import load_settings
from miqa_node.core.taxonomy.lookup import defect_names, finding_names, quality_score, reason_code
from miqa_node.features.worklist.rows import worklist
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.store import documents, tables
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.units.rows import instances

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
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
        at: datetime | None = None,
        patient: str | None = None,
        patient_name: str = PATIENT_NAME,
        born: str = "",
        authority: str = "",
        study_date: str = "20261120",
        noise: float = 12.5,
        predictions: tuple[Prediction, ...] = (),
        landmarks: Landmarks | None = None,
        spacing_mm: tuple[float, float] | None = None,
        peak: tuple[float, float] | None = None,
        part_seen: str = "",
        laterality: str = "",
        policy: Policy | None = None,
        measured: tuple[Measurement, ...] = (),
    ) -> tuple[StudyInstanceUid, InstanceDigest]:
        """Receive, assess, decide, report and flag image ``number``; with ``part_seen`` its header names no part.

        With ``policy`` that decides, else the verdict is given.
        """
        at = at or NOW + timedelta(minutes=number)
        study_uid = StudyInstanceUid(f"1.2.3.{study if study is not None else number}")
        digest = InstanceDigest(hashlib.sha256(b"%d" % number).hexdigest())
        header = Header(
            sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1",
            sop_instance_uid=SopInstanceUid(f"1.2.3.4.5.{number}"),
            series_instance_uid=SeriesInstanceUid(f"1.2.3.4.{number}"),
            study_instance_uid=study_uid,
            transfer_syntax_uid="1.2.840.10008.1.2.1",
            modality="DX",
            body_part_examined="" if part_seen else "CHEST",
            view_position="PA",
            image_laterality=laterality,
            station_name=station,
            has_pixels=True,
            rows=500,
            columns=400,
            pixel_spacing_mm=spacing_mm,
        )
        record = StudyRecord(
            study_uid,
            f"ACC{number}",
            f"PID{number}" if patient is None else patient,
            patient_name,
            study_date,
            "Thorax",
            patient_birth_date=born,
            authority=authority,
        )
        received = ReceivedObject("unused", digest, 8_000_000, "MODALITY", "MIQA", "10.0.0.7", at)
        findings = tuple(
            Finding(name, reason_code(name), 0.97 if verdict.flagged and name == finding else 0.04, 0.6, 0.5, peak)
            for name in dict.fromkeys((*finding_names(), finding))
        )
        assessment = Assessment(
            digest,
            header,
            at,
            findings=findings,
            measurements=(Measurement("noise", noise, "1"), Measurement("edge_slope_10_90", 0.41, "mm"), *measured),
            score=quality_score(f for f in findings if f.name in defect_names()),
            model=ModelIdentity("quality", "0.9.3", "ab" * 32),
            timings_ms={"decode": 20.0},
            predictions=predictions,
            landmarks=landmarks,
            part_seen=part_seen,
        )
        words = text or f"{finding.replace('_', ' ').capitalize()}: probability 0.97, severity 0.60"
        reasons = (Reason(finding, words, reason_code(finding), verdict),) if verdict.flagged else ()
        disposition = Disposition(verdict, reasons, "2026-01", "frontal chest")
        if policy is not None:
            disposition = decide(assessment, policy)
        result = ResultObject(
            f"2.25.{number}", "1.2.840.10008.5.1.4.1.1.88.34", ResultKind("SR"), f"results/aa/{number}.dcm"
        )
        Artifacts(self.services.objects).keep_preview(digest, preview or phantom_png())
        with self.services.database.begin() as transaction:
            instances.record(transaction, header, record, received, original_key(digest))
            instances.begin_attempt(transaction, digest, at)
            instances.save_assessment(transaction, assessment)
            instances.save_disposition(transaction, digest, study_uid, disposition, at)
            deliveries.record_result(transaction, digest, result, at)
            deliveries.queue(transaction, result, "PACS", at)
            if verdict.flagged:
                worklist.flag(transaction, study_uid, verdict, at)
        return study_uid, digest


def stack(transaction: Transaction, study_uid: str, series_uid: str) -> None:
    """Make all images of a study the slices of one CT series."""
    row = {"series_instance_uid": series_uid, "modality": "CT", "expected": 0, "arrived_at": NOW, "pending": False}
    transaction.execute(sa.insert(tables.series).values(row))
    of = tables.instances.c
    for digest, document in transaction.execute(
        sa.select(of.digest, of.header).where(of.study_instance_uid == study_uid)
    ).all():
        uid = SeriesInstanceUid(series_uid)
        header = replace(
            documents.load_header(document), series_instance_uid=uid, modality="CT", sop_class_uid=CT_IMAGE
        )
        values: dict[str, object] = {"series_instance_uid": uid, "modality": "CT", "sop_class_uid": CT_IMAGE}
        values["header"] = documents.dump_header(header)
        transaction.execute(sa.update(tables.instances).where(of.digest == digest).values(values))


@contextmanager
def staging(folder: Path, page_size: int) -> Iterator[Stage]:
    """A node's data in a folder. Its shift began half a day ago at whatever time of the day tests run."""
    shift = {"day": f"{local(datetime.now(UTC)) - timedelta(hours=12):%H:%M}"}
    web = {"page_size": page_size, "allowed_hosts": ["miqa.example"]}
    settings = load_settings(node={"data_dir": folder}, web=web, analysis={"shifts": shift})
    database = Database(settings.database_url)
    database.migrate()
    not_ready: list[str] = []
    yield Stage(WebServices(database, DiskObjects(settings.objects_dir), settings, lambda: list(not_ready)), not_ready)
    database.close()


def csrf(client: TestClient, path: str = "/") -> str:
    """What a form of this client must send back."""
    match = re.search(r'"X-CSRF-Token": "(\w+)"', client.get(path).text)
    assert match is not None
    return match[1]


def phantom_png() -> bytes:
    """Two dark lungs on a bright body, 256 × 208."""
    image = np.full((256, 208), 40, np.uint8)
    cv2.ellipse(image, (104, 150), (92, 130), 0, 0, 360, 190, -1)
    for x in (64, 144):
        cv2.ellipse(image, (x, 140), (30, 74), 0, 0, 360, 60, -1)
    return cv2.imencode(".png", image)[1].tobytes()
