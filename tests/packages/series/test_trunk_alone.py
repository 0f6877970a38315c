"""The node alone, without a branch, in an environment of its own: it receives, judges, lists, delivers and erases."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pydicom
import pytest

from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import load_settings
from miqa_selftest.launch import HOST, NodeProcess
from miqa_selftest.outcome import SampleOutcome, modality_target, wait
from miqa_selftest.pacs import AE_TITLE, ReceivingPacs
from miqa_selftest.radiographs import SampleImage, make_radiographs
from miqa_selftest.send import send
from tests.conftest import ROOT
from tests.installation import ENVIRONMENT, Installation, built
from tests.stages.measure.series import making

pytestmark = [pytest.mark.more, pytest.mark.long]

ABSENT = "Nothing here measures series of CT: miqa-node-series is not installed."


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    folder = tmp_path_factory.mktemp("trunk")
    return Installation(folder / "miqa", *built([ROOT], folder / "wheels"))


def sample(path: Path) -> SampleImage:
    ds = pydicom.dcmread(path)
    data = io.BytesIO()
    pydicom.dcmwrite(data, ds, enforce_file_format=True)
    sop_class, uid, study = (str(one) for one in (ds.SOPClassUID, ds.SOPInstanceUID, ds.StudyInstanceUID))
    return SampleImage(path.name, sop_class, uid, study, data.getvalue(), frozenset({Verdict.NOT_ASSESSED}))


def test_it_does_all_but_measure_a_series_and_says_so(
    site: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not list(site.site.glob("miqa_series*")), "the trunk alone"
    monkeypatch.setattr("sys.executable", str(site.python))  # whose program NodeProcess starts
    chest = make_radiographs([])[0]
    slices = [
        sample(path) for path in making.write_series(tmp_path / "ct", [making.body_ct(seed=n) for n in range(4)], "CT")
    ]
    data = tmp_path / "data"
    quick = {**ENVIRONMENT, "MIQA_WORK__CT_QUIET_S": "1"}
    with ReceivingPacs(tmp_path / "pacs") as pacs:
        destination = f"pacs={AE_TITLE}@{HOST}:{pacs.port}"
        with NodeProcess(data, "MIQA", 0, 0, destination, environment=quick) as node:
            samples = [chest, *slices]
            outcomes = [
                SampleOutcome(one, receipt)
                for one, receipt in zip(
                    samples, send(samples, modality_target(node), load_settings().deliver), strict=True
                )
            ]
            assert [one.sent.error for one in outcomes] == [""] * 5
            wait([outcomes[0], outcomes[-1]], node, pacs, 180.0)
            assert Verdict(outcomes[0].disposition["verdict"]) in chest.expected
            assert "SR" in outcomes[0].arrivals, "delivered"
            of_series = outcomes[-1].disposition
            assert of_series["verdict"] == "NOT_ASSESSED"
            assert ABSENT in [reason["text"] for reason in of_series["reasons"]]
            is_flagged = outcomes[0].disposition["verdict"] in ("REVIEW", "REJECT")
            assert (chest.study_instance_uid in json.dumps(node.worklist())) == is_flagged
            patient = str(pydicom.dcmread(io.BytesIO(chest.data)).PatientID)
            erased = site.run("erase", "patient", patient, "--yes", "--reason", "asked", "--data-dir", str(data))
            assert erased.returncode == 0, erased.stdout + erased.stderr
            assert node.instance(chest.sop_instance_uid) is None or not (
                node.instance(chest.sop_instance_uid) or {}
            ).get("header")
    doctor = site.run("doctor", "--data-dir", str(data))
    assert "miqa_node_series-" in doctor.stdout, doctor.stdout + doctor.stderr
