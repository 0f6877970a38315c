"""Names, dates and numbers as people write them count as identity, and the markings of the list do not."""

from __future__ import annotations

from benchmarks.written_lines import sections, share
from miqa_node.stages.assess.text.kind import kind_of

LEAST_IDENTITY, MOST_MARKINGS = 0.97, 0.10


def test_identity_is_called_and_markings_are_not() -> None:
    lines = sections()
    assert share(lines["Identity"], lambda line: kind_of(line) is not None) >= LEAST_IDENTITY
    assert share(lines["Markings"], lambda line: kind_of(line) is not None) <= MOST_MARKINGS


def test_a_label_has_four_digits_at_most() -> None:
    for label in ("C", "SE ", "IM:", "L", "W "):
        assert (kind_of(f"{label}1234"), kind_of(f"{label}12345") is not None) == (None, True), label
