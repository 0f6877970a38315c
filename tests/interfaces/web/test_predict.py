"""``/predict`` on a whole node: uploads go the way of every image, and the answer says what came of it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import httpx2
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings

from miqa_node.core.domain.prediction import PendingReason
from miqa_node.core.settings import load_settings
from miqa_node.interfaces.web.recent import Slots
from miqa_node.node import Node
from miqa_node.runtime.store.object_keys import original_key
from tests.stages.assess.classify.making import write_classifier
from tests.stages.assess.making import chest_dataset, write_package

POLICY = """
version = "p1"
[[rule]]
finding = "all"
then = "ACCEPT"
evidence = "card"
[[package]]
modality = ["CR", "DX"]
body_part = ["CHEST"]
name = "lungs"
min_confidence = 0.8
"""
NOT_DIAGNOSIS = "decision support, not diagnosis"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("predict")
    applies = {"modality": ["CR", "DX"], "body_part": ["CHEST"], "view": ["PA"]}
    write_package(folder / "models/quality-1.0.0", "1.0.0", "quality", applicability=applies, **quiet())
    write_classifier(folder / "models/lungs-1.0.0")
    (folder / "policy.toml").write_text(POLICY)
    settings = load_settings(
        node={"data_dir": folder / "node", "name": "t", "accelerator": "cpu"},
        dicom={"port": 0, "host": "127.0.0.1"},
        web={"port": 0, "max_upload_bytes": 300_000, "predict_timeout_s": 150},
        work={"processes": 1},
        assess={"shipped_packages": False, "models_dir": str(folder / "models")},
        policy={"file": str(folder / "policy.toml")},
    )
    with Node(settings) as node:
        yield node


def quiet() -> dict[str, Any]:
    """A quality package that finds nothing: every operating point is at 1."""
    from miqa_node.core.taxonomy.lookup import gate_names
    from tests.stages.assess.making import CLASSES

    code = {"value": "111207", "scheme": "DCM", "meaning": "Image artifact(s)"}
    rows = [
        {"name": n, "gate": n in gate_names(), "code": code, "threshold": 1.0, "temperature": 2.0, "bias": 0.1}
        for n in CLASSES
    ]
    return {"outputs": {"classes": rows}}


@pytest.fixture
def client(node: Node) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=f"http://127.0.0.1:{node.web_port}", timeout=90) as client:
        yield client


def picture(level: int, seed: int = 0, form: str = ".png") -> bytes:
    noise = np.random.default_rng(seed).integers(-20, 20, (80, 70))
    return cv2.imencode(form, np.clip(level + noise, 0, 255).astype(np.uint8))[1].tobytes()


def dicom(number: int, brightness: float) -> bytes:
    buffer = io.BytesIO()
    chest_dataset(number, brightness).save_as(buffer)
    return buffer.getvalue()


def post(client: httpx2.Client, data: bytes, name: str = "image.png", **fields: str) -> httpx2.Response:
    described = {"body_part": "CHEST", "view": "PA", **fields}
    return client.post("/predict", files={"file": (name, data)}, data=described)


def test_an_unsure_prediction_waits_on_the_worklist(client: httpx2.Client) -> None:
    answer = post(client, dicom(7, 0.5), "image.dcm").json()
    assert answer["status"] == "pending_review", answer
    assert "Low confidence" in answer["message"]
    assert "prediction" not in answer
    waiting = client.get("/api/v1/worklist", params={"pending_review": True}).json()
    mine = [image for item in waiting["items"] for image in item["images"] if image["digest"] == answer["id"]]
    assert len(mine) == 1
    assert any("Low confidence" in reason for reason in mine[0]["reasons"])
    named = client.get("/api/v1/worklist", params={"reason": PendingReason.LOW_CONFIDENCE.value}).json()
    assert named["total"] == waiting["total"]


def test_the_same_image_again_has_the_same_answer(client: httpx2.Client) -> None:
    first = post(client, picture(190, seed=3)).json()
    assert post(client, picture(190, seed=3)).json() == first


def test_what_is_uploaded_is_kept_as_dicom_without_a_patient(node: Node, client: httpx2.Client) -> None:
    answer = post(client, picture(210, seed=4)).json()
    key = original_key(answer["id"])
    dataset = pydicom.dcmread(node.objects.local_path(key))
    assert (dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition) == ("DX", "CHEST", "PA")
    assert not dataset.PatientName
    assert not dataset.PatientID
    assert dataset.pixel_array.shape == (80, 70)
    assert not list(node.settings.incoming_dir.iterdir())


def test_a_picture_is_no_chest_because_nobody_says_what_it_is(client: httpx2.Client) -> None:
    answer = client.post("/predict", files={"file": ("image.png", picture(212, seed=12))})
    assert answer.status_code == 409
    assert "its pixels show none for sure" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("data", "fields", "status", "message"),
    [
        (b"<html>no image</html>", {}, 422, "DICOM"),
        (b"", {}, 422, "empty"),
        (picture(200)[:-200], {}, 422, "damaged"),
        (picture(200), {"body_part": "HAND"}, 409, "policy.toml"),
        (picture(200), {"package": "hearts"}, 409, "hearts"),
        (picture(200), {"package": "lungs-left"}, 409, "No package lungs-left is switched on"),
        (picture(204), {"package": "lungs-9.9.9"}, 409, "judged by lungs-1.0.0, not by lungs-9.9.9"),
        (picture(200), {"package": "../lungs"}, 422, "package"),
        (picture(200), {"modality": "x" * 17}, 422, "modality"),
        (b"\0" * 400_000, {}, 413, "max_upload_bytes"),
    ],
)
def test_what_cannot_be_judged_is_a_problem_that_says_why(
    client: httpx2.Client, data: bytes, fields: dict[str, str], status: int, message: str
) -> None:
    answer = post(client, data, **fields)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert message in answer.json()["detail"]


def test_other_types_and_other_sites_are_refused(client: httpx2.Client) -> None:
    assert client.post("/predict", json={}).status_code == 415
    files = {"file": ("a.png", picture(200))}
    assert client.post("/predict", files=files, headers={"origin": "http://evil.example"}).status_code == 403
    assert client.post("/predict", files=files, headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_too_many_at_once_are_asked_to_come_again(client: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Slots, "enter", lambda _: False)
    answer = post(client, picture(200))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


def test_the_policy_decides_what_is_on(node: Node, client: httpx2.Client) -> None:
    """A new version of the policy without the package counts for images that come after it."""
    file = node.settings.policy_file
    before = file.read_text("utf-8")
    try:
        file.write_text('version = "p2"\n[[rule]]\nfinding = "all"\nthen = "ACCEPT"\nevidence = "card"\n')
        assert post(client, picture(205, seed=9)).status_code == 409
    finally:
        file.write_text(before + "# again\n")
    assert post(client, picture(205, seed=9)).status_code == 200
    json.dumps(client.get("/api/v1/openapi.json").json()["paths"]["/predict"])


@pytest.mark.more
@pytest.mark.parametrize("form", [".png", ".jpg"])
def test_a_sure_prediction_is_automated(client: httpx2.Client, form: str) -> None:
    answer = post(client, picture(200, form=form))
    assert answer.status_code == 200, answer.text
    prediction = answer.json()
    assert (prediction["prediction"], prediction["status"]) == ("Pneumonia", "automated")
    assert prediction["confidence"] > 0.9
    assert prediction["note"] == NOT_DIAGNOSIS
    assert prediction["package"] == "lungs-1.0.0"
    shown = client.get(prediction["links"]["overlay"])
    assert shown.content.startswith(b"\x89PNG")
    explained = client.get(prediction["links"]["explanation"]).json()["instances"][0]
    assert explained["assessment"]["predictions"][0]["label"] == "Pneumonia"
    assert client.get(prediction["links"]["preview"]).status_code == 200
    assert client.get(prediction["links"]["study"]).status_code == 200


@pytest.mark.more
def test_fifty_clients_at_once_all_get_their_answer(node: Node) -> None:
    """Fifty people press the button together: everybody is answered, nobody with an error, and nothing gets lost."""

    def ask(number: int) -> tuple[int, str, str]:
        with httpx2.Client(base_url=f"http://127.0.0.1:{node.web_port}", timeout=180) as one:
            answer = post(one, picture(60 + 3 * number, seed=100 + number))
        return answer.status_code, answer.json().get("status", ""), answer.json().get("id", "")

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(ask, range(50)))
    assert {status for status, _, _ in answers} == {200}
    assert {state for _, state, _ in answers} <= {"automated", "pending_review"}
    assert len({digest for _, _, digest in answers}) == 50


@pytest.mark.more
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")  # schemathesis' own strategies
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_whatever_is_sent_the_answer_is_as_documented(node: Node, mode: str) -> None:
    import schemathesis  # its import takes as long as all other tests of this file
    from schemathesis import GenerationMode
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{node.web_port}/api/v1/openapi.json")

    @given(case=schema["/predict"]["POST"].as_strategy(generation_mode=GenerationMode(mode)))
    @settings(max_examples=25, suppress_health_check=list(HealthCheck))
    def send(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(excluded_checks=[positive_data_acceptance])  # no schema says which bytes are a picture

    send()


@pytest.mark.more
def test_normal_has_no_overlay(client: httpx2.Client) -> None:
    prediction = post(client, picture(60)).json()
    assert (prediction["prediction"], prediction["status"]) == ("Normal", "automated")
    assert "overlay" not in prediction["links"]
    answer = client.get(f"/overlays/{prediction['id']}/lungs-1.0.0.png")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
