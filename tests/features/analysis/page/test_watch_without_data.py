"""Model watch shows no section, number or chart that has no data; one line names them."""

from __future__ import annotations

import re

from fastapi.testclient import TestClient

from miqa_node.core.domain.verdict import Verdict
from tests.web.staging import Stage

SECTION = re.compile(r'<section class="card">\s*<h2>(.+?)</h2>')


def test_an_empty_node_has_one_line(stage: Stage, client: TestClient) -> None:
    stage.add(1, Verdict.ACCEPT)
    page = client.get("/analysis/model").text
    assert SECTION.findall(page) == []
    assert "<dl" not in page
    line = re.search(r"Nothing to show in this period: (.+?)\.<", page)
    assert line is not None
    assert "Precision by room · Reliability of the probabilities · Drift of the images" in line[1]
    assert line[1].endswith("Candidates beside the active model")
