"""An audit that looked nothing up has found nothing, and says so."""

from __future__ import annotations

import runpy
from typing import Any

import pytest

from tests.conftest import ROOT

FINE = {"name": "numpy", "version": "2.4.1", "vulns": []}
FAULT = {"name": "h11", "version": "0.1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["0.16"]}]}
UNKNOWN = {"name": "obstore", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "is_clean", "says"),
    [
        ([FINE, FINE], True, "2 of 2 packages audited."),
        ([FINE, FAULT], False, "h11 0.1: PYSEC-1, mended in 0.16"),
        ([FINE, UNKNOWN], False, "obstore: not audited"),
        ([UNKNOWN, UNKNOWN], False, "Not audited: the index answered for none of 2 packages."),
        ([], False, "Not audited"),
    ],
)
def test_only_what_was_looked_up_is_clean(packages: list[dict[str, Any]], is_clean: bool, says: str) -> None:
    lines, clean = runpy.run_path(str(ROOT / ".ci" / "audit.py"))["findings"]({"dependencies": packages})
    assert clean is is_clean
    assert says in "\n".join(lines)
