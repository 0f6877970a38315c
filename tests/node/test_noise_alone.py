"""Noise that hides nothing is told as noise, noise without an image as that: on the page, in the report and by REST."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
from fastapi.testclient import TestClient

from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.assess.active import ActiveModels
from miqa_node.stages.assess.sidecars import SidecarModels
from tests.node.test_pipeline import Rig, report_of

pytestmark = pytest.mark.more

ALONE = ("nothing but noise", "Blank image")
RULE_THAT_SAYS_NO = r"<tr><th[^>]*>[^<]*</th><td[^>]*>no</td>"


def noise(folder: Path, samples: Path, share: float, *, with_anatomy: bool) -> Path:
    """A real chest under noise of this deviation, a share of its contrast; or that noise without the chest."""
    dataset = pydicom.dcmread(samples / "RG1_UNCR.dcm")
    pixels = dataset.pixel_array.astype(np.float64)
    low, high = np.percentile(pixels, (1, 99))
    drawn = np.random.default_rng(3).normal(0.0, share * (high - low), pixels.shape)
    noisy = drawn + (pixels if with_anatomy else pixels.mean())
    dataset.PixelData = np.clip(noisy, 0, (1 << dataset.BitsStored) - 1).astype(np.uint16).tobytes()
    dataset.BodyPartExamined, dataset.ViewPosition = "CHEST", "PA"
    dataset.save_as(folder / "noisy.dcm")
    return folder / "noisy.dcm"


@pytest.mark.parametrize(("share", "with_anatomy"), [(0.25, True), (0.9, True), (0.25, False)])
def test_page_report_and_rest_tell_one_truth(
    tmp_path: Path, pool: WorkerPool, samples: Path, share: float, with_anatomy: bool
) -> None:
    settings = load_settings(node={"data_dir": tmp_path})
    policy = read_policy(settings.policy_file)
    models = SidecarModels(settings, ActiveModels(settings).assessor, lambda: policy)
    rig = Rig(tmp_path, pool, policy, assessor=models)
    digest = rig.receive(noise(tmp_path, samples, share, with_anatomy=with_anatomy))
    rig.finish(digest)
    report = report_of(rig, digest)
    services = WebServices(rig.database, rig.objects, settings, list)
    web = TestClient(create_app(services), "http://localhost:8080", client=("127.0.0.1", 50000))
    texts = {
        "page": re.sub(RULE_THAT_SAYS_NO, "", web.get(f"/studies/{report.StudyInstanceUID}").text),
        "report": "\n".join(str(one.value) for one in report.iterall() if one.keyword in {"TextValue", "CodeMeaning"}),
        "rest": web.get(f"/api/v1/instances/{report.StudyInstanceUID}").text,
    }
    rig.database.close()
    for surface, text in texts.items():
        assert any(words in text for words in ALONE) is not with_anatomy, surface
        if with_anatomy:
            assert "noise" in text.lower(), surface
            assert "do not show the body part" not in text, surface
