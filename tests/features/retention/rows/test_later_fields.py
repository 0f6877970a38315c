"""An archive's copy is the same image although an earlier version read fewer elements of the original's header."""

from __future__ import annotations

from dataclasses import replace

from miqa_node.core.domain.instance import Header, SeriesInstanceUid, SopInstanceUid, StudyInstanceUid
from miqa_node.features.retention.rows.archived import is_same


def test_what_an_earlier_version_did_not_read_is_no_difference() -> None:
    original = Header(
        "1.2.840.10008.5.1.4.1.1.4", SopInstanceUid("1.2.3.4"), SeriesInstanceUid("1.2.3"), StudyInstanceUid("1.2"),
        "1.2.840.10008.1.2.1", "MR",
    )  # fmt: skip
    copy = replace(original, series_description="t1_tse_sag", protocol_name="Knee", age_years=40, view_modifier="")

    assert is_same(copy, original)
    assert not is_same(replace(copy, rows=501), original)
    assert not is_same(replace(copy, series_description="t2"), replace(original, series_description="t1"))
