# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Judging images again over REST and from the page of a study."""

from __future__ import annotations

import dataclasses
from io import BytesIO
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.policy import Verdict
from miqa_node.features.reassess.page.again import reassessment_of
from miqa_node.features.reassess.reassessment import Reassessment
from miqa_node.interfaces.web.app import create_app
from miqa_node.runtime.store import damages, tables
from miqa_node.runtime.store.verification import Soundness, data_set_digest
from miqa_node.stages.units.rows import reassessments
from tests.features.reassess.page.test_reassess_page import admin, jobs, keep_copy
from tests.parts import any_model
from tests.web.people import ORIGIN
from tests.web.staging import Stage, csrf


def test_the_page_of_a_study_shows_first_what_would_be_done(
    admin: TestClient, stage: Stage, jobs: list[InstanceDigest]
) -> None:
    uid, digest = stage.add(1)
    assert "Judge again" in admin.get(f"/studies/{uid}").text
    form = {"csrf": csrf(admin)}
    gone = admin.post(f"/studies/{uid}/reassess", data=form, headers=ORIGIN)
    assert "no longer kept here" in gone.text
    keep_copy(stage, digest)
    assert "Judge 1 of 1 again?" in admin.post(f"/studies/{uid}/reassess", data=form, headers=ORIGIN).text
    assert jobs == []
    form |= {"sure": "true", "actor": "anna"}
    done = admin.post(f"/studies/{uid}/reassess", data=form, headers=ORIGIN, follow_redirects=False)
    assert (done.status_code, jobs) == (303, [digest])
