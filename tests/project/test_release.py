"""What a release wants before it is one, and what its files say; what people read tells nobody to install a name."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from miqa_node import __version__
from miqa_node.plugins import OWN_DISTRIBUTIONS, addition
from tests.conftest import ROOT
from tests.project.machine import INSTALL, NEXT, UPGRADE, made
from tools import night, release

PROJECTS = [ROOT / "pyproject.toml", *ROOT.glob("packages/*/pyproject.toml")]
SPOKEN = (
    "miqa_node",
    "packages",
    "demo",
    "examples",
    "docs",
    "config",
    "changes",
    "tools",
    ".github",
    "*.md",
    "Makefile",
    "Dockerfile",
)
"""What people read, on pages and as messages."""


def test_a_release_wants_a_night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = {"at": "2026-01-01", "commit": "abc", "outcome": "passed"}
    rows = {name: dict(sound) for name in night.PARTS}
    monkeypatch.setattr(night, "parts", lambda: rows)
    monkeypatch.setattr(release, "git", lambda *_words: "")
    monkeypatch.setattr(release, "ROOT", tmp_path)  # without fragments
    ages: dict[str, int | None] = {}
    monkeypatch.setattr(night, "commits_since", lambda of: ages.get(of, release.MOST_COMMITS - 1))
    assert release.faults() == []
    rows["fuzz"]["commit"], ages["old"] = "old", release.MOST_COMMITS
    rows["soak"]["outcome"] = "failed: soak"
    rows["crash"]["commit"], ages["lost"] = "lost", None
    del rows["faults"]
    output = "\n".join(release.faults())
    assert 'make night PARTS="fuzz soak crash faults"' in output
    assert "fuzz of the night: 150 commits ago" in output
    monkeypatch.setattr(release, "git", lambda *_words: " M file")
    assert release.faults()[-1] == "  files that are not committed; run: git status"
    monkeypatch.setattr(sys, "argv", ["release", str(tmp_path / "dist")])
    assert release.main() == 1
    assert not (tmp_path / "dist").exists()


def test_what_asks_for_the_node_asks_for_its_own_version() -> None:
    hooks = {path.read_text() for path in ROOT.glob("packages/*/hatch_build.py")}
    assert len(hooks) == 1
    assert "metadata['version']" in hooks.pop()
    assert [path for path in PROJECTS if re.search(rf"miqa-node==|^version = |{__version__}$", path.read_text())] == []


def test_pages_name_this_version_and_the_next() -> None:
    for page in (INSTALL, UPGRADE, "supply-chain.md", "train-a-classifier.md"):
        named = set(
            re.findall(r"miqa(?:-node|_node_training)?-(\d+\.\d+\.\d+)", (ROOT / "docs/how-to" / page).read_text())
        )
        assert named - {"0.1.0"} <= {__version__, NEXT}, page  # 0.1.0 is what a folder of before is called
        assert __version__ in named, page


def test_nothing_tells_to_install_a_name_that_nobody_owns() -> None:
    """Whoever registered it first would have what they like installed at sites."""
    own = "|".join(tomllib.loads(path.read_text())["project"]["name"] for path in PROJECTS)
    by_name = re.compile(rf"(?:pip\S* install|INSTALL\))[^\n`]*?[\s'\"](?:{own})(?![\w/-]|\.whl)")
    files = subprocess.run(["git", "ls-files", *SPOKEN], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    texts = {
        name: (ROOT / name).read_text("utf-8", errors="ignore") for name in files.split() if (ROOT / name).is_file()
    }
    assert len(texts) > 1000
    assert all(map(by_name.search, ("pip install 'miqa-node[seal]'", "pip'} install miqa-node-training.")))
    assert [f"{name}: {hit[0]}" for name, text in texts.items() for hit in by_name.finditer(text)] == []
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    answers = [addition(what) for what in (*extras, *OWN_DISTRIBUTIONS)]
    assert [one for one in answers if by_name.search(one) or "install '" not in one] == []


@pytest.mark.more
def test_a_release_is_signed_where_a_key_is_given(tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    done = made(tmp_path / "dist", "TRIAL=1", "BUNDLE=no", f"KEY={key}")
    assert done.returncode == 0, done.stderr
    dist = tmp_path / "dist"
    page = (dist / "RELEASE.md").read_text()
    assert "Not released: no night." in page
    assert "*Unsigned*" not in page
    [verify] = re.findall(r"^    (ssh-keygen -Y verify .*)$", page, re.MULTILINE)
    kind, public, *_ = key.with_suffix(".pub").read_text().split()
    (dist / "allowed_signers").write_text(f"release {kind} {public}\n")
    output = subprocess.run(["bash", "-c", verify], cwd=dist, check=True, capture_output=True, text=True).stdout
    assert re.findall(r"with the key `(\S+)`", page)[0] in output
    with (dist / "SHA256SUMS").open("a") as sums:
        sums.write("more\n")
    assert subprocess.run(["bash", "-c", verify], cwd=dist, check=False, capture_output=True).returncode != 0


@pytest.mark.more
def test_the_recipe_of_the_container_installs_from_the_release(tmp_path: Path) -> None:
    release.copy_texts(tmp_path)
    recipe, ours = (tmp_path / "Dockerfile").read_text(), (ROOT / "Dockerfile").read_text()
    assert recipe.split("\nFROM ")[-1] == ours.split("\nFROM ")[-1]
    assert recipe.partition("FROM")[0] == ours.partition("FROM")[0]
    assert re.findall(r"^COPY (?!--from)(.*)$", recipe, re.MULTILINE) == ["*.whl *.lock ./"]
    assert "--require-hashes" in recipe
