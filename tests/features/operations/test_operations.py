"""What ships for those who operate a node: alerts with a runbook, and the systemd unit."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from miqa_node.core.observe import metrics
from tests.conftest import ROOT

RULES = yaml.safe_load((ROOT / "config" / "prometheus-rules.yml").read_text("utf-8"))["groups"][0]["rules"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_asks_for_metrics_that_exist_and_has_its_section_in_the_runbook(rule: dict[str, str]) -> None:
    exposition = metrics.exposition().decode()
    metric_names = set(re.findall(r"miqa_\w+", rule["expr"]))
    assert metric_names
    assert [name for name in metric_names if f"# TYPE {name} " not in exposition] == []
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs/how-to/runbook.md").read_text("utf-8"), re.MULTILINE)
    assert rule["alert"] in headings
    assert len(headings) == len(RULES)


def test_prometheus_understands_the_rules() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("prometheus is not installed")
    command = ["promtool", "check", "rules", str(ROOT / "config" / "prometheus-rules.yml")]
    checked = subprocess.run(command, check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(RULES)} rules found" in checked.stdout


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    exposition = metrics.exposition().decode()
    dashboard = json.loads((ROOT / "config" / "grafana-dashboard.json").read_text("utf-8"))
    metric_names = {
        name for panel in dashboard["panels"] for target in panel["targets"] for name in _metrics_of(target["expr"])
    }
    assert len(metric_names) > 15
    assert [name for name in metric_names if f"# TYPE {name} " not in exposition] == []
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def _metrics_of(expression: str) -> set[str]:
    return {name.removesuffix("_bucket") for name in re.findall(r"miqa_\w+", expression)}


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    unit = tmp_path / "miqa-node.service"
    text = (ROOT / "config" / "miqa-node.service").read_text("utf-8")
    unit.write_text(text.replace("/opt/miqa/bin/miqa-node", "/bin/true").replace("User=miqa\n", ""))
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    verified = subprocess.run(command, check=False, capture_output=True, text=True)
    complaints = [line for line in verified.stderr.splitlines() if "miqa-node.service" in line]
    assert complaints == []
