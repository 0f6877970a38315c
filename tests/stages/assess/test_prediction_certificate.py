"""A certificate for predictions covers what it names until it ends, and a changed file is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from miqa_node.core.settings import load_settings
from miqa_node.stages.assess.automation import Evidence, PackageAutomation, automation_alarms, automation_of
from miqa_node.stages.assess.prediction_certificate import (
    LASTS,
    NEAR,
    CertificateState,
    EarlyEnd,
    EndCause,
    SiteCertificates,
    certificate_path,
    read_certificate,
    write_certificate,
)
from tests.policies import ACCEPT, policy_of
from tests.stages.assess.certifying import certificate_for
from tests.stages.assess.classify.making import write_classifier

NOW = datetime.now(UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_classifier(tmp_path / "models/lungs-1.0.0")
    return tmp_path / "models/lungs-1.0.0"


def state(tmp_path: Path, folder: Path, now: datetime = NOW, site: str = "General", **changes: Any) -> CertificateState:
    write_certificate(certificate_path(tmp_path, "lungs"), certificate_for(folder, **changes))
    made = certificate_for(folder)
    certificate = SiteCertificates(tmp_path, site, lambda: now).of("lungs", "lungs-1.0.0", made.package_sha256)
    assert certificate is not None
    return certificate


def test_it_is_in_force_and_says_what_it_is(tmp_path: Path, folder: Path) -> None:
    certificate = state(tmp_path, folder)
    assert certificate.ended == ""
    assert "by Dr. Bell: 300 cases, confidence 0.80 and more, until" in certificate.sentence
    assert not certificate.is_near_end(NOW)
    assert SiteCertificates(tmp_path, "General").of("hearts", "hearts-1.0.0", "") is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"package": "lungs-0.9.0"}, "the package changed from lungs-0.9.0 to lungs-1.0.0"),
        ({"package_sha256": "00"}, "the files of the package changed"),
        ({"reading": "0"}, "images are decoded or prepared in another way now"),
        ({"site": "Elsewhere"}, "it was made at another site"),
        ({"made_at": NOW - LASTS}, "its time was over on"),
    ],
)
def test_it_ends(tmp_path: Path, folder: Path, changes: dict[str, Any], why: str) -> None:
    assert state(tmp_path, folder, **changes).ended.startswith(why)


def test_it_is_of_one_moment_to_the_next_that_it_ends(tmp_path: Path, folder: Path) -> None:
    made_at = NOW - LASTS + timedelta(seconds=5)
    assert not state(tmp_path, folder, made_at=made_at).ended
    assert state(tmp_path, folder, NOW + timedelta(seconds=5), made_at=made_at).ended


def test_a_running_process_sees_what_ends_it(tmp_path: Path, folder: Path) -> None:
    path, made = certificate_path(tmp_path, "lungs"), certificate_for(folder)
    certificates = SiteCertificates(tmp_path, "General")

    def ended() -> str:
        certificate = certificates.of("lungs", "lungs-1.0.0", made.package_sha256)
        return "" if certificate is None else certificate.ended

    write_certificate(path, made)
    assert ended() == ""
    write_certificate(path, made, EarlyEnd(cause=EndCause.REVOKED, at=NOW, by="mara"))
    assert ended() == f"mara revoked it on {NOW:%Y-%m-%d}"
    write_certificate(path, made, EarlyEnd(cause=EndCause.DRIFTED, at=NOW, shift=0.0712))
    assert "drifted by 0.071" in ended()


def test_a_file_that_was_changed_automates_nothing(tmp_path: Path, folder: Path) -> None:
    path = certificate_path(tmp_path, "lungs")
    state(tmp_path, folder)
    path.write_text(path.read_text().replace("level: 0.8", "level: 0.9"))
    certificate = SiteCertificates(tmp_path, "General").of("lungs", "lungs-1.0.0", "")
    assert certificate is not None
    assert "changed after it was written" in certificate.ended
    path.write_text("format: [")
    certificate = SiteCertificates(tmp_path, "General").of("lungs", "lungs-1.0.0", "")
    assert certificate is not None
    assert "not plain YAML" in certificate.ended


def test_less_than_is_asked_for_is_no_certificate(folder: Path) -> None:
    for changes in ({"level": 0.79}, {"least_right": 0.94}):
        with pytest.raises(ValueError, match="greater than or equal"):
            certificate_for(folder, **changes)


def test_the_digest_is_of_the_content(tmp_path: Path, folder: Path) -> None:
    path = certificate_path(tmp_path, "lungs")
    first = write_certificate(path, certificate_for(folder, made_at=NOW))
    again = write_certificate(path, certificate_for(folder, made_at=NOW), EarlyEnd(cause=EndCause.REVOKED, at=NOW))
    assert first == again == read_certificate(path).sha256
    assert first != write_certificate(path, certificate_for(folder, made_at=NOW, level=0.9))


EVIDENCE = {
    "population": "adults", "collections": ["made"], "images": 100, "min_confidence": 0.8, "answers": 90, "errors": 0,
    "upper_bound": 0.04, "max_error": 0.05,
}  # fmt: skip


def evidence(tmp_path: Path, *names: str) -> dict[str, PackageAutomation]:
    settings = load_settings(
        None, assess={"shipped_packages": False, "models_dir": str(tmp_path / "models")},
        node={"data_dir": tmp_path, "site": "General"},
    )  # fmt: skip
    policy = policy_of(ACCEPT, package=[{"name": name} for name in names])
    return {one.package: one for one in automation_of(settings, policy, NOW)}


def test_each_package_says_by_which_evidence_it_automates(tmp_path: Path, folder: Path) -> None:
    write_classifier(tmp_path / "models/proven-1.0.0", name="proven", automation=[EVIDENCE])
    write_classifier(tmp_path / "models/unproven-1.0.0", name="unproven", automation=[])
    packages = evidence(tmp_path, "lungs", "proven", "unproven", "anomaly", "absent")
    assert {name: one.evidence for name, one in packages.items()} == {
        "lungs-1.0.0": Evidence.PLAIN_RULE, "proven-1.0.0": Evidence.CARD, "unproven-1.0.0": Evidence.NONE,
    }  # fmt: skip
    assert "the card names no evidence" in packages["unproven-1.0.0"].detail
    assert not list(automation_alarms(list(packages.values())))

    state(tmp_path, folder)
    one = evidence(tmp_path)["lungs-1.0.0"]
    assert (one.evidence, one.is_near_end, one.is_over) == (Evidence.CERTIFICATE, False, False)


def test_the_end_is_told_a_month_before_and_then_until_there_is_another(tmp_path: Path, folder: Path) -> None:
    state(tmp_path, folder, made_at=NOW - LASTS + NEAR - timedelta(hours=1))
    [alarm] = automation_alarms(list(evidence(tmp_path).values()))
    assert alarm.subject.startswith("The certificate for predictions of lungs-1.0.0 ends on ")
    assert "models certify" in alarm.text

    state(tmp_path, folder, made_at=NOW - LASTS)
    [alarm] = automation_alarms(list(evidence(tmp_path).values()))
    assert alarm.subject == "lungs-1.0.0 automates nothing any more"

    made, end = certificate_for(folder), EarlyEnd(cause=EndCause.REVOKED, at=NOW, by="mara")
    write_certificate(certificate_path(tmp_path, "lungs"), made, end)
    assert evidence(tmp_path)["lungs-1.0.0"].evidence is Evidence.NONE
    assert not list(automation_alarms(list(evidence(tmp_path).values()))), "somebody decided that"
