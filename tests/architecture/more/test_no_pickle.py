"""No pickle is read from disk, network or package: reading one runs whatever it says."""

from __future__ import annotations

from pathlib import Path

from tests.architecture.test_no_pickle import faults

ROOT = Path(__file__).resolve().parents[3]


RESTRICTED = {"miqa_node/runtime/workers/answers.py"}
"""Answers of worker processes, of which only classes of data are found; see tests/runtime/workers/test_answers.py."""


def modules() -> list[Path]:
    return [
        path
        for folder in ("miqa_node", "packages", "demo", "tools", "examples", "migrations", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
    ]


def test_no_module_reads_one() -> None:
    faults_by_module = {str(path.relative_to(ROOT)): list(faults(path.read_text("utf-8"))) for path in modules()}
    assert len(faults_by_module) > 300
    assert {path for path, all_of_it in faults_by_module.items() if all_of_it} == RESTRICTED
    assert [fault for path in RESTRICTED for fault in faults_by_module[path]] == ["imports pickle"]
