# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
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
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from miqa_node.core.domain.prediction import PendingReason
from miqa_node.core.settings import load_settings
from miqa_node.interfaces.web.recent import Slots
from miqa_node.node import Node
from miqa_node.runtime.store.object_keys import original_key
from tests.interfaces.web.test_predict import POLICY, client, node, picture, post, quiet
from tests.stages.assess.classify.making import write_classifier
from tests.stages.assess.making import chest_dataset, write_package

NOT_DIAGNOSIS = "decision support, not diagnosis"


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


NO_PICTURE = (positive_data_acceptance,)
"""A schema cannot say which bytes are a picture, so what it allows may still be refused."""


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")  # schemathesis' own strategies
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_whatever_is_sent_the_answer_is_as_documented(node: Node, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{node.web_port}/api/v1/openapi.json")

    @given(case=schema["/predict"]["POST"].as_strategy(generation_mode=mode))
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    def send(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(excluded_checks=list(NO_PICTURE))

    send()


def test_normal_has_no_overlay(client: httpx2.Client) -> None:
    prediction = post(client, picture(60)).json()
    assert (prediction["prediction"], prediction["status"]) == ("Normal", "automated")
    assert "overlay" not in prediction["links"]
    answer = client.get(f"/overlays/{prediction['id']}/lungs-1.0.0.png")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
