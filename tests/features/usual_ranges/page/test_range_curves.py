"""The curves of a history: its range as a band, its series as dots, changes as lines, what is unusual first."""

from __future__ import annotations

import re
from datetime import timedelta

from fastapi.testclient import TestClient

from miqa_node.core.drawing import Box, Dot, Line
from miqa_node.features.usual_ranges.page.curves import curves
from miqa_node.features.usual_ranges.rows import baselines
from miqa_node.features.usual_ranges.rows.points import newest_points
from tests.features.usual_ranges.ranges_making import FIRST_AT, fill, look, measure, noises
from tests.features.usual_ranges.test_history import NOW
from tests.web.staging import Stage


def test_what_is_unusual_and_what_changed_comes_first_with_band_dots_and_lines(stage: Stage) -> None:
    database = stage.services.database
    at = fill(database, [*noises(25), *noises(20, level=15.0)])
    measure(database, 100, at, {"ct_noise": 12.0, "hu_air": -940.0, "ct_snr": 40.0})
    look(database)
    with database.begin() as transaction:
        [one] = baselines.page(transaction, NOW, limit=9)
        points = newest_points(transaction, one.baseline)
        assert [of.at for of in newest_points(transaction, one.baseline, 3)] == [of.at for of in points[-3:]]
    drawn = curves(one.ranges, points, (), one.changes)
    assert [of.unusual for of in drawn] == sorted((of.unusual for of in drawn), reverse=True)
    by_name = {of.range.measurement: of for of in drawn}
    assert by_name["hu_air"].unusual == 1
    air, noise = (by_name[name].drawing.shapes for name in ("hu_air", "ct_noise"))
    dots = [of for of in air if isinstance(of, Dot)]
    assert len(dots) == 46
    [bad] = [of for of in dots if of.ink == "bad"]
    assert "2026-04-16" in bad.hint
    [band] = [of for of in air if isinstance(of, Box)]
    assert not band.y <= bad.y <= band.y + band.height
    assert all(band.y <= of.y <= band.y + band.height for of in dots if of.ink == "data")
    assert len([of for of in noise if isinstance(of, Line) and of.ink == "change"]) == 1
    assert "46 series, usual " in by_name["ct_noise"].drawing.title


def test_a_change_of_software_is_marked_and_leads_to_the_history_before(stage: Stage, client: TestClient) -> None:
    database = stage.services.database
    fill(database, noises(25, seed=2))
    for number, noise in enumerate(noises(25, level=14.0), 200):
        measure(database, number, FIRST_AT + timedelta(days=number - 160), {"ct_noise": noise}, software_versions="V2")
    look(database)
    with database.begin() as transaction:
        listed = baselines.page(transaction, NOW, limit=9)
        new = next(one for one in listed if one.scanner.software == "V2")
        old = next(one for one in listed if one.scanner.software == "V1")
    page = client.get(f"/ranges/{new.baseline}").text
    assert f'<a href="/ranges/{old.baseline}">the history before</a>' in page
    [svg] = re.findall(r"<svg class=\"figure\".*?</svg>", page)
    assert svg.count('class="ink faint"') == 25, "of the history before"
    assert "Software Versions: V1 → V2" in svg
    assert client.get(f"/api/v1/ranges/{new.baseline}").json()["baseline"]["changes"][0]["earlier"] == old.baseline


def test_histories_with_too_few_series_are_folded_below_the_others(stage: Stage, client: TestClient) -> None:
    database = stage.services.database
    at = fill(database, noises(25))
    measure(database, 100, at, {"ct_noise": 45.0}, station_name="CT9")
    look(database)
    page = client.get("/ranges").text
    whole, folded = page.split("<details", 1)
    assert "CT1" in whole
    assert "CT9" not in whole
    assert "1 history with too few series" in folded
    assert "CT9" in folded
