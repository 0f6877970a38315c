"""A machine that was noisy from the first day is usual on itself: the page of the model says what its range hides."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.measurand import MEASUREMENTS
from miqa_node.interfaces.web.site_time import LANGUAGE_COOKIE
from tests.features.usual_ranges.ranges_making import look, measure, noises
from tests.features.usual_ranges.test_ranges_that_flag import CHEST
from tests.web.staging import Stage

GRAIN = "grain_over_structure"
TITLE = "Machines noisier than others"


def fill(stage: Stage, station: str, level: float, *, days_ago: int = 0, first: int = 0) -> None:
    """Thirty images of eight days, the last of them so many days ago."""
    database = stage.services.database
    end = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=days_ago)
    for number, noise in enumerate(noises(30, level=level, spread=level / 20)):
        at = end - timedelta(hours=6 * (30 - number))
        measure(database, first + number, at, {GRAIN: noise}, **{**CHEST, "station_name": station})
    look(database)


@pytest.mark.parametrize(("share", "days_ago", "is_told"), [(1.2, 0, True), (0.8, 0, False), (1.2, 60, False)])
def test_what_a_machines_own_range_hides_is_told(
    stage: Stage, client: TestClient, share: float, days_ago: int, *, is_told: bool
) -> None:
    most = MEASUREMENTS.all()[GRAIN].most_elsewhere
    assert most > 0.0
    fill(stage, "GRAINY", share * most, days_ago=days_ago)
    page = client.get("/analysis/model").text
    assert (TITLE in page) is is_told
    if is_told:
        [row] = re.findall(r'<tr><th scope="row"><a href="/ranges/[0-9a-f]{16}">(.+?)</tr>', page)
        assert row.startswith("GRAINY</a>")


def test_it_is_told_in_german_and_only_of_the_noisy_one(stage: Stage, client: TestClient) -> None:
    most = MEASUREMENTS.all()[GRAIN].most_elsewhere
    fill(stage, "GRAINY", 1.5 * most)
    fill(stage, "QUIET", 0.3 * most, first=100)
    page = client.get("/analysis/model", headers={"Cookie": f"{LANGUAGE_COOKIE}=de"}).text
    assert "Geräte, die stärker rauschen als andere" in page
    assert "GRAINY" in page
    assert "QUIET</a>" not in page
