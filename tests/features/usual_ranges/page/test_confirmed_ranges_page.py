"""A person confirms a range on the page of its history, or over REST: who and when stand there."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.interfaces.web.site_time import LANGUAGE_COOKIE
from tests.features.limits.page.test_tuning import csrf, post
from tests.features.usual_ranges.ranges_making import FIRST_AT, look, measure, noises
from tests.features.usual_ranges.test_ranges_that_flag import CHEST
from tests.web.staging import Stage


@pytest.fixture
def noisy(stage: Stage) -> InstanceDigest:
    """A chest with four times the noise of thirty before it, in eight days."""
    database = stage.services.database
    for number, noise in enumerate(noises(30, level=2.0, spread=0.1)):
        measure(database, number, FIRST_AT + timedelta(hours=6 * number), {"noise_share": noise}, **CHEST)
    look(database)
    noisy = measure(database, 100, FIRST_AT + timedelta(days=9), {"noise_share": 8.0}, **CHEST)
    look(database)
    return noisy


@pytest.fixture
def scans(stage: Stage) -> None:
    """Thirty series of a scanner, one a day."""
    for number, noise in enumerate(noises(30)):
        measure(stage.services.database, number, FIRST_AT + timedelta(days=number), {"ct_noise": noise})
    look(stage.services.database)


def path(client: TestClient) -> str:
    [one] = set(re.findall(r'href="(/ranges/[0-9a-f]{16})"', client.get("/ranges").text))
    return str(one)


def test_the_page_of_a_study_says_noisier_than_usual(client: TestClient, noisy: InstanceDigest) -> None:
    note = " ".join(client.get(f"/ranges/images/{noisy}").text.split())
    assert re.search(r"Noisier than this machine&#39;s usual images: .* 8.*; usual \S+ to \S+ in 30 series", note)
    german = client.get(f"/ranges/images/{noisy}", headers={"Cookie": f"{LANGUAGE_COOKIE}=de"}).text
    assert "Stärker verrauscht als die üblichen Bilder dieses Geräts:" in german


@pytest.mark.usefixtures("scans")
def test_the_page_of_a_history_confirms_and_takes_back(client: TestClient) -> None:
    at = path(client)
    form: dict[str, object] = {"actor": "Mara", "csrf": csrf(client)}
    assert "These ranges are hints until somebody confirms them" in client.get(at).text
    page = post(client, f"{at}/confirm", form).text
    assert re.search(r"These ranges may flag: confirmed .* by Mara", page, re.DOTALL)
    assert "Make them hints again" in page
    assert post(client, f"{at}/confirm", form).status_code == 409
    assert "Confirm these ranges" in post(client, f"{at}/withdraw", form).text
    assert post(client, f"{at}/forget", form).status_code == 422


@pytest.mark.usefixtures("scans")
def test_programs_confirm_and_see_who_did(client: TestClient) -> None:
    at = f"/api/v1{path(client)}"
    assert client.get(at).json()["baseline"]["confirmation"] is None
    confirmed = client.post(f"{at}/confirm", json={"actor": "Mara"})
    assert (confirmed.status_code, confirmed.json()["confirmation"]["actor"]) == (200, "Mara")
    assert client.get(at).json()["baseline"]["confirmation"]["actor"] == "Mara"
    assert client.post(f"{at}/confirm", json={"actor": "Mara"}).status_code == 409
    assert client.post(f"{at}/withdraw", json={"actor": "Mara"}).json()["confirmation"] is None
    assert client.post("/api/v1/ranges/0123456789abcdef/confirm", json={"actor": "Mara"}).status_code == 404


def test_a_range_beyond_the_budget_says_why_nobody_can_confirm_it(stage: Stage, client: TestClient) -> None:
    database = stage.services.database
    for number, noise in enumerate([*noises(27), 45.0, 45.0, 45.0]):
        measure(database, number, FIRST_AT + timedelta(days=number), {"ct_noise": noise})
    look(database)
    at = path(client)
    page = " ".join(client.get(at).text.split())
    assert re.search("these ranges stay hints: [^;<]+ 4 of 30<", page)
    assert "Confirm these ranges" not in page
    assert post(client, f"{at}/confirm", {"actor": "Mara", "csrf": csrf(client)}).status_code == 409
    german = client.get(at, headers={"Cookie": f"{LANGUAGE_COOKIE}=de"}).text
    assert re.search(r"bleiben daher Hinweise: [^;<]+ 4 von 30<", german)
