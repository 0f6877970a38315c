"""The project around the code: what is installed, what the make targets promise, and what ships."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.project.test_project import ROOT, installs, make


def test_the_wheel_holds_what_an_installed_node_needs(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    share = "miqa_node/_share"
    needed = {f"{share}/config/miqa.toml", f"{share}/config/policy.toml", f"{share}/migrations/env.py"}
    needed |= {f"{share}/{path.relative_to(ROOT)}" for path in (ROOT / "models").glob("*/*") if path.is_file()}
    for pattern in (
        "**/*.html",
        "features/*/templates/*.html",
        "features/*/migrations/*.py",
        "core/language/locale/*/LC_MESSAGES/*.po",
        "**/*.js",
    ):
        shipped = {str(path.relative_to(ROOT)) for path in (ROOT / "miqa_node").glob(pattern)}
        assert shipped, f"nothing is where {pattern} looks"
        needed |= shipped
    assert needed <= names, needed - names
    assert not {name for name in names if name.startswith(("tests/", "docs/"))}


@pytest.mark.long
def test_the_list_of_parts_is_valid_and_names_what_computes(tmp_path: Path) -> None:
    pytest.importorskip("cyclonedx_py", reason="cyclonedx-bom is not installed")
    file = tmp_path / "parts.json"
    command = [sys.executable, "-m", "cyclonedx_py", "environment", sys.executable, "--validate", "-o", str(file)]
    subprocess.run([*command, "--pyproject", str(ROOT / "pyproject.toml")], check=True, capture_output=True)
    parts = json.loads(file.read_text("utf-8"))
    assert parts["bomFormat"] == "CycloneDX"
    assert parts["metadata"]["component"]["name"] == "miqa-node"
    assert {"pydicom", "numpy", "dbos"} <= {part["name"] for part in parts["components"]}


@pytest.mark.parametrize(("target", "last"), [("run", "setup-run"), ("test", "setup")])
def test_running_installs_less_and_testing_adds_to_it(target: str, last: str, tmp_path: Path) -> None:
    def steps(*targets: str) -> list[str]:
        planned = make("--dry-run", *targets, "ACCEL=cpu", f"VENV={tmp_path / 'venv'}").stdout
        return installs(planned)

    run, everything = steps("setup-run"), steps("setup")
    assert everything[: len(run)] == run
    assert [line.partition(" install ")[2] for line in everything[len(run) :]] == [
        "--constraint constraints.txt --group dev --group docs"
    ]
    assert steps(target) == steps(last)
    assert steps("run", "test") == everything
