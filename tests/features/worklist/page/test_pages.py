"""What the pages say; how they look is for test_browser.py."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient

from miqa_node.core.domain.codes import OTHER_FAILURE
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import SaliencyMap, SaliencyMaps
from miqa_node.core.domain.instance import StudyInstanceUid
from miqa_node.core.domain.prediction import PendingCause, PendingReason, Prediction
from miqa_node.core.domain.reason_texts import finding_text
from miqa_node.core.domain.reassessment import with_flag
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.core.language.catalogue import LANGUAGE
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import share_dir
from miqa_node.core.taxonomy.lookup import all_finding_names
from miqa_node.core.taxonomy.reasons import OTHER_REASONS
from miqa_node.dicom.pixels.plausibility import ISSUES
from miqa_node.features.worklist.page.worklist.router import SHORT_TITLES, _chip_title
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.tables import assessments, dispositions, instances
from miqa_node.stages.units.rows.instances import save_disposition
from tests.web.staging import NOW, Stage, csrf


def test_the_worklist_shows_thumbnail_verdict_reasons_and_state(stage: Stage, client: TestClient) -> None:
    study, digest = stage.add(1)

    page = client.get("/").text

    assert f'src="/previews/{digest}.png"' in page
    assert ">Rejected</span>" in page
    assert "Motion blur – certain, moderate (probability 0.97, severity 0.60)" in page
    assert ">Open</span>" in page
    assert f'href="/studies/{study}"' in page


def test_no_patient_name_anywhere_and_no_patient_in_titles_or_addresses(stage: Stage, client: TestClient) -> None:
    stage.add(1)

    for path in ("/", "/studies/1.2.3.1"):
        page = client.get(path).text
        assert "Muster" not in page
        title = re.search("<title>(.*)</title>", page)
        assert title is not None
        assert "PID1" not in title[1]
        assert not [address for address in re.findall(r'(?:href|src|action)="([^"]*)"', page) if "PID1" in address]


def test_names_are_shown_where_the_site_asks_for_them(stage: Stage, app: FastAPI, client: TestClient) -> None:
    stage.add(1)
    settings = stage.services.settings
    web = settings.web.model_copy(update={"patient_names": True})
    app.state.services = replace(stage.services, settings=settings.model_copy(update={"web": web}))
    assert not settings.web.patient_names
    assert ["Muster Erika" in client.get(path).text for path in ("/", "/studies/1.2.3.1", "/rooms/ROOM1")] == [
        True, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_chip_has_at_most_three_words_whatever_flags(language: str) -> None:
    ruled = set(
        re.findall(r'(?:finding|measurement) = "(\w+)"', (share_dir("config") / "policy.toml").read_text("utf-8"))
    )
    names = {*ruled, *map(str, all_finding_names()), *OTHER_REASONS, *ISSUES} - {"all", "default"}
    token = LANGUAGE.set(language)
    try:
        chips = {name: _chip_title(name, "A sentence.") for name in names}
    finally:
        LANGUAGE.reset(token)
    assert len(chips) > 60
    assert {name: chip for name, chip in chips.items() if len(chip.split()) > 3} == {}
    assert set(SHORT_TITLES[language]) <= names, "short titles of what flags nothing"


def test_chips_are_names_and_sentences_stand_behind_them(stage: Stage, client: TestClient) -> None:
    study, digest = stage.add(1)
    sentence = Phrase("The window shows {share} % of the pixels as pure black or white.", share="80")
    disposition = with_flag(
        Disposition(
            Verdict.NOT_ASSESSED,
            (
                Reason("voi_clips_image", sentence, OTHER_FAILURE, Verdict.REVIEW),
                Reason("not_assessed", "It could not be read.", OTHER_FAILURE, Verdict.NOT_ASSESSED),
            ),
            "2026-01",
            "",
        ),
        [finding_text("Motion blur", 0.9, 0.8)],
    )
    with stage.services.database.begin() as transaction:
        transaction.execute(sa.delete(dispositions).where(dispositions.c.digest == digest))
        save_disposition(transaction, digest, study, disposition, NOW)
    chips = re.findall(r'<li title="([^"]+)">([^<]+)</li>', client.get("/").text)
    assert [title for _, title in chips] == ["Voi clips image", "Earlier: Motion blur"]
    assert chips[0][0] == sentence
    assert "Still listed, as no later judgement could take it back: Motion blur" in client.get(f"/studies/{study}").text


def test_pages_ask_nobody_else_for_anything(stage: Stage, client: TestClient) -> None:
    stage.add(1)

    for path in ("/", "/studies/1.2.3.1"):
        addresses = re.findall(r'(?:href|src|action|formaction)="([^"]*)"', client.get(path).text)
        assert addresses
        assert [address for address in addresses if not address.startswith(("/", "#"))] == []


def test_what_others_wrote_is_escaped(stage: Stage, client: TestClient) -> None:
    stage.add(1, station="<script>alert(1)</script>", text="<img src=x onerror=alert(1)>")

    for path in ("/", "/studies/1.2.3.1", '/?station="><script>alert(1)</script>'):
        page = client.get(path).text
        assert "<script>" not in page
        assert "<img src=x" not in page


def test_an_empty_worklist_says_so(client: TestClient) -> None:
    assert "Nothing needs attention" in client.get("/").text
    assert "No study matches this filter" in client.get("/?modality=CT").text


def test_filter_and_pages(stage: Stage, client: TestClient) -> None:
    for number in range(1, 6):
        stage.add(number, Verdict.REVIEW if number % 2 else Verdict.REJECT)

    def studies(page: str) -> list[str]:
        return re.findall(r'data-study="1\.2\.3\.(\d)"', page)

    def neighbour(page: str, rel: str) -> str:
        match = re.search(f'rel="{rel}" href="([^"]*)"', page)
        return html.unescape(match[1]) if match else ""

    first = client.get("/").text
    second = client.get(neighbour(first, "next")).text
    rejected = client.get("/?show=unresolved&verdict=REJECT&reason=&modality=&station=&search=&since=&until=").text

    assert (studies(first), studies(second), studies(rejected)) == (["5", "4", "3"], ["2", "1"], ["4", "2"])
    assert "3 of 5" in first
    assert neighbour(first, "prev") == neighbour(second, "next") == ""
    assert studies(client.get(neighbour(second, "prev")).text) == ["5", "4", "3"]
    assert studies(client.get("/?order=worst").text) == ["4", "2", "5"]
    onward = neighbour(client.get("/?order=worst").text, "next")
    assert studies(client.get(onward).text) == ["3", "1"]
    assert "order=worst" in onward


def test_worst_first_means_the_verdict_then_how_severe_it_is(stage: Stage, client: TestClient) -> None:
    scores = {1: 40.0, 2: 5.0, 3: 70.0, 4: 1.0, 5: 40.0}
    for number in scores:
        stage.add(number, Verdict.REVIEW if number == 4 else Verdict.REJECT)
    with stage.services.database.begin() as transaction:
        for number, score in scores.items():
            of = instances.c.study_instance_uid == f"1.2.3.{number}"
            images = sa.select(instances.c.digest).where(of)
            transaction.execute(sa.update(assessments).where(assessments.c.digest.in_(images)).values(score=score))
            worklist.follow(transaction, StudyInstanceUid(f"1.2.3.{number}"), datetime.now(UTC), reopen=False)

    def studies(page: str) -> list[str]:
        return re.findall(r'data-study="1\.2\.3\.(\d)"', page)

    first = client.get("/?order=worst").text
    assert studies(first) == ["2", "5", "1"]
    onward = re.search('rel="next" href="([^"]*)"', first)
    assert onward is not None
    second = client.get(html.unescape(onward[1])).text
    assert studies(second) == ["3", "4"]
    back = re.search('rel="prev" href="([^"]*)"', second)
    assert back is not None
    assert studies(client.get(html.unescape(back[1])).text) == ["2", "5", "1"]


def flag_for_prediction(stage: Stage, number: int, *, study: int | None = None) -> None:
    """An accepted image on the list for a prediction alone."""
    uid, digest = stage.add(number, Verdict.ACCEPT, study=study)
    pending = Reason("not_proven", "pneumonia: Not automated", OTHER_FAILURE, Verdict.ACCEPT)
    waits = Disposition(Verdict.ACCEPT, (pending,), "p", "chest", attention=True)
    with stage.services.database.begin() as transaction:
        transaction.execute(sa.delete(dispositions).where(dispositions.c.digest == digest))
        save_disposition(transaction, digest, uid, waits, datetime.now(UTC))
        worklist.flag(transaction, uid, Verdict.ACCEPT, datetime.now(UTC))


def test_predictions_that_wait_have_a_list_of_their_own(stage: Stage, client: TestClient) -> None:
    for number in (1, 2):
        flag_for_prediction(stage, number)
    stage.add(3, Verdict.REVIEW)
    stage.add(4, Verdict.REJECT)
    flag_for_prediction(stage, 5, study=4)

    def studies(page: str) -> set[str]:
        return set(re.findall(r'data-study="1\.2\.3\.(\d)"', page))

    page = client.get("/").text
    assert studies(page) == {"3", "4"}
    assert 'href="/?predictions=true"' in page
    assert studies(client.get("/?predictions=true").text) == {"1", "2", "4"}, "of study 4 both wait"
    assert studies(client.get("/?search=ACC1").text) == {"1"}, "who looks for a study finds it"
    assert studies(client.get("/?reason=not_proven").text) == {"1", "2", "4"}, "so does a filter saved before"

    def rest(**query: bool) -> int:
        return int(client.get("/api/v1/worklist", params=query).json()["total"])

    assert (rest(), rest(pending_review=True), rest(every_list=True)) == (2, 3, 4)


def test_with_nothing_but_predictions_the_list_says_so(stage: Stage, client: TestClient) -> None:
    flag_for_prediction(stage, 1)
    page = client.get("/").text
    assert "Nothing needs attention" in page
    assert "1 prediction waits for a person" in page
    stage.add(2, Verdict.REJECT, study=1)
    assert 'data-study="1.2.3.1"' in client.get("/").text, "a defect brings the study back"


@pytest.mark.parametrize(
    ("query", "result"),
    [
        ("search=ACC2", {"2"}),
        ("search=1.2.3.4.5.3", {"3"}),
        ("search=1.2.3.2", {"2"}),
        ("search=acc", {"1", "2", "3"}),
        ("station=ROOM2", {"2"}),
        ("body_part=CHEST&view=PA", {"1", "2", "3"}),
        ("view=LL", set()),
        ("reason=grid_artifact", {"3"}),
        ("assignee=mara", {"1"}),
        ("show=claimed", {"1"}),
        ("show=open&station=ROOM1", {"3"}),
        ("since=2026-11-21", {"3"}),
        ("until=2026-11-20", {"1", "2"}),
        ("since=2026-11-20&until=2026-11-21", {"1", "2", "3"}),
    ],
)
def test_what_the_filters_find(stage: Stage, client: TestClient, query: str, result: set[str]) -> None:
    stage.add(1)
    stage.add(2, station="ROOM2")
    stage.add(3, finding=FindingName.GRID_ARTIFACT, at=NOW + timedelta(days=1))
    with stage.services.database.begin() as transaction:
        worklist.claim(transaction, "1.2.3.1", "mara", NOW)

    page = client.get(f"/?{query}").text

    assert set(re.findall(r'data-study="1\.2\.3\.(\d)"', page)) == result


def test_a_live_update_is_the_list_alone(stage: Stage, client: TestClient) -> None:
    stage.add(1)

    part = client.get("/?verdict=REJECT", headers={"hx-request": "true"}).text

    assert 'hx-get="/?verdict=REJECT"' in client.get("/?verdict=REJECT").text
    assert part.lstrip().startswith('<div class="list-line">')
    assert 'data-study="1.2.3.1"' in part
    assert "<html" not in part


@pytest.mark.parametrize(
    ("action", "state"),
    [("claim", "CLAIMED"), ("dismiss", "RESOLVED"), ("accept", "RESOLVED"), ("release", "OPEN")],
)
def test_several_studies_at_once(stage: Stage, client: TestClient, action: str, state: str) -> None:
    for number in (1, 2, 3):
        stage.add(number)
    with stage.services.database.begin() as transaction:
        worklist.claim(transaction, "1.2.3.1", "mara", NOW)
        worklist.claim(transaction, "1.2.3.2", "mara", NOW)
        worklist.resolve(transaction, "1.2.3.3", Resolution.RETAKEN, "kim", "", NOW)
    form = {"action": action, "study": ["1.2.3.1", "1.2.3.2", "1.2.3.3"], "actor": "mara", "csrf": csrf(client)}

    page = client.post(
        "/worklist/bulk", data={**form, "back": "//evil", "sure": "true"}, headers={"origin": "http://localhost:8080"}
    )

    assert "2 studies" in page.text
    assert "1 was not changed" in page.text
    assert 'href="/"' in page.text
    with stage.services.database.begin() as transaction:
        states = [worklist.show(transaction, f"1.2.3.{n}").state for n in (1, 2, 3)]
    assert states == [state, state, "RESOLVED"]


@pytest.mark.parametrize("reason", ["motion_blur", "inverted_look", "grid_peak"])
def test_the_filter_keeps_what_was_chosen_also_when_it_is_on_no_list(client: TestClient, reason: str) -> None:
    page = client.get(f"/?reason={reason}&verdict=REJECT").text

    assert re.findall(r'<option value="(\w+)" selected>', page) == ["unresolved", "newest", "REJECT", reason]


def test_a_page_that_does_not_exist_is_a_page_for_people(client: TestClient) -> None:
    answer = client.get("/studies/1.9", headers={"accept": "text/html"})

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "Nothing was received" in answer.text


@pytest.mark.parametrize(
    ("address", "message"),
    [("/nothing", "nothing at this address"), ("/?show=bogus", "The value of “show” is not valid")],
)
def test_an_address_that_is_wrong_leads_on(client: TestClient, address: str, message: str) -> None:
    page = client.get(address, headers={"accept": "text/html"}).text

    assert message in page
    assert '<a href="/">Go to the worklist</a>' in page
    assert "Unprocessable" not in page
    assert "Input should" not in page


def test_the_study_shows_findings_measurements_and_deliveries(stage: Stage, client: TestClient) -> None:
    stage.add(1)
    stage.add(2, Verdict.ACCEPT, study=1)

    page = client.get("/studies/1.2.3.1").text

    for text in ("Motion blur", "Edge width 10-90 %", "mm", "PACS", "Queued", "MODALITY at 10.0.0.7", "111210 DCM"):
        assert text in page
    assert page.index(">Rejected</span>") < page.index(">Accepted</span>"), "the worst image comes first"


def test_the_study_shows_what_packages_predict_in_the_words_of_the_page_of_one_image(
    stage: Stage, client: TestClient
) -> None:
    sure = Prediction("pneumonia-ensemble-9.0.0", "ab" * 32, "Pneumonia", 0.93, {"Normal": 0.07, "Pneumonia": 0.93})
    why = "The confidence of 0.61 is below 0.80."
    low, absent = PendingCause(PendingReason.LOW_CONFIDENCE, why), PendingCause(PendingReason.NOT_JUDGED, "No skin.")
    unsure = Prediction("cats-1.0.0", "cd" * 32, "<b>cat", 0.61, {"<b>cat": 0.61}, None, (low,))
    silent = Prediction("skin-1.0.0", "ef" * 32, "", 0.0, {}, None, (absent,))
    _, digest = stage.add(1, predictions=(sure, unsure, silent))
    stage.add(2)
    shown = SaliencyMap(np.eye(6, dtype=np.float32), "grad-cam")
    Artifacts(stage.services.objects).keep_maps(digest, SaliencyMaps(predictions={sure.package: shown}))

    page = client.get("/studies/1.2.3.1").text

    text = [" ".join(row.split()) for row in re.findall('<table class="predictions">(.*?)</table>', page, re.DOTALL)]
    rows = [re.sub("<[^>]*>", " ", row).split() for row in re.findall("<tr.*?</tr>", text[0])]
    assert rows[0] == ["Pneumonia", "0.93", "Automated"]
    assert " ".join(rows[1]) == "pneumonia-ensemble-9.0.0 show where"
    assert rows[2] == ["&lt;b&gt;cat", "0.61", "Pending", "review"]
    assert " ".join(rows[3]) == f"cats-1.0.0: {why}"
    assert " ".join(rows[4] + rows[5]) == "no prediction 0.00 Pending review skin-1.0.0: No skin."
    assert "Decision support, not diagnosis." in page
    assert client.get(f"/images/{digest}/maps/prediction:{sure.package}.png").status_code == 200
    assert page.count('data-overlay="prediction:') == 1
    assert "Decision support" not in client.get("/studies/1.2.3.2").text


def test_a_study_that_is_not_flagged_has_a_page_without_buttons(stage: Stage, client: TestClient) -> None:
    stage.add(1, Verdict.ACCEPT)

    page = client.get("/studies/1.2.3.1").text

    assert ">Accepted</span>" in page
    assert "/resolve" not in page
    assert "/claim" not in page


@pytest.mark.parametrize(
    ("action", "form", "state"),
    [
        ("claim", {}, "Claimed by mara"),
        ("release", {}, "Open"),
        ("resolve", {"resolution": "dismissed", "comment": "fine"}, "Resolved: dismissed"),
    ],
)
def test_buttons(stage: Stage, client: TestClient, action: str, form: dict[str, str], state: str) -> None:
    stage.add(1)
    own = {"origin": "http://localhost:8080"}
    mara = {"actor": "mara", "csrf": csrf(client)}
    client.post("/studies/1.2.3.1/claim", data=mara, headers=own)

    answer = client.post(f"/studies/1.2.3.1/{action}", data={**mara, **form}, headers=own)

    assert (answer.status_code, answer.headers["location"]) == (303, "/studies/1.2.3.1")
    page = client.get("/studies/1.2.3.1").text
    assert f">{state}</span>" in page
    assert "by mara" in page


def test_preview(stage: Stage, client: TestClient) -> None:
    _, digest = stage.add(1)

    answer = client.get(f"/previews/{digest}.png")

    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")
    assert answer.headers["cache-control"].startswith("private")
    assert client.get(f"/previews/{'0' * 64}.png").status_code == 404
    assert client.get("/previews/..%2F..%2Fmiqa.sqlite.png").status_code in (404, 422)


def test_a_finding_that_is_gone_from_the_taxonomy_still_shows(stage: Stage, client: TestClient) -> None:
    study, digest = stage.add(1, finding=FindingName("lost_collimation"))

    assert "Lost collimation" in client.get(f"/studies/{study}").text
    assert client.get("/").status_code == 200
    answer = client.get(f"/api/v1/instances/{digest}").json()
    names = {one["name"] for one in answer["instances"][0]["assessment"]["findings"]}
    assert "lost_collimation" in names
    assert "Lost collimation: " in " ".join(answer["narratives"][digest])


@pytest.mark.parametrize(
    ("language", "words", "figures", "badge", "top"),
    [
        ("en", "Motion blur – certain, moderate", "probability 0.97, severity 0.60", "Unusual image", "top 0.1 %"),
        ("de", "Bewegungsunschärfe – sicher, mäßig", "Wahrscheinlichkeit 0,97, Ausprägung 0,60",
         "Ungewöhnliches Bild", "oberste 0,1 %"),
    ],
)  # fmt: skip
def test_findings_are_in_plain_words_with_the_numbers_behind_and_unusual_is_a_badge(
    stage: Stage, client: TestClient, language: str, words: str, figures: str, badge: str, top: str
) -> None:
    stage.add(1)
    stage.add(2, finding=FindingName("anomaly"), text="Unusual image (top 0.1 % of this site's images)")
    client.cookies.set("miqa_language", language)

    rows, blurred, unusual = (client.get(path).text for path in ("/", "/studies/1.2.3.1", "/studies/1.2.3.2"))

    assert f'title="{words} ({figures})"' in rows
    assert f'class="unusual">{badge}</li>' in rows
    assert f'<span class="badge">{badge}</span>' in unusual
    for page in (rows, unusual):
        assert top in page
        assert f"{badge} ({top}" not in re.sub('title="[^"]*"', "", page), "the share stands behind the badge"
    assert f"<li>{words} <span" in blurred
    assert figures in blurred
    assert f": {figures}" not in blurred
