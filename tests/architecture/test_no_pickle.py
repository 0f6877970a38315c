"""No pickle is read from disk, network or package: reading one runs whatever it says."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.anomaly.arrays import load_arrays

READERS = {"cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "pickle", "shelve"}
SAFE_BY = {"torch.load": ("weights_only", True)}
MENTION = re.compile(r"pickle|\bload\b|_load\b|" + "|".join(sorted(READERS)))
FORBIDDEN = {"yaml.load", "yaml.unsafe_load", "yaml.full_load", "pandas.read_pickle"}
RESTRICTED = {"miqa_node/runtime/workers/answers.py"}
"""Answers of worker processes, of which only classes of data are found; see tests/runtime/workers/test_answers.py."""


def faults(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)) if MENTION.search(source) else ():
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        yield from (f"imports {name}" for name in names if name.partition(".")[0] in READERS)
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            keywords = {word.arg: ast.unparse(word.value) for word in node.keywords}
            if called in FORBIDDEN or keywords.get("allow_pickle", "False") != "False":
                yield f"line {node.lineno}: {called}"
            word, value = SAFE_BY.get(called, ("", None))
            if word and keywords.get(word) != str(value):
                yield f"line {node.lineno}: {called} without {word}={value}"


ROOT = Path(__file__).resolve().parents[2]


def modules() -> list[Path]:
    return [
        path
        for folder in ("miqa_node", "packages", "demo", "tools", "examples", "migrations", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
    ]


@pytest.mark.parametrize(
    "source",
    ["import pickle", "from joblib import load", "np.load(f, allow_pickle=True)", "torch.load(f)", "yaml.load(f)"],
)
def test_the_check_sees_each_way(source: str) -> None:
    assert list(faults(source))


def test_arrays_of_a_package_hold_no_objects() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, trees=np.array([{}], dtype=object))
    with pytest.raises(ModelPackageError):
        load_arrays(buffer.getvalue())


@pytest.mark.more
def test_no_module_reads_one() -> None:
    faults_by_module = {str(path.relative_to(ROOT)): list(faults(path.read_text("utf-8"))) for path in modules()}
    assert len(faults_by_module) > 300
    assert {path for path, all_of_it in faults_by_module.items() if all_of_it} == RESTRICTED
    assert [fault for path in RESTRICTED for fault in faults_by_module[path]] == ["imports pickle"]
