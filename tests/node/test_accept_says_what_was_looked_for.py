"""A series that a site's own table accepts says on the page, in the report and as JSON what was looked for, and not."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.moderate_fault import PAGE, faults_of
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.workers.pool import WorkerPool
from tests.interfaces.cli.conftest import Ran, cli
from tests.stages.assess.making import write_package
from tests.stages.measure.series import making
from tests.stages.units import test_series_way
from tests.stages.units.test_series_way import Rig

pytestmark = pytest.mark.more

__all__ = ["cli"]

MISSED = "streaks"
LIMITED = {"slice_gaps": 0, "slice_disorder": 1, "slices_differ": 0, "ring_index": 50}
"""What the site's rules limit."""
SHOWN = {
    "missing slice": "a slice missing between two others",
    "swapped slices": "two slices exchanged",
    "spacing of a slice": "another pixel size in one slice",
    "thickness of a slice": "another thickness in one slice",
    "slope of a slice": "another scale of values in one slice",
    "ring": "a ring of 20 HU",
}
"""The faults that these limits show, and no others."""


def policy_file(folder: Path, share: float) -> Path:
    """A site's policy; in the series of its two scanners so many of one fault were found, and all of the others."""
    shares = ", ".join(f'"{one.name}" = {share if one.name == MISSED else 1.0}' for one in faults_of("CT"))
    rules = "\n".join(
        f'    {{ measurement = "{name}", above = {above}, then = "REVIEW", reason = "111220" }},'
        for name, above in LIMITED.items()
    )
    trials = "\n".join(f'    {{ scanner = "Room {room}", series = 6, found = {{ {shares} }} }},' for room in (1, 2))
    file = folder / "policy.toml"
    file.write_text(
        f'version = "ours-1"\n[evidence."two rooms"]\ntried_on = [\n{trials}\n]\n'
        f'[where."CT of ours"]\nmodality = ["CT"]\n[[rule]]\nwhere = "CT of ours"\nevidence = "site"\n'
        f"each = [\n{rules}\n"
        '    { measurement = ["slice_gaps", "ring_index"], then = "ACCEPT", evidence = "two rooms" },\n]\n',
        encoding="utf-8",
    )
    return file


def chest(folder: Path) -> list[Path]:
    return making.write_series(folder, [making.chest_ct(seed) for seed in range(7)], "CT", change=making.fine)


@pytest.fixture
def rig(tmp_path: Path, pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    rules = tomllib.loads(policy_file(tmp_path, 0.9).read_text(encoding="utf-8"))
    monkeypatch.setattr(test_series_way, "RULES", rules)
    rig = Rig(tmp_path, pool)
    yield rig
    rig.database.close()


def check(text: str) -> None:
    """All that was looked for stands before what was not, and where that is explained stands behind."""
    before, _, after = text.partition("Not looked for: ")
    looked = before.partition("Looked for: ")[2]
    others = [one.title for one in faults_of("CT") if one.name not in SHOWN]
    assert [title for title in SHOWN.values() if title not in looked] == []
    assert [title for title in others if title not in after or title in looked] == []
    assert PAGE in after


def test_page_and_report_say_it(rig: Rig, tmp_path: Path) -> None:
    rig.receive(*chest(tmp_path / "s"))
    [digest] = rig.look(30.0)
    assert rig.finish(digest) is Verdict.ACCEPT

    settings = load_settings(node={"data_dir": rig.folder})
    policy = parse_policy(test_series_way.RULES)
    services = WebServices(rig.database, rig.objects, settings, list, policy=lambda: policy)
    web = TestClient(create_app(services), base_url="http://localhost", client=("127.0.0.1", 1))
    page = web.get(f"/studies/{making.STUDY}").text
    check(page[page.index("accepted by what is measured") :])
    comments = [str(one.value) for one in rig.report(digest).iterall() if one.keyword == "TextValue"]
    [comment] = [text for text in comments if "Looked for: " in text]
    check(comment)


@pytest.mark.parametrize(("share", "verdict"), [(0.9, "ACCEPT"), (0.7, "NOT_ASSESSED")])
def test_json_has_both_as_lists_only_beside_accept(
    cli: Callable[..., Ran], tmp_path: Path, share: float, verdict: str
) -> None:
    write_package(tmp_path / "models" / "tiny-1.0.0")
    config = tmp_path / "site.toml"
    config.write_text(
        f'[assess]\nshipped_packages = false\nmodels_dir = "{tmp_path / "models"}"\nquality_package = "tiny-1.0.0"\n'
        f'[work]\nprocesses = 1\n[policy]\nfile = "{policy_file(tmp_path, share)}"\n',
        encoding="utf-8",
    )
    [line] = cli("assess", chest(tmp_path / "s")[0].parent, "--json", "--config", config).lines
    assert line["verdict"] == verdict
    if verdict != "ACCEPT":
        assert (line["looked_for"], line["not_looked_for"]) == (None, None)
        assert "streaks of 20 HU (0.70)" in line["reasons"][0]
        return
    assert line["looked_for"] == [one.title for one in faults_of("CT") if one.name in SHOWN]
    assert line["not_looked_for"] == [one.title for one in faults_of("CT") if one.name not in SHOWN]
