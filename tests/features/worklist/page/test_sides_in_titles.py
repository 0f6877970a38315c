"""Left and right, and the description of a series, stand wherever an image is named."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.words.image_title import image_title
from miqa_node.interfaces.web.site_time import LANGUAGE_COOKIE
from tests.web.staging import Stage


@pytest.mark.parametrize(
    ("language", "title"), [("en", "DX · Chest · left · PA"), ("de", "DX · Thorax · links · p.a.")]
)
def test_every_page_says_the_side(stage: Stage, client: TestClient, language: str, title: str) -> None:
    study, _ = stage.add(1, laterality="L")
    stage.add(2, laterality="R", study=1)
    stage.add(3, Verdict.ACCEPT, laterality="L")
    client.cookies.set(LANGUAGE_COOKIE, language)

    row = client.get("/").text
    page = client.get(f"/studies/{study}").text
    images = client.get("/images", params={"since": "2026-11-20", "until": "2026-11-20"}).text

    assert f">{title}<" in re.sub(r">\s+|\s+<", lambda one: one[0].strip(), row)
    assert f'alt="{title}"' in row
    assert title in images
    assert page.count(title) >= 4, "the page's title, the panel, the picture and the film strip"
    assert re.findall('class="side"[^>]*>([LR])<', page) == ["L", "R"]


def test_a_series_is_named_by_its_description() -> None:
    assert image_title("MR", "KNEE", "", "R", "t1_tse_sag") == "MR · Knee · right · t1_tse_sag"
    assert image_title("DX", "KNEE", "AP", "R", "Knee AP") == "DX · Knee · right · AP", "the view says it already"


def test_a_study_opened_from_the_images_leads_back_to_them(stage: Stage, client: TestClient) -> None:
    study, _ = stage.add(1)
    images = client.get("/images", params={"since": "2026-11-20", "until": "2026-11-20"}).text
    [address] = re.findall(f'href="(/studies/{study}[^"]*)"', images)

    assert 'class="crumbs"><a href="/images"' in client.get(address).text
    assert 'class="crumbs"><a href="/"' in client.get(f"/studies/{study}").text
