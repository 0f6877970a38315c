# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Pages of the analysis show what was counted, and the second reader sees nothing of what others said."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import SaliencyMap, SaliencyMaps
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.label import LabelOrigin, ReaderOpinion, RegionOutline, RequestKind
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.features.analysis.rows import acquisitions
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.store import label_requests, labels
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.stages.units.rows import instances
from tests.features.analysis.page.test_analysis_pages import hospital
from tests.web.staging import NOW, PATIENT_NAME, Stage


def test_the_model_watch_counts_decisions_made_after_the_newest_image(
    hospital: list[Any], client: TestClient, stage: Stage
) -> None:
    later = NOW + timedelta(days=3)
    with stage.services.database.begin() as transaction:
        labels.add(
            transaction, hospital[1], ReaderOpinion("clara", LabelOrigin.SPOT_CHECK, bad=True, findings=()), later
        )

    assert f'name="until" value="{later:%Y-%m-%d}"' in client.get("/analysis/model").text
    assert client.get("/api/v1/analysis/model").json()["missed"]["total"] == 1
