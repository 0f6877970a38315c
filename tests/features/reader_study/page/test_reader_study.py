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
from miqa_node.core.domain.verdict import Verdict
from miqa_node.features.analysis.rows import acquisitions
from miqa_node.features.reader_study import rows as reader_studies
from miqa_node.interfaces.cli.app import run
from miqa_node.stages.units.rows import instances
from tests.web.people import ORIGIN, signed_in
from tests.web.staging import Stage, csrf

READERS = ("ines", "mara", "tom")
PLAN = ("--since", "2026-11-20", "--until", "2026-11-20", "--images", "6", "--run-length", "3")


@pytest.fixture
def study(stage: Stage) -> Callable[..., int]:
    """Eight exposures in the store, the first two flagged, and the command ``miqa-node study``."""
    rules = AcquisitionRules(key=b"k" * 32, rooms={}, shifts={})
    for number in range(8):
        _, digest = stage.add(number, Verdict.REJECT if number < 2 else Verdict.ACCEPT)
        with stage.services.database.begin() as transaction:
            instance = instances.load(transaction, digest)
            assessment = instances.load_assessment(transaction, digest)
            verdict = instances.load_disposition(transaction, digest)
            assert assessment is not None
            assert verdict is not None
            acquisitions.record(transaction, Judgement(instance, assessment, verdict), rules, datetime.now(UTC))

    def call(*words: str) -> int:
        return run(["study", *words, "--data-dir", str(stage.services.settings.node.data_dir)])

    return call


def planned(study: Callable[..., int], *more: str) -> None:
    readers = [word for name in READERS for word in ("--reader", name)]
    assert study("plan", "winter", *PLAN, *readers, *more) == 0
    assert study("collect", "winter") == 0


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


def test_a_reading_is_final_and_belongs_to_a_reader(
    stage: Stage, study: Callable[..., int], connect: Callable[..., TestClient]
) -> None:
    planned(study)
    mara = signed_in(stage, connect, "mara", Role.REVIEWER)
    shown = re.search(r'name="digest" value="([0-9a-f]{64})"', mara.get("/reader-studies/winter").text)
    assert shown is not None
    form = {"digest": shown[1], "grade": "limited", "rating": "40", "csrf": csrf(mara)}
    assert mara.post("/reader-studies/winter", data=form, headers=ORIGIN).status_code == 303
    assert mara.post("/reader-studies/winter", data=form, headers=ORIGIN).status_code == 409
    assert mara.post("/reader-studies/winter", data={**form, "rating": "101"}, headers=ORIGIN).status_code == 422
    assert mara.post("/reader-studies/winter", data={**form, "reason": "1"}, headers=ORIGIN).status_code == 422
    stranger = signed_in(stage, connect, "otto", Role.REVIEWER)
    assert stranger.get("/reader-studies/winter").status_code == 403
    assert (
        stranger.post("/reader-studies/winter", data={**form, "csrf": csrf(stranger)}, headers=ORIGIN).status_code
        == 403
    )
    assert "winter" in mara.get("/reader-studies").text
    assert "winter" not in stranger.get("/reader-studies").text
    assert mara.get("/reader-studies/spring").status_code == 404


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_period_ends_at_midnight_of_the_site(
    study: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], zone: str
) -> None:
    """At every hour the day of one of the two is not that of UTC."""
    monkeypatch.setenv("MIQA_NODE__TIME_ZONE", zone)
    today = datetime.now(ZoneInfo(zone)).date()
    readers = ("--reader", "a", "--reader", "b", "--images", "3", "--run-length", "3")

    for name, last in (("over", today - timedelta(days=1)), ("still", today)):
        assert study("plan", name, *PLAN[:2], "--until", str(last), *readers) == 0
    assert study("collect", "over") == 0, capsys.readouterr().err
    assert study("collect", "still") != 0
    assert f"The period ends on {today}" in capsys.readouterr().err
    assert study("list", "--json") == 0
    assert {row["planned"] for row in json.loads(capsys.readouterr().out)} == {str(today)}


@pytest.mark.more
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


@pytest.mark.more
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
