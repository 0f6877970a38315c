"""A monthly report that was made stays as it is when a late slice changes the verdict of a series that it counted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from miqa_node.core.domain.policy import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.features.analysis.monthly_reports import Form, keep_last_month, key
from miqa_node.stages.conclusion.work.one_verdict import OneVerdict
from tests.interfaces.cli.conftest import Ran, cli
from tests.node.more.test_one_verdict_everywhere import Said, client, files, judge_all, rig
from tests.stages.measure.series import making
from tests.stages.units.test_series_way import Rig

__all__ = ["cli", "rig"]

NEXT_MONTH = timedelta(days=32)


def test_a_report_that_was_made_is_not_rewritten(rig: Rig, tmp_path: Path, cli: Callable[..., Ran]) -> None:
    settings = load_settings(node={"data_dir": rig.folder})
    speaker = Said(rig, client(rig), cli, making.STUDY, files(tmp_path / "sent", "one series"))

    def kept() -> dict[Form, bytes]:
        at = datetime.now(UTC).replace(day=1) + NEXT_MONTH
        month = keep_last_month(rig.database, rig.objects, settings, at)
        return {form: rig.objects.local_path(key(month, form)).read_bytes() for form in Form}

    speaker.receive([0, 1, 3, 4])
    judge_all(rig)
    assert speaker.verdicts()["rows"] == {Verdict.REVIEW.value}
    made = kept()
    speaker.receive([2])
    judge_all(rig)
    assert speaker.verdicts()["rows"] == {Verdict.ACCEPT.value}
    assert kept() == made
    OneVerdict(rig.pipeline._context, lambda _kind: ["PACS"]).look()  # as after each start
    assert kept() == made
