"""A series says on its page, in its report, by REST and as JSON what was looked for and what was not, and why."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pydicom
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
def rig(
    tmp_path: Path, pool: WorkerPool, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Rig]:
    """With the share of one fault that was found in trials, as the parameter of a test or .9."""
    rules = tomllib.loads(policy_file(tmp_path, getattr(request, "param", 0.9)).read_text(encoding="utf-8"))
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


def site(rig: Rig) -> TestClient:
    settings = load_settings(node={"data_dir": rig.folder})
    policy = parse_policy(test_series_way.RULES)
    services = WebServices(rig.database, rig.objects, settings, list, policy=lambda: policy)
    return TestClient(create_app(services), base_url="http://localhost", client=("127.0.0.1", 1))


def reported(report: pydicom.Dataset) -> list[str]:
    return [str(one.value) for one in report.iterall() if one.keyword == "TextValue"]


def test_page_and_report_say_it_of_accept(rig: Rig, tmp_path: Path) -> None:
    rig.receive(*chest(tmp_path / "s"))
    [digest] = rig.look(30.0)
    assert rig.finish(digest) is Verdict.ACCEPT
    page = site(rig).get(f"/studies/{making.STUDY}").text
    check(page[page.index("accepted by what is measured") :])
    [comment] = [text for text in reported(rig.report(digest)) if text.startswith("no certificate")]
    check(comment)


@pytest.mark.parametrize("rig", [0.7], indirect=True)
@pytest.mark.parametrize("lost", [0, 3])
def test_all_have_the_same_lists_whatever_the_verdict(
    rig: Rig, cli: Callable[..., Ran], tmp_path: Path, lost: int
) -> None:
    """They were given beside ACCEPT only, which never comes."""
    slices = chest(tmp_path / "s")
    if lost:
        slices.pop(lost).unlink()
    rig.receive(*slices)
    [digest] = rig.look(30.0)
    verdict = rig.finish(digest)
    assert verdict is (Verdict.REVIEW if lost else Verdict.NOT_ASSESSED)
    line = assessed(cli, tmp_path, 0.7)
    assert line["verdict"] == verdict.value
    looked_for, not_looked_for = line["looked_for"], line["not_looked_for"]
    assert [one["fault"] for one in looked_for] == list(SHOWN)
    assert [one["title"] for one in looked_for if one["found"]] == ["Gaps between slices"] * bool(lost)
    assert {one["fault"] for one in not_looked_for} >= {one.name for one in faults_of("CT")} - set(SHOWN)
    assert all(one["why"] for one in not_looked_for)

    web = site(rig)
    [instance] = web.get(f"/api/v1/instances/{digest}").json()["instances"]
    assert instance["disposition"]["search"] == {"looked_for": looked_for, "not_looked_for": not_looked_for}
    [narrative] = [text for text in reported(rig.report(digest)) if "Looked for and not found: " in text]
    page = unescape(web.get(f"/studies/{making.STUDY}").text)
    block = page[page.index("What was looked for") :].partition("Along the series")[0]
    for one in (*looked_for, *not_looked_for):
        assert one["title"] in narrative
        assert one["title"] in block
        assert one.get("why", "").rstrip(".") in narrative
        assert one.get("why", "") in block
    assert ("Looked for and found: Gaps between slices." in narrative) == bool(lost)
    headline = "No fault found in geometry, scale, rings. Not looked for: order, rows"
    assert (headline in page) == (headline in narrative) == (headline in " ".join(line["narrative"])) == (not lost)


@pytest.mark.parametrize(("share", "verdict"), [(0.9, "ACCEPT"), (0.7, "NOT_ASSESSED")])
def test_json_has_the_lists_beside_any_verdict(
    cli: Callable[..., Ran], tmp_path: Path, share: float, verdict: str
) -> None:
    chest(tmp_path / "s")
    line = assessed(cli, tmp_path, share)
    assert line["verdict"] == verdict
    assert [one["title"] for one in line["looked_for"]] == list(SHOWN.values())
    why = {one["fault"]: one["why"] for one in line["not_looked_for"]}
    assert why["truncation"] == "no rule of the policy limits what shows it"


def assessed(cli: Callable[..., Ran], folder: Path, share: float) -> dict[str, Any]:
    """What the command says of the series in ``s``."""
    write_package(folder / "models" / "tiny-1.0.0")
    config = folder / "site.toml"
    config.write_text(
        f'[assess]\nshipped_packages = false\nmodels_dir = "{folder / "models"}"\nquality_package = "tiny-1.0.0"\n'
        f'[work]\nprocesses = 1\n[policy]\nfile = "{policy_file(folder, share)}"\n',
        encoding="utf-8",
    )
    [line] = cli("assess", folder / "s", "--json", "--config", config).lines
    return dict(line)
