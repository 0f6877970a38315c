"""Names that are the same whenever the same thing is made."""

from __future__ import annotations

from miqa_node.stages.report.uids import derive_uid


def test_the_derivation_never_changes() -> None:
    """A PACS knows what was sent years ago by these."""
    assert derive_uid("1.2.3", "SR", "instance") == "2.25.81632967956917045787819988393140742703"
