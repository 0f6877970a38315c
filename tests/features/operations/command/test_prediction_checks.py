"""``doctor`` says by which evidence packages automate, and a month before a certificate ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from miqa_node.core.settings import load_settings
from miqa_node.features.operations.command.health_checks import FailedCheck
from miqa_node.features.operations.command.prediction_checks import evidence_of_packages
from miqa_node.stages.assess.prediction_certificate import (
    LASTS,
    EarlyEnd,
    EndCause,
    certificate_path,
    write_certificate,
)
from tests.stages.assess.certifying import certificate_for
from tests.stages.assess.classify.making import write_classifier

NOW = datetime.now(UTC)
POLICY = 'version = "t"\n[[rule]]\nfinding = "all"\nthen = "ACCEPT"\nevidence = "card"\n[[package]]\nname = "lungs"\n'


@pytest.fixture
def words(tmp_path: Path) -> Callable[[], str]:
    write_classifier(tmp_path / "models/lungs-1.0.0")
    (tmp_path / "policy.toml").write_text(POLICY)
    settings = load_settings(
        None, assess={"shipped_packages": False, "models_dir": str(tmp_path / "models")},
        node={"data_dir": tmp_path, "site": "General"}, policy={"file": str(tmp_path / "policy.toml")},
    )  # fmt: skip
    return lambda: evidence_of_packages(settings)


def test_the_evidence_and_the_end_are_told(words: Callable[[], str], tmp_path: Path) -> None:
    assert words().startswith("lungs-1.0.0 automates by plain rule (a confidence of 0.80 and more")
    path, folder = certificate_path(tmp_path, "lungs"), tmp_path / "models/lungs-1.0.0"
    write_certificate(path, certificate_for(folder))
    assert words().startswith("lungs-1.0.0 automates by certificate (certificate of")
    for days in (29, -1):
        write_certificate(path, certificate_for(folder, made_at=NOW - LASTS + timedelta(days=days)))
        with pytest.raises(FailedCheck) as failure:
            words()
        assert "miqa-node models certify" in failure.value.mend
    write_certificate(path, certificate_for(folder), EarlyEnd(cause=EndCause.REVOKED, at=NOW, by="mara"))
    assert words().startswith("lungs-1.0.0 automates by none (the certificate of")
