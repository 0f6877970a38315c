"""No storey has more lines than the table of CONTRIBUTING.md allows."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import ROOT
from tools.budget import budgets

STOREYS = {"core", "dicom", "features", "interfaces", "runtime", "stages"}
TABLE = "| core | `miqa_node/core/**/*.py` | 3 | {} |\n"


def test_each_storey_keeps_its_budget() -> None:
    assert [one.fault for one in budgets() if one.fault] == []


def test_every_file_of_the_package_counts_once() -> None:
    every = {one.storey: one.lines for one in budgets()}
    assert set(every) >= STOREYS
    files = [path for path in (ROOT / "miqa_node").rglob("*.py") if "libraries" not in path.parts[:-1]]
    files = [path for path in files if "migrations" not in path.parts]
    counted = sum(lines for name, lines in every.items() if name in STOREYS | {"node"})
    libraries = (ROOT / "miqa_node" / "libraries" / "__init__.py").read_text("utf-8")
    assert counted == sum(len(file.read_text("utf-8").splitlines()) for file in files) + len(libraries.splitlines())


def test_a_line_too_many_is_told_and_an_allowance_allows_it(tmp_path: Path) -> None:
    for file, lines in (("a.py", 2), ("inner/b.py", 2), ("migrations/c.py", 9)):
        path = tmp_path / "miqa_node" / "core" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n" * lines, "utf-8")
    faults = []
    for more in ("–", "1 for what comes"):
        (tmp_path / "CONTRIBUTING.md").write_text(TABLE.format(more), "utf-8")
        faults += [one.fault for one in budgets(tmp_path)]
    assert faults[0].startswith("core has 4 lines, 1 more than CONTRIBUTING.md allows: something goes out")
    assert faults[1] == ""
