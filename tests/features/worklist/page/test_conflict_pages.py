"""A study with images of two patients on its page and over REST, until a person has looked; and a patient's names."""

from __future__ import annotations

from datetime import timedelta

from fastapi.testclient import TestClient

from tests.web.staging import NOW, Stage, csrf

PATH = "/studies/1.2.3.1"
ORIGIN = {"origin": "http://localhost:8080"}


def two_patients(stage: Stage) -> None:
    stage.add(1, patient="1001", authority="NORTH", patient_name="North^Anna")
    stage.add(2, study=1, patient="1001", authority="SOUTH", patient_name="South^Bert")


def test_the_page_shows_both_and_its_form_ends_the_conflict_on_record(stage: Stage, client: TestClient) -> None:
    two_patients(stage)
    stage.add(3)
    assert "Images of several patients" in client.get("/").text
    page = client.get(PATH).text
    for text in ("Images of several patients", "NORTH", "SOUTH", "North Anna", "South Bert", "1 image."):
        assert text in page
    heading = page[page.index("<h1>") : page.index("</h1>")]
    assert "Images of several patients" in heading, "it outranks any verdict"
    assert "Accepted" not in heading
    assert page.index("several-patients") < page.index("</header>", page.index("<h1>")), "above all images"
    assert page.count('<p class="warn">1001 ') == 2, "each image says whose it is"
    form = {"csrf": csrf(client), "actor": "mara", "comment": "a wrong worklist entry"}
    assert client.post(f"{PATH}/patients", data=form | {"comment": " "}, headers=ORIGIN).status_code in (409, 422)
    assert client.post(f"{PATH}/patients", data=form | {"csrf": "x"}, headers=ORIGIN).status_code == 403
    assert client.post(f"{PATH}/patients", data=form, headers=ORIGIN).status_code == 303
    assert "Images of several patients" not in client.get("/").text
    page = client.get(PATH).text
    assert "mara: “a wrong worklist entry”" in page
    assert f'action="{PATH}/patients"' not in page
    assert "Images of several patients" not in page[page.index("<h1>") : page.index("</h1>")]
    assert client.post(f"{PATH}/patients", data=form, headers=ORIGIN).status_code == 409
    assert client.post("/studies/1.2.3.3/patients", data=form, headers=ORIGIN).status_code == 404
    stage.add(4, study=1, patient="1002", authority="NORTH")  # yet another patient
    assert "Images of several patients" in client.get("/").text


def test_conflicts_over_rest(stage: Stage, client: TestClient) -> None:
    assert client.get("/api/v1/conflicts").json() == []
    two_patients(stage)
    [conflict] = client.get("/api/v1/conflicts").json()
    assert conflict["study_instance_uid"] == "1.2.3.1"
    assert [(one["patient_id"], one["authority"], one["images"]) for one in conflict["patients"]] == [
        ("1001", "NORTH", 1),
        ("1001", "SOUTH", 1),
    ]
    body = {"actor": "mara", "text": "a wrong worklist entry"}
    address = "/api/v1/conflicts/1.2.3.1/resolve"
    assert client.post(address, json={"actor": "mara"}).status_code == 422
    assert client.post("/api/v1/conflicts/1.2.3.9/resolve", json=body).status_code == 404
    answer = client.post(address, json=body)
    assert (answer.status_code, answer.json()["resolved_by"]) == (200, "mara")
    assert client.post(address, json=body).status_code == 409
    assert client.get("/api/v1/conflicts").json() == []
    [entry] = [one for one in client.get("/api/v1/worklist/1.2.3.1").json()["images"] if one["authority"] == "SOUTH"]
    assert entry["patient_id"] == "1001"


def test_the_page_shows_the_last_name_the_birth_date_and_earlier_names(stage: Stage, client: TestClient) -> None:
    stage.add(1, patient="1001", patient_name="Emergency^Female", born="19000101")
    page = client.get(PATH).text
    assert "1900" in page
    assert "Emergency" not in page  # pages name nobody without need
    assert "Earlier names" not in page
    stage.add(2, patient="1001", patient_name="Muster^Erika", born="19640812", at=NOW + timedelta(hours=1))
    page = client.get(PATH).text
    facts = page[page.index("<dl") : page.index("</dl>")]
    last, earlier = facts.split("Earlier names")
    assert "Muster Erika" in last
    assert "Emergency Female" in earlier
    assert "Emergency" not in last
    assert [("1964" in part, "1900" in part) for part in (last, earlier)] == [(True, False), (False, True)]
