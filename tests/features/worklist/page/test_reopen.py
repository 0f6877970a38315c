"""Decisions are taken back on the pages and over REST, and the next study is one of the list that one worked in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.delivery import DeliveryState, ResultKind
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.verdict import Verdict
from miqa_node.features.worklist.rows import history, worklist
from tests.features.worklist.page.test_review import STUDY, archives, real_file, said, send
from tests.web.people import ORIGIN
from tests.web.staging import Stage, csrf

__all__ = ["archives"]


def undo(client: TestClient, **more: object) -> int:
    """Press the button of the toast that the page shows."""
    form = re.search(r'<form class="toast".*?</form>', client.get(STUDY).text, re.DOTALL)
    assert form is not None
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[0]))
    return client.post(f"{STUDY}/reopen", data=fields | more, headers=ORIGIN).status_code


def test_a_slip_of_the_key_is_undone_and_the_right_decision_counts(stage: Stage, client: TestClient) -> None:
    _, digest = stage.add(1)
    send(client, "dismissed")

    assert "Undo" in client.get(STUDY).text
    assert undo(client) == 303
    assert said(stage, digest) == []
    assert 'class="toast"' not in client.get(STUDY).text
    send(client, "retaken", reason="111210")

    assert [label.judgement.bad for label in said(stage, digest)] == [True]
    assert "Retake requested by mara" in client.get(STUDY).text


def test_a_rejection_note_waits_and_undo_cancels_it(
    stage: Stage, client: TestClient, archives: Sequence[str], samples: Path
) -> None:
    _, digest = stage.add(1)
    real_file(stage, digest, samples)

    def notes() -> list[tuple[str, DeliveryState]]:
        with stage.services.database.begin() as transaction:
            results = history.of_instance(transaction, digest).results
        made = [one for one in results if one.kind == ResultKind("REJECTION")]
        return [(one.sop_instance_uid, delivery.state) for one in made for delivery in one.deliveries]

    send(client, "confirmed", reason="111210", archive=["CLOUD"], sure="true")
    with stage.services.database.begin() as transaction:
        [note] = [
            one for one in history.of_instance(transaction, digest).results if one.kind == ResultKind("REJECTION")
        ]
    [delivery] = note.deliveries
    assert 890 <= (delivery.next_attempt_at - delivery.queued_at).total_seconds() <= 910
    assert "The rejection note leaves for CLOUD" in client.get(STUDY).text
    assert undo(client) == 303
    assert [state for _, state in notes()] == [DeliveryState.CANCELLED]

    send(client, "confirmed", reason="111210", archive=["CLOUD"], sure="true")
    assert sorted(state for _, state in notes()) == [DeliveryState.CANCELLED, DeliveryState.QUEUED]
    assert len({uid for uid, _ in notes()}) == 2


def test_after_the_note_has_left_only_the_archive_can_restore_the_image(
    stage: Stage, client: TestClient, archives: Sequence[str], samples: Path
) -> None:
    _, digest = stage.add(1)
    real_file(stage, digest, samples)
    send(client, "confirmed", reason="111210", archive=["CLOUD"], sure="true")
    lane_sends_all(stage)

    assert "CLOUD has the note" in client.get(STUDY).text
    answer = client.post(
        "/api/v1/worklist/1.2.3.1/reopen", json={"actor": "kim", "comment": "the archive hid a good image"}
    )

    assert answer.status_code == 200
    assert answer.json()["must_restore"] == ["CLOUD"]
    assert answer.json()["item"]["state"] == "OPEN"
    assert "CLOUD was asked to hide an image" in client.get(STUDY).text


def lane_sends_all(stage: Stage) -> None:
    import sqlalchemy as sa

    from miqa_node.runtime.store.tables import deliveries

    with stage.services.database.begin() as transaction:
        transaction.execute(sa.update(deliveries).values(state=DeliveryState.SENT.value))


def test_rest_reopens_with_a_reason_and_only_what_was_decided(stage: Stage, client: TestClient) -> None:
    stage.add(1)
    path = "/api/v1/worklist/1.2.3.1"
    body = {"actor": "kim", "comment": "looked again"}

    assert client.post(f"{path}/reopen", json=body).status_code == 409
    decided = client.post(f"{path}/resolve", json={"actor": "mara", "resolution": "retaken"}).json()
    assert (decided["resolution"], decided["retaken_at"]) == ("retaken", None)
    assert client.post(f"{path}/reopen", json={"actor": "kim", "comment": ""}).status_code == 422
    assert client.post(f"{path}/reopen", json=body | {"decision": decided["decision"] + 1}).status_code == 409
    assert client.post(f"{path}/reopen", json=body | {"decision": decided["decision"]}).status_code == 200
    assert client.get(path).json()["decision"] is None


def test_the_next_study_is_one_of_the_list(stage: Stage, client: TestClient) -> None:
    stage.add(1, station="ROOM2")
    stage.add(2, Verdict.REVIEW, FindingName.GRID_ARTIFACT)
    stage.add(3, station="ROOM2")
    stage.add(4, station="ROOM2")
    assert "/studies/1.2.3.3?list=station%3DROOM2" in client.get("/?station=ROOM2").text
    form = {"resolution": "dismissed", "actor": "mara", "csrf": csrf(client), "list": "station=ROOM2"}

    answer = client.post("/studies/1.2.3.3/resolve", data=form, headers=ORIGIN)

    assert answer.headers["location"] == "/studies/1.2.3.3?list=station%3DROOM2"
    assert 'href="/studies/1.2.3.1?list=station%3DROOM2" data-key="n"' in client.get(answer.headers["location"]).text
    client.post("/studies/1.2.3.1/resolve", data=form, headers=ORIGIN)
    last = client.get("/studies/1.2.3.1?list=station%3DROOM2").text
    assert 'href="/studies/1.2.3.4?list=station%3DROOM2" data-key="n"' in last


def test_deciding_about_many_asks_first_and_can_be_undone(stage: Stage, client: TestClient) -> None:
    digests = [stage.add(number)[1] for number in (1, 2)]
    form = {"action": "dismiss", "study": ["1.2.3.1", "1.2.3.2"], "actor": "mara", "csrf": csrf(client)}

    page = client.post("/worklist/bulk", data=form, headers=ORIGIN).text
    assert "Dismiss 2 studies?" in page
    assert said(stage, *digests) == []
    page = client.post("/worklist/bulk", data=form | {"sure": "true"}, headers=ORIGIN).text
    assert len(said(stage, *digests)) == 2
    back = {"undo": re.findall(r'name="undo" value="([^"]+)"', page), "actor": "mara", "csrf": csrf(client)}
    page = client.post("/worklist/bulk/undo", data=back, headers=ORIGIN).text

    assert "2 studies: open again" in page
    assert said(stage, *digests) == []
    with stage.services.database.begin() as transaction:
        assert worklist.show(transaction, "1.2.3.2").state == "OPEN"


def test_a_decision_can_be_taken_back_after_another_image_was_flagged(
    stage: Stage, client: TestClient, archives: Sequence[str], samples: Path
) -> None:
    _, digest = stage.add(1)
    real_file(stage, digest, samples)
    send(client, "confirmed", reason="111210", comment="the wrong study", archive=["CLOUD"], sure="true")
    stage.add(2, study=1)
    opened = client.get("/api/v1/worklist/1.2.3.1").json()
    assert (opened["state"], opened["resolution"], opened["comment"]) == ("OPEN", None, "")
    page = client.get(STUDY).text
    assert "The rejection note leaves for CLOUD" in page
    assert "Take the decision back" in page

    form = {"actor": "kim", "comment": "wrong study", "decision": opened["decision"], "csrf": csrf(client)}
    assert client.post(f"{STUDY}/reopen", data=form, headers=ORIGIN).status_code == 303

    assert said(stage, digest) == []
    assert note_states(stage, digest) == [DeliveryState.CANCELLED]
    page = client.get(STUDY).text
    assert "undone by kim: “wrong study”" in page
    assert "Take the decision back" not in page
    assert client.post(f"{STUDY}/reopen", data=form, headers=ORIGIN).status_code == 409


@pytest.mark.parametrize(
    ("resolution", "state"), [("dismissed", DeliveryState.CANCELLED), ("retaken", DeliveryState.QUEUED)]
)
def test_who_later_calls_the_image_good_cancels_its_note(
    stage: Stage, client: TestClient, archives: Sequence[str], samples: Path, resolution: str, state: DeliveryState
) -> None:
    _, first = stage.add(1)
    real_file(stage, first, samples)
    send(client, "confirmed", reason="111210", archive=["CLOUD"], sure="true")
    _, second = stage.add(2, study=1)
    send(client, "dismissed", digest=[second])
    assert note_states(stage, first) == [DeliveryState.QUEUED], "another image says nothing about it"
    stage.add(3, study=1)

    send(client, resolution, digest=[first])

    assert note_states(stage, first) == [state]


def test_an_archive_that_hides_an_image_is_named_when_somebody_later_calls_it_good(
    stage: Stage, client: TestClient, archives: Sequence[str], samples: Path
) -> None:
    _, first = stage.add(1)
    real_file(stage, first, samples)
    send(client, "confirmed", reason="111210", archive=["CLOUD"], sure="true")
    lane_sends_all(stage)
    _, second = stage.add(2, study=1)
    send(client, "dismissed", digest=[second])
    assert "CLOUD was asked to hide an image" not in client.get(STUDY).text
    stage.add(3, study=1)

    send(client, "dismissed", digest=[first])

    assert "CLOUD was asked to hide an image" in client.get(STUDY).text


def note_states(stage: Stage, digest: InstanceDigest) -> list[DeliveryState]:
    with stage.services.database.begin() as transaction:
        results = history.of_instance(transaction, digest).results
    return [one.state for made in results if made.kind == ResultKind("REJECTION") for one in made.deliveries]


@pytest.mark.more
def test_reopening_needs_a_reason(stage: Stage, client: TestClient) -> None:
    stage.add(1)
    send(client, "dismissed")
    form = {"actor": "kim", "csrf": csrf(client)}

    assert client.post(f"{STUDY}/reopen", data=form, headers=ORIGIN).status_code == 422
    for blank in ("", " ", "\u3000\n"):
        assert client.post(f"{STUDY}/reopen", data=form | {"comment": blank}, headers=ORIGIN).status_code == 422
        body = {"actor": "kim", "comment": blank}
        assert client.post("/api/v1/worklist/1.2.3.1/reopen", json=body).status_code == 422
    assert client.post(f"{STUDY}/reopen", data=form | {"comment": "blurred"}, headers=ORIGIN).status_code == 303
    assert "reopened by kim: “blurred”" in client.get(STUDY).text
