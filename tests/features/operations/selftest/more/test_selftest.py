"""The self-test sends what it says it sends, notices what is wrong, and a whole one passes on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from miqa_node.features.operations.selftest.encodings import ENCODINGS
from miqa_node.interfaces.cli.app import app


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_whole_self_test_passes_here(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["selftest", "--out", str(tmp_path / "record"), "--limit", "600", "--json"])
    record = json.loads(ran.stdout)
    assert ran.exit_code == 0, [c for c in record["checks"] if c["faults"]]
    assert record["modalities"] == ["CR", "DX", "MG", "CT", "MR"]
    assert len(record["transfer_syntaxes"]) == len(ENCODINGS)
    assert any("SEG" in c["delivered"] for c in record["checks"])
    assert all("SR" in c["delivered"] for c in record["checks"])
