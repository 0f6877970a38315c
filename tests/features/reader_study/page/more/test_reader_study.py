# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""A reader study from plan to report: commands of the physicist, pages of the readers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from pypdf import PdfReader

from miqa_node.core.domain.access import Role
from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.policy import Verdict
from miqa_node.features.analysis.rows import acquisitions
from miqa_node.features.reader_study import rows as reader_studies
from miqa_node.interfaces.cli.app import run
from miqa_node.stages.units.rows import instances
from tests.features.reader_study.page.test_reader_study import PLAN, READERS, planned, study
from tests.web.people import ORIGIN, signed_in
from tests.web.staging import Stage, csrf


def read_all(client: TestClient, name: str, grades: Callable[[str], str]) -> int:
    """Read until nothing is left, as the form sends it; how many images there were."""
    number = 0
    while shown := re.search(r'name="digest" value="([0-9a-f]{64})"', client.get("/reader-studies/winter").text):
        grade = grades(shown[1])
        form = {
            "digest": shown[1],
            "grade": grade,
            "rating": "90" if grade == "unusable" else "5",
            "csrf": csrf(client),
        }
        form |= {"reason": "111210"} if grade == "unusable" else {}
        assert client.post("/reader-studies/winter", data=form, headers=ORIGIN).status_code == 303
        number += 1
    return number


def test_from_plan_to_report(
    stage: Stage, study: Callable[..., int], connect: Callable[..., TestClient], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    planned(study)
    with stage.services.database.begin() as transaction:
        flagged = {image.digest for image in reader_studies.images(transaction, "winter") if image.flagged}

    def grade(digest: str) -> str:
        return "unusable" if digest in flagged else "usable"

    assert study("report", "winter") != 0  # nobody has read anything: no figures
    assert "18 readings are missing" in capsys.readouterr().err
    for name in READERS:
        client = signed_in(stage, connect, name, Role.REVIEWER)
        page = client.get("/reader-studies/winter").text
        assert "6 of 6 to read" in page
        assert "REJECT" not in page
        assert "motion" not in page.lower().replace("motion blur</label>", "")  # of the form's reasons
        assert read_all(client, name, grade) == 6
        assert "All images are read" in client.get("/reader-studies/winter").text
    capsys.readouterr()
    assert study("report", "winter", "--json", "--pdf", str(tmp_path / "winter.pdf")) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["results"]["images"] == 6
    assert result["results"]["unusable"] == len(flagged)
    assert result["results"]["specificity"]["share"] == 1.0
    assert {pair["kappa"]["observed"] for pair in result["results"]["agreement"]} == {1.0}
    text = PdfReader(tmp_path / "winter.pdf").pages[0].extract_text()
    assert result["sha256"] in text.replace("\n", "")


def test_plans_are_kept_as_they_are(
    stage: Stage, study: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    planned(study)
    capsys.readouterr()
    assert study("collect", "winter") != 0
    assert "drawn before" in capsys.readouterr().err
    assert study("plan", "winter", *PLAN, "--reader", "a", "--reader", "b") != 0
    assert "does not change" in capsys.readouterr().err
    assert study("plan", "later", *PLAN[:2], "--until", "2099-01-01", "--reader", "a", "--reader", "b") == 0
    assert study("collect", "later") != 0
    assert "The period ends on 2099-01-01" in capsys.readouterr().err
    assert study("list", "--json") == 0
    assert [row["readings_missing"] for row in json.loads(capsys.readouterr().out)] == [0, 18]
