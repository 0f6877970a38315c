"""Every object that a later version makes again, in another zone, has the bytes that this one gave it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.more

SCRIPT = """
import hashlib, json, sys
import miqa_node
miqa_node.__version__ = sys.argv[1] or miqa_node.__version__
from dataclasses import replace
from pathlib import Path
from miqa_node.core.domain.output import output_kinds
from miqa_node.stages.report import make
from miqa_node.stages.report.lower import lower_class
from miqa_node.stages.report.made import ReportSettings
from tests.stages.report import flagged, making

kept = json.loads(sys.argv[2])
settings = ReportSettings().as_kept(kept)
make.ReportSettings = lambda: settings
series, judged, verdict = flagged.judged_series(Path(sys.argv[3]), "CT")
judged = replace(judged, assessed_at=making.ASSESSED_AT)
of_series = make.make_objects(series, judged, verdict, kinds=set(output_kinds()))
made = [*making.everything(making.CHEST), *of_series]
files = {f"{one.kind} {one.sop_instance_uid}": one.data for one in made}
lower = lower_class(made[0].data) or lower_class(next(one.data for one in made if one.kind == "SR"))
files[f"lower {lower[1]}"] = lower[2]
print(json.dumps([settings.kept(), {key: hashlib.sha256(data).hexdigest() for key, data in files.items()}]))
"""


def made(version: str, facts: dict[str, str], folder: Path, zone: str) -> tuple[dict[str, str], dict[str, str]]:
    words = [sys.executable, "-c", SCRIPT, version, json.dumps(facts), str(folder)]
    environment = {**os.environ, "TZ": zone, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, check=True, capture_output=True, text=True, env=environment, cwd=ROOT)
    settings, files = json.loads(done.stdout.splitlines()[-1])
    return settings, files


@pytest.mark.parametrize("zone", ["Europe/Berlin", "XYZ-5"])
def test_a_later_version_in_another_zone_gives_the_same_bytes(tmp_path: Path, zone: str) -> None:
    folders = [tmp_path / name for name in ("now", "later", "otherwise")]
    for folder in folders:
        folder.mkdir()
    facts, now = made("", {}, folders[0], zone)
    _, later = made("77.7", facts, folders[1], "Asia/Tokyo")
    assert facts["zone"] in ("Europe/Berlin", "+18000")
    assert later == now
    _, otherwise = made("77.7", {}, folders[2], "Asia/Tokyo")
    assert otherwise.keys() == now.keys()
    assert not set(otherwise.values()) & set(now.values()), "each object states the version"
