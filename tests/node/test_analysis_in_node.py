"""One image's decision from the modality to the analysis: sent, judged, confirmed, counted, exported, reported."""

from __future__ import annotations

import csv
import io
import re
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import UID

from miqa_node.core.domain.worklist import Resolution
from miqa_node.features.analysis.monthly_reports import Form, key
from miqa_node.features.analysis.months import month_before
from miqa_node.features.analysis.rows import census, reports
from miqa_node.features.analysis.rows.census import Period
from miqa_node.features.worklist.rows import worklist
from miqa_node.interfaces.cli.app import run
from miqa_node.node import Node
from tests.node.test_node import get, settings_in, store
from tests.waiting import wait_until

pytestmark = pytest.mark.more

POLICY = """
version = "t"
[[rule]]
measurement = "entropy"
above = 0.0
then = "REVIEW"
reason = "unsharp"
evidence = "site"
"""


def sample(samples: Path, folder: Path, number: int, **elements: str) -> Path:
    """The chest radiograph as another exposure of today."""
    ds = pydicom.dcmread(samples / "RG1_UNCR.dcm")
    now = datetime.now()  # noqa: DTZ005 - scanners write local time
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(f"{ds.SOPInstanceUID[:50]}.{number}")
    values = {"StationName": "DX01", "OperatorsName": "Meier^Anna", "ViewPosition": "PA", "BodyPartExamined": "CHEST",
             "AcquisitionDate": f"{now:%Y%m%d}", "AcquisitionTime": f"{8 + number:02}0000"}  # fmt: skip
    for keyword, value in (values | elements).items():
        setattr(ds, keyword, value)
    file = folder / f"{number}.dcm"
    ds.save_as(file)
    return file


def page(node: Node, address: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{node.web_port}{address}") as answer:
        return str(answer.read().decode())


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_a_confirmed_image_is_in_the_analysis_the_export_and_the_report(
    tmp_path: Path, samples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "policy.toml").write_text(POLICY)
    data = tmp_path / "node"
    config = tmp_path / "site.toml"
    config.write_text(
        f'[node]\ndata_dir = "{data}"\nsite = "General"\n[policy]\nfile = "{tmp_path / "policy.toml"}"\n'
        '[analysis]\nrooms = {DX01 = "Thorax 1"}\n'
    )
    settings = settings_in(
        data, policy={"file": str(tmp_path / "policy.toml")},
        analysis={"rooms": {"DX01": "Thorax 1"}, "count_interval_s": 0.2, "report_schedule": "* * * * * *"},
    )  # fmt: skip
    files = [sample(samples, tmp_path, 0), sample(samples, tmp_path, 1, AcquisitionTime="080500")]
    with Node(settings) as node:
        assert store(node.dicom_port, *files) == [0x0000, 0x0000]
        today = datetime.now().date()  # noqa: DTZ005
        period = Period(today, today.replace(year=today.year + 1))

        def counted() -> int:
            with node.database.begin() as transaction:
                return sum(counts.images for _, counts in census.by_day(transaction, period))

        wait_until(lambda: counted() == 2)
        shown = words(page(node, "/analysis"))
        assert "0 of 2" in shown
        assert "Thorax 1" in shown
        assert "1 of 2" in shown  # the first was repeated in silence
        _, listed = get(node.web_port, "/api/v1/worklist")
        study = listed["items"][0]["study_instance_uid"]
        with node.database.begin() as transaction:
            [first, _] = worklist.show(transaction, study).images
            worklist.resolve(
                transaction, study, Resolution.CONFIRMED, "anna", "", datetime.now(UTC), digests=[first.digest]
            )
        shown = words(page(node, "/analysis"))
        assert "rejected 50.0 %" in shown
        assert "Meier" not in shown
        assert "op-" in shown
        assert "labels 1" in words(page(node, f"/analysis/labels?until={datetime.now(UTC):%Y-%m-%d}"))
        wait_until(lambda: _made(node), 90.0)
        assert node.objects.get(key(_month_before(), Form.PDF)).startswith(b"%PDF")
        assert _month_before() in page(node, "/analysis")
    capsys.readouterr()
    assert run(["labels", "export", str(tmp_path / "export"), "--config", str(config)]) == 0
    [row] = csv.DictReader(io.StringIO((tmp_path / "export" / "labels.csv").read_text("utf-8")))
    assert (tmp_path / "export" / row["image"]).read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    assert run(["analysis", "export", "images", "--config", str(config)]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert sorted((row["room"], row["rejected"] in {"True", "1"}) for row in rows) == [
        ("Thorax 1", False), ("Thorax 1", True),
    ]  # fmt: skip


def _month_before() -> str:
    return month_before(datetime.now(UTC).date())


def _made(node: Node) -> bool:
    with node.database.begin() as transaction:
        return reports.known(transaction, _month_before())
