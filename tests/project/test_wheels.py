"""Run time and training are separable: a site's wheel holds no training code, and works without it."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from miqa_node import __version__
from miqa_node.stages.assess.text.extra import LIBRARY
from miqa_node.stages.report.series.extra import LIBRARIES
from tests.installation import Installation, built
from tools.release import FOLDERS

CHECKOUT = Path(__file__).parents[2]
LIBRARIES_OF_NODE = ("onnx_vjp", "phantom_shapes", "plain_statistics", "pynetdicom_streaming")


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``make dist`` makes of this checkout."""
    folder = tmp_path_factory.mktemp("release") / "dist"
    make = ["make", "--silent", "-o", "setup", "dist", "TRIAL=1", "BUNDLE=no", f"DIST={folder}", f"VENV={sys.prefix}"]
    subprocess.run(make, cwd=CHECKOUT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheels(dist: Path) -> dict[str, Path]:
    """The wheels of all distributions by the name of the package."""
    return {path.name.partition("-")[0].replace("miqa_node_", "miqa_"): path for path in dist.glob("*.whl")}


def modules(wheel: Path, package: str) -> set[str]:
    """Every file of a wheel but its metadata and what a checkout has elsewhere; all of it lies in the package."""
    names = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert all(name.startswith(f"{package}/") for name in names)
    return {name for name in names if "/_share/" not in name}


def metadata_of(wheel: Path) -> str:
    """What a wheel says of itself."""
    with ZipFile(wheel) as files:
        [name] = [name for name in files.namelist() if name.endswith(".dist-info/METADATA")]
        return files.read(name).decode()


@pytest.fixture(scope="module")
def site(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An environment with the node's wheel."""
    return Installation(tmp_path_factory.mktemp("site") / "miqa", wheels["miqa_node"])


@pytest.mark.more
@pytest.mark.parametrize("name", ["miqa_hl7", "miqa_phantoms", "miqa_selftest", "miqa_series", "miqa_training"])
def test_what_stands_on_the_node_asks_for_that_of_the_same_version(name: str, wheels: dict[str, Path]) -> None:
    assert f"Requires-Dist: miqa-node=={__version__}\n" in metadata_of(wheels[name])


@pytest.mark.more
def test_what_is_handed_out_is_whole_and_named_by_its_version(dist: Path) -> None:
    own = ("hl7", "phantoms", "selftest", "series", "training")
    names = ("miqa_node", *(f"miqa_node_{one}" for one in own), *LIBRARIES_OF_NODE)
    files = {f"{name}-{__version__}{end}" for name in names for end in ("-py3-none-any.whl", ".tar.gz")}
    pins = {"constraints.txt", "miqa-node-cpu.lock", "miqa-node-gpu.lock"}
    texts = {"RELEASE.md", "CHANGELOG.md", "SECURITY.md", "LICENSE", "NOTICE", "install.sh", "miqa-node.service"}
    texts |= {"Dockerfile"}
    pages = {str(path.relative_to(dist)) for name in FOLDERS for path in (dist / name).rglob("*") if path.is_file()}
    assert {
        "config/profiles/flagged-only.toml",
        "config/prometheus-rules.yml",
        "docs/how-to/install-at-a-site.md",
    } <= pages
    assert {path.name for path in dist.iterdir()} == files | pins | texts | {"SHA256SUMS", *FOLDERS}
    lines = (dist / "SHA256SUMS").read_text().splitlines()
    assert {name: digest for digest, name in map(str.split, lines)} == {
        name: hashlib.sha256((dist / name).read_bytes()).hexdigest() for name in files | pins | texts | pages
    }


@pytest.mark.more
def test_a_wheel_that_is_built_again_of_its_sdist_is_the_same(dist: Path, tmp_path: Path) -> None:
    again = built(dist.glob("*.tar.gz"), tmp_path)
    assert len(again) == 10
    for wheel in again:
        assert wheel.read_bytes() == (dist / wheel.name).read_bytes(), wheel.name


@pytest.mark.more
def test_the_wheels_hold_each_file_once_and_the_node_has_its_libraries(wheels: dict[str, Path]) -> None:
    content = {package: modules(wheel, package) for package, wheel in wheels.items()}
    assert set(content) == {
        "miqa_node",
        "miqa_hl7",
        "miqa_phantoms",
        "miqa_selftest",
        "miqa_series",
        "miqa_training",
        *LIBRARIES_OF_NODE,
    }
    assert {"miqa_training/report/page.html", "miqa_training/deidentify/profile.csv"} <= content["miqa_training"]
    of_node = {f"miqa_node/libraries/{name}" for one in LIBRARIES_OF_NODE for name in content[one]}
    assert of_node < content["miqa_node"]
    shared = {Path(name).stem for name in ZipFile(wheels["miqa_node"]).namelist() if "/_share/config/profiles/" in name}
    assert shared == {path.stem for path in (CHECKOUT / "config" / "profiles").iterdir()}
    folders = [CHECKOUT / "miqa_node", *(path for path in (CHECKOUT / "packages").glob("*/*/") if path.is_dir())]
    ours = {str(path.relative_to(folder.parent)) for folder in folders for path in folder.rglob("*.py")}
    assert ours == {name for names in content.values() for name in names - of_node if name.endswith(".py")}


@pytest.mark.more
def test_the_node_asks_for_none_of_them(wheels: dict[str, Path]) -> None:
    """A name that nobody has registered on an index is an invitation to others."""
    needed = set(re.findall(r"^Requires-Dist: ([\w-]+)", metadata_of(wheels["miqa_node"]), re.MULTILINE))
    assert "pydicom" in needed
    assert not needed & {path.name for path in (CHECKOUT / "packages").iterdir()}


@pytest.mark.more
@pytest.mark.long
def test_a_site_without_training_assesses_and_says_what_train_needs(site: Installation, tmp_path: Path) -> None:
    grey = np.random.default_rng(1).integers(0, 255, (600, 500), np.uint8)
    Image.fromarray(grey).save(tmp_path / "noise.png")
    assessed = site.run("assess", "noise.png", "--json", folder=tmp_path)
    assert '"verdict"' in assessed.stdout, assessed.stderr
    doctor = site.run("doctor", folder=tmp_path)
    assert "Traceback" not in doctor.stderr
    assert f"{site.site}/miqa_node/_share/config/policy.toml" in doctor.stdout
    assert "model" in doctor.stdout.lower(), doctor.stdout + doctor.stderr
    for command in (
        ("train", "quality", "--data", ".", "--out", "run"),
        ("evaluate", "report", ".", "--data", "."),
        ("evaluate", "quality-1.0.0", "--data", "."),
        ("deidentify", ".", "out", "--key", "key"),
    ):
        refused = site.run(*command, folder=tmp_path)
        assert refused.returncode != 0
        assert f"bin/pip install './miqa_node_training-{__version__}-py3-none-any.whl" in refused.stderr, refused.stdout


@pytest.mark.more
def test_a_site_without_the_libraries_of_extras_is_told_how_to_add_them(
    wheels: dict[str, Path], tmp_path: Path
) -> None:
    site = Installation(tmp_path / "miqa", wheels["miqa_node"], lacking=(*LIBRARIES, LIBRARY))
    doctor = site.run("doctor", folder=tmp_path)
    (line,) = (line for line in doctor.stdout.splitlines() if line.startswith("ok   text in pixels"))
    assert line.endswith(f"{site.folder}/bin/pip install 'rapidocr<4,>=3.10'")
    (line,) = (line for line in doctor.stdout.splitlines() if line.startswith("ok   series  "))
    assert line.endswith("in the folder of the release"), "series are measured by a wheel of their own"
