"""Reasons in plain words: grades from the numbers, and none where they would mean nothing."""

from __future__ import annotations

import pytest

from miqa_node.core.taxonomy.lookup import gate_entries
from miqa_node.core.words.reason import plain


@pytest.mark.parametrize(
    ("probability", "severity", "grades"),
    [("0.50", "0.10", "possible, slight"), ("0.70", "0.38", "likely, moderate"), ("0.89", "0.63", "likely, marked"),
     ("0.90", "0.88", "certain, severe"), ("1.00", "1.00", "certain, severe")],
)  # fmt: skip
def test_grades_of_a_finding(probability: str, severity: str, grades: str) -> None:
    reason = plain(f"Metal: probability {probability}, severity {severity}")

    assert (reason.title, reason.words) == ("Metal", f"Metal – {grades}")
    assert reason.figures == f"probability {probability}, severity {severity}"


def test_the_limit_of_a_room_is_a_number_behind() -> None:
    reason = plain("Noisy (limit 0.62 of ROOM1, PA, set 3, 2026-11-20 by mara): probability 0.80, severity 0.70")

    assert reason.words == "Noisy – likely, marked"
    assert reason.figures == "probability 0.80, severity 0.70, limit 0.62 of ROOM1, PA, set 3, 2026-11-20 by mara"


def test_another_kind_of_image_has_no_strength() -> None:
    for entry in gate_entries().values():
        title = entry.words["en"].title
        assert plain(f"{title}: probability 0.93, severity 0.93").words == f"{title} – certain"


@pytest.mark.parametrize("text", ["Image is blank.", "Grid peak 7.4 is above the limit of 5", ""])
def test_other_reasons_keep_their_words(text: str) -> None:
    assert plain(text).whole == text
