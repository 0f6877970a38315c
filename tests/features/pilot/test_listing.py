"""An archive is asked until it has given all of a day; where it cannot, the day is named, with why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest

from miqa_node.core.domain.senders import AuthorityRules
from miqa_node.core.settings import DeliverSettings
from miqa_node.errors import DeliveryError
from miqa_node.features.pilot.archive import ArchiveSource
from miqa_node.features.pilot.protocol import PilotProtocol
from miqa_node.stages.deliver.kinds.base import DESTINATIONS, DeliveryContext, connect
from tests.features.pilot.capped_archive import CappedArchive, image
from tests.features.pilot.making import Site
from tests.stages.deliver.conftest import deliver_settings

__all__ = ["deliver_settings"]
Image = dict[str, str]
DAYS = ("20261103", "20261104", "20261105")
EACH = 4
"""Images of a study."""


def department(count: int, days: Sequence[str] = DAYS, *, each: int = EACH, in_order: bool = True) -> list[Image]:
    """So many images a day between eight and five o'clock, some studies in the same second."""
    made = []
    for day in days:
        for number in range(count):
            second = 8 * 3600 + (number // each) * 32400 // max(1, count // each) // 7 * 7
            time = f"{second // 3600:02}{second // 60 % 60:02}{second % 60:02}.5"
            made.append(image(number, day, time, series=1 if each == 1 else 2, images=max(1, each // 2)))
    if not in_order:
        Random(1).shuffle(made)
    return made


@contextmanager
def asking(keys: dict[str, Any], settings: DeliverSettings) -> Iterator[ArchiveSource]:
    config = DESTINATIONS.get(keys["kind"]).config.model_validate({"name": "pacs", "objects": [], **keys})
    protocol = PilotProtocol(
        name="p", sources=("pacs",), is_archive=True, modalities=("CR", "DX"), since=date(2026, 11, 3),
        until=date(2026, 11, 5), body_part="", planned=0, rooms={}, body_parts={}, seed="0", model="", policy="",
        software="",
    )  # fmt: skip
    archive = connect(config, DeliveryContext(settings))
    source = ArchiveSource(archive, protocol, AuthorityRules(), str, str)
    try:
        yield source
    finally:
        source.close()


def planned(source: ArchiveSource) -> int:
    return sum(one.images for day in source.days() for one in source.count(day))


def rows(*ways: str) -> list[Any]:
    """Caps with so many images a day, and of a study: a few hundred images in the gate, 3,000 at night."""
    small = [pytest.param(12, 120, EACH, how) for how in ways]
    many = [(12, 1000, EACH), (100, 1000, EACH), (500, 1000, 1)]
    return small + [pytest.param(*one, how, marks=pytest.mark.long) for one in many for how in ways]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("cap", "count", "each", "how"), rows("refuse", "end", "cancel", "silent", "in any order"))
def test_c_find_with_a_limit_gives_all_images_by_times_of_the_day(
    cap: int, count: int, each: int, how: str, deliver_settings: Any
) -> None:
    archive = CappedArchive(department(count, each=each, in_order=how != "in any order"), cap, how)
    with archive.finding() as keys, asking(keys, deliver_settings()) as source:
        assert (planned(source), source.missing) == (len(DAYS) * count, {})


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("cap", "count", "each", "how"), rows("warn", "silent", "offset ignored", "offset ignored, warn")
)
def test_qido_with_a_limit_gives_all_images_page_by_page(
    cap: int, count: int, each: int, how: str, deliver_settings: Any
) -> None:
    archive = CappedArchive(department(count, each=each), cap, how.rpartition(" ")[2], offset="offset" not in how)
    with archive.searching() as keys, asking(keys, deliver_settings()) as source:
        assert (planned(source), source.missing) == (len(DAYS) * count, {})


@pytest.mark.parametrize("how", ["refuse", "end", "cancel", "silent"])
def test_where_the_time_does_not_part_them_each_day_is_named(how: str, deliver_settings: Any) -> None:
    few = department(20 * EACH, DAYS[:1])
    at_once = few + [image(number, DAYS[1], "120000") for number in range(110 * EACH)]
    with CappedArchive(at_once, 100, how).finding() as keys, asking(keys, deliver_settings()) as source:
        count = planned(source)
        assert count in (20 * EACH, (20 + 100) * EACH)
        assert list(source.missing) == [DAYS[1]]


@pytest.mark.parametrize("how", ["refuse", "end", "silent"])
def test_an_archive_that_ignores_times_and_gives_a_round_number_is_told(how: str, deliver_settings: Any) -> None:
    archive = CappedArchive(department(1000, DAYS[:1]), 100, how, times=False)
    with archive.finding() as keys, asking(keys, deliver_settings()) as source:
        if how == "refuse":  # it answers no search of that day: nothing of it is known
            with pytest.raises(DeliveryError, match="0xA700: it searches no further"):
                planned(source)
        else:
            assert (planned(source), list(source.missing)) == (100 * EACH, [DAYS[0]])
        assert len(archive.queries) < 400


def test_what_is_whole_is_not_told(deliver_settings: Any) -> None:
    """Studies of one second, or more than a limit might be, are all that there are."""
    made = [image(number, DAYS[0], "120000") for number in range(49 * EACH)] + department(12 * EACH, DAYS[1:2])
    with CappedArchive(made).finding() as keys, asking(keys, deliver_settings()) as source:
        assert (planned(source), source.missing) == (61 * EACH, {})


def test_what_is_listed_twice_counts_once(deliver_settings: Any) -> None:
    twice = [one | {"NumberOfSeriesRelatedInstances": "4"} for one in department(40)]
    archive = CappedArchive(twice, lists=2)
    for serving in (archive.finding, archive.searching):
        with serving() as keys, asking(keys, deliver_settings()) as source:
            assert planned(source) == len(DAYS) * 40
            uids = [one.sop_instance_uid for day in source.days() for one in source.images(day)]
            assert (len(uids), len(set(uids)), source.missing) == (120, 120, {})


def test_a_series_with_more_images_than_are_listed_is_told(deliver_settings: Any) -> None:
    made = [image(number, DAYS[0], "120000", series=1, images=30) for number in range(30)]
    with CappedArchive(made, 12).finding() as keys, asking(keys, deliver_settings()) as source:
        assert len(list(source.images(DAYS[0]))) == 12
        assert "(30) than it lists (12)" in source.missing[DAYS[0]]


@pytest.mark.more
def test_a_plan_and_a_run_name_the_day(tmp_path: Path) -> None:
    site, archive = Site(tmp_path / "site"), CappedArchive(department(8) + department(800, DAYS[1:2]), 100, times=False)
    with archive.finding() as keys:
        site.name_archives(pacs=keys)
        words = ("pilot", "plan", "p", "--from", "pacs", "--since", "2026-11-03", "--until", "2026-11-05")
        text = site.run(*words)
        assert "2026-11-04: The archive gave exactly 100 matches" in text
        line = json.loads(site.run(*words[:2], "q", *words[3:], "--json"))
        assert list(line["missing"]) == [DAYS[1]]
