"""Reasons have the codes of what they say: lost slices are no positioning; the analysis says what changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.rule import Subject
from miqa_node.core.settings.policy import read_policy
from miqa_node.dicom.pixels.plausibility import ISSUES
from miqa_node.features.analysis.rows.reason_changes import codes_changed
from miqa_node.runtime.store.tables import dispositions
from tests.web.staging import Stage, staging

POLICY = Path(__file__).parents[4] / "config" / "policy.toml"
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
BY_RADIOGRAPHER = {"truncation"}
"""Measurements of series that whoever positions can mend."""


def test_only_what_positioning_can_mend_is_positioning() -> None:
    rules = [*read_policy(POLICY).of(Subject.MEASUREMENT)]
    measured = {rule.what for rule in rules if rule.code.value == "111209"}
    exposed = {rule.what for rule in rules if "MR" in rule.where.modality and rule.code.value in ("111211", "111212")}
    assert measured == BY_RADIOGRAPHER
    assert exposed == set(), "nothing is exposed in MR"
    assert {name for name, code in ISSUES.items() if code.value == "111209"} == {"marker_contradicts_laterality"}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staging(tmp_path, page_size=3) as stage:
        yield stage


@pytest.mark.parametrize(
    ("versions", "is_across"),
    [
        (("2026-11-28.2", "2026-11-28.3"), True),
        (("2026-11-20", "2026-12-04+limits.2"), True),
        (("2026-11-28.3", "2026-12-04"), False),
        (("2026-11-20", "2026-11-28.2"), False),
        (("ours-7", "ours-8"), False),
        (("ours-7", "2026-12-04"), False),
    ],
)
def test_an_analysis_across_the_change_says_so(stage: Stage, versions: tuple[str, str], is_across: bool) -> None:
    for number, version in enumerate(versions):
        _, digest = stage.add(number, at=BEGIN + timedelta(days=number))
        with stage.services.database.begin() as transaction:
            row = sa.update(dispositions).where(dispositions.c.digest == digest)
            transaction.execute(row.values(policy_version=version))
    with stage.services.database.begin() as transaction:
        assert codes_changed(transaction, BEGIN, BEGIN + timedelta(days=9)) is is_across
        assert not codes_changed(transaction, BEGIN, BEGIN + timedelta(hours=9))
