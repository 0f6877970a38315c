"""Series of phantoms are recognised by their pixels, kept from the worklist, and put right by a person."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient
from pydicom.data import get_testdata_file
from pydicom.dataset import FileDataset

from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.services import WebServices
from miqa_node.parts import PartContext
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.assess.phantom import likeness_of, recognise
from miqa_node.stages.assess.series import SeriesResult, judge_series
from miqa_node.stages.measure.series_view import SeriesView, SliceTools
from miqa_node.stages.measure.slices import read_slices
from miqa_node.stages.units.kinds import series_traits
from tests.stages.measure.series import making
from tests.stages.report.flagged import decode
from tests.stages.units.test_series_way import RULES, Rig

Image = making.Image
PATIENTS = ("CT_small.dcm", "MR_small.dcm", "J2K_pixelrep_mismatch.dcm", "693_J2KI.dcm", "examples_overlay.dcm")


def judged(paths: list[Path], phantom: bool | None = None) -> SeriesResult:
    files = [(InstanceDigest(hashlib.sha256(path.read_bytes()).hexdigest()), path) for path in paths]
    header, _ = read_header(paths[-1])
    return judge_series(header, series_traits(header), files[-1][0], files, SliceTools(decode), 1000, phantom=phantom)


def numbers(result: SeriesResult) -> dict[str, float]:
    return {one.name: one.value for one in result.assessment.measurements}


def water(number: int) -> Image:
    """A round water phantom of CT."""
    y, x = np.mgrid[: making.SIDE, : making.SIDE] - (making.SIDE - 1) / 2
    noise = np.random.default_rng(number).normal(0, 60, y.shape)
    return np.asarray(np.where(np.hypot(y, x) < 70, 0.0, -1000.0) + cv2.GaussianBlur(noise, (0, 0), 0.7))


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., list[Path]]:
    def write(images: list[Image], modality: str = "MR", **options: Any) -> list[Path]:
        return making.write_series(tmp_path / "made", images, modality, **options)

    return write


@pytest.mark.parametrize("name", PATIENTS)
@pytest.mark.parametrize("hinted", [False, True])
def test_no_patient_is_taken_for_a_phantom_not_even_if_the_header_names_one(name: str, hinted: bool) -> None:
    path = Path(str(get_testdata_file(name)))
    header, _ = read_header(path, nameless=True)
    slices = read_slices([(InstanceDigest("a"), path)])
    assert recognise(SeriesView(header, slices, SliceTools(decode)), series_traits(header), hinted=hinted) == ""


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_simulated_patients_stay_patients(made: Callable[..., list[Path]], modality: str) -> None:
    images = [making.body_ct(seed=n) if modality == "CT" else making.head_mr(seed=n) for n in range(6)]
    assert judged(made(images, modality)).assessment.phantom == ""


def test_an_object_that_the_field_cuts_off_says_nothing() -> None:
    assert likeness_of(np.full((96, 96), 500.0, np.float32), hounsfield=False) is None
    assert likeness_of(np.zeros((96, 96), np.float32), hounsfield=False) is None


def test_the_flag_of_the_header_is_enough(made: Callable[..., list[Path]]) -> None:
    def mark(dataset: FileDataset) -> None:
        dataset.QualityControlImage = "YES"

    result = judged(made([making.head_mr(seed=n) for n in range(3)], change=mark))
    assert result.assessment.phantom == "The header marks every image as one of a phantom (Quality Control Image)."


# ── measures whose cause can be ordinary ──


def test_a_jump_names_its_slice_and_says_why_it_matters(made: Callable[..., list[Path]]) -> None:
    images = [making.head_mr(seed=n) * (0.4 if n == 3 else 1.0) for n in range(7)]
    result = judged(made(images))
    [reason] = decide(result.assessment, read_policy(load_settings().policy_file)).reasons
    assert reason.text.startswith("Jump between slices: ")
    assert "(slice 4 of 7, Instance Number 4), above the limit of 25 %. The slice shows the same anatomy" in reason.text


def test_a_part_with_a_spacing_of_its_own_has_no_gap_and_a_missing_slice_has_a_place(
    made: Callable[..., list[Path]], tmp_path: Path
) -> None:
    def thin(dataset: FileDataset) -> None:
        dataset.SliceThickness = "2"

    images = [making.body_ct(seed=n) for n in range(9)]
    places = [0.0, 2.0, 4.0, 6.0, 8.0, 15.0, 22.0, 29.0, 36.0]
    assert numbers(judged(made(images, "CT", places_mm=places, change=thin)))["slice_gaps"] == 0
    missing = making.write_series(tmp_path / "m", images[:5], "CT", places_mm=[0.0, 5.0, 10.0, 20.0, 25.0])
    result = judged(missing)
    [reason] = decide(result.assessment, parse_policy(RULES)).reasons
    assert reason.text.startswith(
        "Gaps between slices: 1 (the largest, 10 mm, between slices 3 and 4, Instance Numbers 3 to 4), above the limit"
    )
    assert "anatomy there is not seen" in reason.text


# ── the list, and putting right ──


@pytest.fixture
def rig(tmp_path: Path, pool: WorkerPool) -> Iterator[Rig]:
    rig = Rig(tmp_path, pool)
    yield rig
    rig.database.close()


def flagged_water(folder: Path) -> list[Path]:
    """A water phantom with metal in it: a patient's series like this would be flagged."""
    images = [water(number) for number in range(5)]
    images[2] = making.with_metal(images[2])
    return making.write_series(folder, images, "CT")


def judge_queued(rig: Rig) -> None:
    waiting = list(rig.jobs.digests)
    rig.jobs.digests.clear()
    for digest in waiting:
        rig.pipeline.judge(digest)


def test_page_and_rest_say_the_same(rig: Rig, tmp_path: Path) -> None:
    rig.receive(*flagged_water(tmp_path / "s"))
    rig.finish(rig.look(30.0)[0])
    settings = load_settings(node={"data_dir": tmp_path})
    node = cast("PartContext", SimpleNamespace(queue=rig.jobs))
    services = WebServices(rig.database, rig.objects, settings, list, node=node)
    client = TestClient(create_app(services), base_url="http://localhost", client=("127.0.0.1", 1))
    page = client.get("/phantoms").text
    assert making.SERIES in page
    assert "This is a patient" in page
    [listed] = client.get("/api/v1/phantoms").json()["items"]
    assert (listed["series_instance_uid"], listed["is_phantom"]) == (making.SERIES, True)
    answer = client.post(f"/api/v1/phantoms/{making.SERIES}", json={"phantom": False, "actor": "mara"})
    assert (answer.status_code, answer.json()["is_phantom"]) == (200, False)
    judge_queued(rig)
    assert client.get("/api/v1/worklist", params={"state": "OPEN"}).json()["total"] == 1
    token = client.get("/phantoms").text.split('name="csrf" value="')[1].split('"')[0]
    form = {"series_uid": making.SERIES, "phantom": "true", "actor": "mara", "csrf": token}
    answer = client.post("/phantoms", data=form, headers={"origin": "http://localhost"}, follow_redirects=False)
    assert answer.status_code == 303
    judge_queued(rig)
    assert client.get("/api/v1/worklist", params={"state": "OPEN"}).json()["total"] == 0
    assert client.post("/api/v1/phantoms/1.2.3", json={"phantom": True, "actor": "mara"}).status_code == 404
