"""What the page of a study says of an accepted series: which measurements were enough, and their limits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.site_limit import SiteLimits
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.workers.pool import WorkerPool
from tests.stages.measure.series import making
from tests.stages.units.test_series_way import RULES, Rig


@pytest.fixture
def rig(tmp_path: Path, pool: WorkerPool) -> Iterator[Rig]:
    rig = Rig(tmp_path, pool)
    yield rig
    rig.database.close()


def page(rig: Rig, rules: Mapping[str, Any], limits: SiteLimits | None = None) -> str:
    settings = load_settings(node={"data_dir": rig.folder})
    policy = parse_policy(rules)
    policy = policy if limits is None else policy.with_limits(limits)
    services = WebServices(rig.database, rig.objects, settings, list, policy=lambda: policy)
    client = TestClient(create_app(services), base_url="http://localhost", client=("127.0.0.1", 1))
    return client.get(f"/studies/{making.STUDY}").text


def test_an_accepted_series_says_what_was_enough(rig: Rig, tmp_path: Path) -> None:
    rig.receive(*making.write_series(tmp_path / "s", [making.body_ct(seed=n) for n in range(5)], "CT"))
    assert rig.finish(rig.look(30.0)[0]) is Verdict.ACCEPT

    enough = "Measured: Noise in soft tissue, Gaps between slices."
    assert enough in page(rig, RULES)
    assert enough in page(rig, {**RULES, "version": "s2"}), "the rules of then are kept"
    faults = "a slice missing between two others, a slice that cannot be read, metal"
    search = f"No certificate: accepted by what is measured. Looked for: {faults}. Not looked for: two slices exchanged"
    assert search in page(rig, RULES)
    assert search in page(rig, {**RULES, "version": "s2"}), "it is what the verdict stood for"


def test_a_number_stands_beside_its_limit_and_keeps_its_side(rig: Rig, tmp_path: Path) -> None:
    """By the policy that judged it, whatever is in force now."""
    rig.receive(*making.write_series(tmp_path / "s", [making.body_ct(seed=n) for n in range(5)], "CT"))
    rig.finish(rig.look(30.0)[0])

    assert cells(page(rig, RULES), "Metal")[2] == "> 0.01"
    assert cells(page(rig, RULES), "Gaps between slices")[0::2] == ["0", "> 0"]
    assert cells(page(rig, RULES), "Unreadable slices")[0::2] == ["0", "> 90 %"]
    assert "0 of 5 (0 %)" in page(rig, RULES)
    assert cells(page(rig, RULES), "Noise in soft tissue")[2] == "–", "nothing limits it"
    assert cells(page(rig, {**RULES, "version": "s2"}), "Metal")[2] == "> 0.01"
    confirmed = page(rig, RULES, SiteLimits(1))
    assert cells(confirmed, "Metal")[2] == "> 0.01", "confirmed limits of findings change no limit of a measurement"


def cells(text: str, measurement: str) -> list[str]:
    """Value, unit, limits and usual range of a measurement, as the page shows them."""
    every = text[text.index("<summary>Measurements (") :]
    row = re.search(rf'<th scope="row">{measurement}.*?</tr>', every, re.DOTALL)
    assert row is not None, measurement
    return [
        re.sub("<[^>]+>", "", cell).replace("&gt;", ">").strip()
        for cell in re.findall("<td.*?</td>", row[0], re.DOTALL)
    ]
