"""What people decide on a study's page, and what follows from it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydicom import dcmread

from miqa_node.core.domain.access import Role
from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import LabelRecord
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.core.settings import load_settings
from miqa_node.errors import SettingsError
from miqa_node.features.worklist.rows import history, worklist
from miqa_node.runtime.site_records import labels
from miqa_node.runtime.store.object_keys import original_key
from tests.web.people import ORIGIN, signed_in
from tests.web.staging import NOW, Stage, csrf

STUDY = "/studies/1.2.3.1"
SQUARE = [[0.1, 0.2], [0.3, 0.2], [0.3, 0.5], [0.1, 0.5]]


@pytest.fixture
def archives(stage: Stage, app: FastAPI) -> Sequence[str]:
    """Two archives that take rejection notes."""
    names = ("ARCHIVE", "CLOUD")
    app.state.services = replace(stage.services, archives=lambda: names)
    return names


def real_file(stage: Stage, digest: InstanceDigest, samples: Path) -> None:
    """Put a real radiograph where the image's file is looked for."""
    stage.services.objects.put(original_key(digest), (samples / "RG1_UNCR.dcm").read_bytes())


def said(stage: Stage, *digests: str) -> list[LabelRecord]:
    with stage.services.database.begin() as transaction:
        return labels.of_images(transaction, [InstanceDigest(digest) for digest in digests])


def send(client: TestClient, resolution: str, **more: object) -> Any:
    form = {"resolution": resolution, "actor": "mara", "csrf": csrf(client), **more}
    return client.post(f"{STUDY}/resolve", data=form, headers=ORIGIN)


@pytest.mark.parametrize(
    ("resolution", "bad", "findings"),
    [("accepted", False, None), ("dismissed", False, ()), ("retaken", True, ("motion_blur",))],
)
def test_a_decision_becomes_a_label(
    stage: Stage, client: TestClient, resolution: str, bad: bool, findings: object
) -> None:
    _, digest = stage.add(1)

    answer = send(client, resolution, reason="111210" if bad else "", comment="knee moved")

    assert answer.status_code == 303
    [label] = said(stage, digest)
    assert (label.judgement.bad, label.judgement.rejects, label.judgement.findings) == (bad, bad, findings)
    assert label.judgement.reason == ("111210" if bad else "")
    with stage.services.database.begin() as transaction:
        item = worklist.show(transaction, "1.2.3.1")
    assert (item.resolution, item.resolved_by, item.comment) == (Resolution(resolution), "mara", "knee moved")


def test_what_was_drawn_goes_with_the_label(stage: Stage, client: TestClient) -> None:
    _, digest = stage.add(1)
    drawn = [{"digest": digest, "points": SQUARE, "finding": "foreign_object"}]

    assert send(client, "retaken", regions=json.dumps(drawn)).status_code == 303

    [label] = said(stage, digest)
    assert label.judgement.regions[0].points == tuple((x, y) for x, y in SQUARE)
    assert label.judgement.findings == ("foreign_object",)


@pytest.mark.parametrize(
    "regions",
    [
        "nonsense",
        "{}",
        '[{"digest": "x", "points": [[0, 0], [1, 1]]}]',
        '[{"digest": "x", "points": [[0, 0], [2, 1], [1, 1]]}]',
        '[{"digest": "x", "points": [[0, 0], [NaN, 1], [1, 1]]}]',
        '[{"digest": "x", "points": [[0, 0], [0, 1], [1, 1]], "finding": "<script>"}]',
        json.dumps([{"digest": "x", "points": SQUARE}] * 51),
    ],
)
def test_regions_that_nobody_drew_are_refused(stage: Stage, client: TestClient, regions: str) -> None:
    stage.add(1)

    assert send(client, "dismissed", regions=regions).status_code == 422


def test_a_rejection_shows_first_what_will_happen(stage: Stage, client: TestClient, archives: Sequence[str]) -> None:
    _, digest = stage.add(1)

    page = send(client, "confirmed", reason="111210", comment="arms over the lungs").text

    assert "What will happen" in page
    assert "113001" in page
    assert "hide or delete it" in page
    assert "arms over the lungs" in page
    assert "PID1" in page, "a person has to see whose image it is"
    assert "ACC1" in page
    assert re.search(r'<a class="button" href="/studies/1\.2\.3\.1[^"]*" data-key="Escape">', page), "Escape goes back"
    assert "/static/keys.js" in page
    for name in archives:
        assert f'name="archive" value="{name}" checked' in page
    assert said(stage, digest) == []
    with stage.services.database.begin() as transaction:
        assert worklist.show(transaction, "1.2.3.1").state == "OPEN"


@pytest.mark.parametrize(("language", "verdict"), [("en", "Resolved: rejected"), ("de", "Entschieden: abgelehnt")])
def test_a_rejection_has_one_name(stage: Stage, client: TestClient, language: str, verdict: str) -> None:
    stage.add(1)
    client.cookies.set("miqa_language", language)
    send(client, "confirmed", reason="111210", sure="true")

    page = client.get("/studies/1.2.3.1").text

    assert verdict in re.sub(r"\s+", " ", page)
    read = re.sub(r"<[^>]+>", " ", page).lower()
    assert "confirmed" not in read
    assert "bestätigt" not in read
    assert client.get("/api/v1/worklist/1.2.3.1").json()["resolution"] == "confirmed"


def test_a_confirmed_rejection_is_sent_to_the_chosen_archives(
    stage: Stage, client: TestClient, archives: Sequence[str], samples: Path
) -> None:
    _, digest = stage.add(1)
    real_file(stage, digest, samples)

    answer = send(client, "confirmed", reason="111210", archive=["CLOUD"], sure="true", comment="moved")

    assert answer.status_code == 303, answer.text
    with stage.services.database.begin() as transaction:
        image = history.of_instance(transaction, digest)
        item = worklist.show(transaction, "1.2.3.1")
    assert item.resolution is Resolution.CONFIRMED
    [note] = [result for result in image.results if result.kind == ResultKind("REJECTION")]
    assert [delivery.destination for delivery in note.deliveries] == ["CLOUD"]
    document = dcmread(BytesIO(stage.services.objects.get(note.object_key)))
    assert document.ConceptNameCodeSequence[0].CodeValue == "113001"
    assert "mara" in str(document)
    [label] = said(stage, digest)
    assert label.judgement.rejects
    assert "REJECTION" in client.get(STUDY).text


@pytest.mark.parametrize(
    "more",
    [
        {"archive": ["ELSEWHERE"], "reason": "111210"},
        {"archive": ["CLOUD"], "reason": ""},
        {"archive": ["CLOUD"], "reason": "42"},
        {"archive": ["CLOUD"], "reason": "111210", "digest": ["0" * 64]},
    ],
)
def test_a_rejection_that_cannot_be_sent_changes_nothing(
    stage: Stage, client: TestClient, archives: Sequence[str], more: dict[str, object]
) -> None:
    _, digest = stage.add(1)

    assert send(client, "confirmed", sure="true", **more).status_code == 422
    with stage.services.database.begin() as transaction:
        assert worklist.show(transaction, "1.2.3.1").state == "OPEN"
    assert said(stage, digest) == []


@pytest.mark.parametrize("resolution", ["accepted", "confirmed"])
def test_an_image_that_came_meanwhile_is_not_decided_unseen(stage: Stage, client: TestClient, resolution: str) -> None:
    _, first = stage.add(1)
    form = fields_of(client.get(STUDY).text, "resolve")
    if resolution == "confirmed":
        form = fields_of(send(client, resolution, **form, reason="111210").text, "resolve")
    _, second = stage.add(2, study=1)

    answer = send(client, resolution, **form | {"reason": "111210"})

    assert answer.status_code == 409
    assert "Look at the study again" in answer.text
    assert said(stage, first, second) == []
    with stage.services.database.begin() as transaction:
        assert worklist.show(transaction, "1.2.3.1").state == "OPEN"
    form = fields_of(client.get(STUDY).text, "resolve")
    assert send(client, resolution, **form, reason="111210", sure="true").status_code == 303


def test_nor_by_a_decision_about_many(stage: Stage, client: TestClient) -> None:
    stage.add(1)
    stage.add(2)
    form = {"action": "accept", "study": ["1.2.3.1", "1.2.3.2"], "actor": "mara", "csrf": csrf(client)}
    page = client.post("/worklist/bulk", data=form, headers=ORIGIN).text
    counts = re.findall(r'name="image_count" value="(\d+)"', page)
    stage.add(3, study=2)

    client.post("/worklist/bulk", data=form | {"sure": "true", "image_count": counts}, headers=ORIGIN)

    with stage.services.database.begin() as transaction:
        states = [worklist.show(transaction, uid).state.value for uid in ("1.2.3.1", "1.2.3.2")]
    assert states == ["RESOLVED", "OPEN"]


def fields_of(page: str, action: str) -> dict[str, str]:
    """The hidden fields of the form that sends a decision, as a browser would send them."""
    form = re.search(rf'<form [^>]*action="[^"]*/{action}".*?</form>', page, re.DOTALL)
    assert form is not None
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form[0]))
    return {name: value for name, value in fields.items() if name not in {"csrf", "actor", "resolution"}}


def test_of_several_images_the_chosen_ones_are_meant(stage: Stage, client: TestClient) -> None:
    _, first = stage.add(1)
    _, second = stage.add(2, study=1)

    assert 'name="digest"' in client.get(STUDY).text
    assert send(client, "retaken", digest=[second]).status_code == 303

    assert said(stage, first) == []
    assert [label.digest for label in said(stage, second)] == [second]


def test_a_decided_study_cannot_be_decided_again(stage: Stage, client: TestClient) -> None:
    stage.add(1)
    send(client, "dismissed")

    assert send(client, "retaken").status_code == 409


def test_viewers_decide_nothing(stage: Stage, connect: Callable[..., TestClient]) -> None:
    stage.add(1)
    browser = signed_in(stage, connect, "eve", Role.VIEWER)

    assert send(browser, "dismissed", actor="").status_code == 403
    assert "Dismiss" not in browser.get(STUDY).text


def test_the_page_tells_why_how_and_what_before(stage: Stage, client: TestClient) -> None:
    _, prior = stage.add(1, Verdict.ACCEPT, patient="P", study_date="20260101")
    stage.add(2, patient="P", at=NOW + timedelta(days=1))

    page = client.get("/studies/1.2.3.2").text

    assert f'data-prior="{prior}"' in page
    for text in ("Prior of 2026-01-01", "verdict: Rejected", "received from MODALITY", "decode 20 ms"):
        assert text in page
    assert "too few accepted images of this kind" in page


def test_another_patient_or_view_is_no_prior(stage: Stage, client: TestClient) -> None:
    stage.add(1, Verdict.ACCEPT, patient="Q")
    stage.add(2, Verdict.ACCEPT, patient="")
    stage.add(3, patient="P")
    stage.add(4, patient="")

    assert "data-prior" not in client.get("/studies/1.2.3.3").text
    assert "data-prior" not in client.get("/studies/1.2.3.4").text


def test_measurements_stand_against_what_is_usual_here(stage: Stage, app: FastAPI, client: TestClient) -> None:
    for number in range(2, 42):
        stage.add(number, Verdict.ACCEPT, noise=10.0 + number / 10)
    stage.add(1, noise=99.0)
    app.state.services = replace(stage.services)

    page = client.get(STUDY).text

    assert "of 40 accepted images of this kind" in page
    assert re.search(r"10\.(39|4) – 13\.9", page)
    assert "<strong>above</strong>" in page


def test_the_sites_viewer_is_linked_by_setting(stage: Stage, app: FastAPI, client: TestClient) -> None:
    stage.add(1)
    web = stage.services.settings.web.model_copy(update={"viewer_url": "https://ohif.example/viewer?S={study_uid}"})
    app.state.services = replace(stage.services, settings=stage.services.settings.model_copy(update={"web": web}))

    assert 'href="https://ohif.example/viewer?S=1.2.3.1"' in client.get(STUDY).text


def test_an_address_of_a_viewer_without_a_place_for_the_study_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"web\.viewer_url.*study_uid"):
        load_settings(web={"viewer_url": "https://ohif.example/viewer"})


@pytest.mark.more
def test_without_an_archive_the_decision_is_kept_and_nothing_sent(stage: Stage, client: TestClient) -> None:
    _, digest = stage.add(1)

    page = send(client, "confirmed", reason="111210")
    answer = send(client, "confirmed", reason="111210", sure="true")

    assert "No archive is notified" in page.text
    assert answer.status_code == 303
    with stage.services.database.begin() as transaction:
        kinds = [result.kind for result in history.of_instance(transaction, digest).results]
    assert kinds == [ResultKind("SR")]
    assert len(said(stage, digest)) == 1
