"""Run time and training are separable: a site's wheel holds no training code, and works without it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from miqa_node import __version__

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheels of all distributions, built from this checkout, by the name of the package."""
    folder = tmp_path_factory.mktemp("wheels")
    sources = [str(CHECKOUT), *(str(path) for path in sorted((CHECKOUT / "packages").iterdir()))]
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), *sources], check=True)
    return {
        path.name.partition("-")[0].replace("miqa_node_training", "miqa_training"): path for path in folder.iterdir()
    }


def modules(wheel: Path, package: str) -> set[str]:
    """Every file of a wheel but its metadata and what a checkout has elsewhere; all of it lies in the package."""
    names = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert all(name.startswith(f"{package}/") for name in names)
    return {name for name in names if "/_share/" not in name}


@pytest.fixture(scope="module")
def site(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the node's wheel and, as links, the libraries of the environment of the tests."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    subprocess.run([*command, str(wheels["miqa_node"])], check=True)
    for place in (Path(name) for name in sys.path if Path(name).name == "site-packages"):
        for path in place.iterdir():
            if "miqa" not in path.name and path.suffix != ".pth" and not (folder / path.name).exists():
                (folder / path.name).symlink_to(path)
    return folder


def run(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``miqa-node`` of the site's folder alone: -S leaves out the environment of the tests."""
    code = """
import sys
from importlib.metadata import entry_points
import miqa_node
print(miqa_node.__file__)
(script,) = entry_points(group="console_scripts", name="miqa-node")
sys.exit(script.load()())
"""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(site), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-S", "-c", code, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_wheels_hold_each_file_once_and_the_node_has_its_libraries(wheels: dict[str, Path]) -> None:
    content = {package: modules(wheel, package) for package, wheel in wheels.items()}
    assert set(content) == {"miqa_node", "miqa_training", "onnx_vjp", "pynetdicom_streaming"}
    assert {"miqa_training/report/page.html", "miqa_training/deidentify/profile.csv"} <= content["miqa_training"]
    of_node = {f"miqa_node/libraries/{name}" for one in ("onnx_vjp", "pynetdicom_streaming") for name in content[one]}
    assert of_node < content["miqa_node"]
    folders = [CHECKOUT / "miqa_node", *(path for path in (CHECKOUT / "packages").glob("*/*/") if path.is_dir())]
    ours = {str(path.relative_to(folder.parent)) for folder in folders for path in folder.rglob("*.py")}
    assert ours == {name for names in content.values() for name in names - of_node if name.endswith(".py")}


@pytest.mark.slow
def test_the_node_asks_for_none_of_them(wheels: dict[str, Path]) -> None:
    """A name that nobody has registered on an index is an invitation to others."""
    with ZipFile(wheels["miqa_node"]) as wheel:
        [metadata] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        needed = set(re.findall(r"^Requires-Dist: ([\w-]+)", wheel.read(metadata).decode(), re.MULTILINE))
    assert "pydicom" in needed
    assert not needed & {path.name for path in (CHECKOUT / "packages").iterdir()}


def test_training_asks_for_the_node_of_the_same_version() -> None:
    path = CHECKOUT / "packages" / "miqa-node-training" / "pyproject.toml"
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    assert project["dependencies"] == [f"miqa-node=={__version__}"]


@pytest.mark.slow
def test_a_site_without_training_assesses_and_says_what_train_needs(site: Path, tmp_path: Path) -> None:
    grey = np.random.default_rng(1).integers(0, 255, (600, 500), np.uint8)
    Image.fromarray(grey).save(tmp_path / "noise.png")
    assessed = run(site, tmp_path, "assess", "noise.png", "--json")
    assert assessed.stdout.startswith(str(site)), assessed.stdout + assessed.stderr
    assert '"verdict"' in assessed.stdout, assessed.stderr
    doctor = run(site, tmp_path, "doctor")
    assert "Traceback" not in doctor.stderr
    assert "model" in doctor.stdout.lower(), doctor.stdout + doctor.stderr
    for command in (
        ("train", "quality", "--data", ".", "--out", "run"),
        ("evaluate", "report", ".", "--data", "."),
        ("evaluate", "quality-1.0.0", "--data", "."),
        ("deidentify", ".", "out", "--key", "key"),
    ):
        refused = run(site, tmp_path, *command)
        assert refused.returncode != 0
        assert re.search(r"pip install '?miqa-node-training", refused.stderr), refused.stdout + refused.stderr
