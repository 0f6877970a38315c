"""A pilot asks within its hours, and more slowly as soon as the archive's answer time doubles."""

from __future__ import annotations

from datetime import datetime
from statistics import median

import pytest

from miqa_node.errors import SettingsError
from miqa_node.features.pilot.pace import ASK_EVERY, Hours, Pace, idle_answer_s, nights

IDLE_S, LATENCY_S = 0.1, 0.05


class BusyArchive:
    """In a time of its own: the more images it gave in the last ten seconds, and the more others ask, the slower."""

    def __init__(self) -> None:
        self.now_s, self.given_at_s, self.others = 0.0, list[float](), 0.0

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def ask(self) -> None:
        load = len([at for at in self.given_at_s if at > self.now_s - 10.0]) / 10.0
        self.now_s += IDLE_S * (1.0 + self.others * load)

    def give(self) -> None:
        self.now_s += LATENCY_S
        self.given_at_s.append(self.now_s)


@pytest.mark.parametrize(
    ("text", "hour", "wait_h"),
    [("22:00-06:00", 23, 0), ("22:00-06:00", 5, 0), ("22:00-06:00", 6, 16), ("8:00-17:30", 7, 1), ("8:00-17:30", 12, 0),
     ("00:00-00:00", 3, 0)],
)  # fmt: skip
def test_the_hours_of_a_site(text: str, hour: int, wait_h: float) -> None:
    assert Hours.read(text).wait_s(datetime.fromisoformat(f"2026-10-01T{hour:02}:00")) == 3600 * wait_h


@pytest.mark.parametrize("text", ["", "22-06", "25:00-06:00", "22:00"])
def test_what_are_no_hours_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        Hours.read(text)


def test_a_plan_says_how_many_nights_it_takes() -> None:
    assert nights(8 * 3600 * 2, 1.0, Hours.read("22:00-06:00")) == (57600.0, 2.0)
    assert nights(1, 1.0, None)[1] == pytest.approx(1 / 86_400)


def test_an_idle_archive_is_asked_at_the_pace() -> None:
    archive = BusyArchive()
    pace = Pace(1.0, idle_answer_s(archive.ask, archive.clock), archive.clock, archive.sleep)
    for _ in range(30):
        pace.wait(archive.ask)
        archive.give()
    gaps = [after - before for before, after in zip(archive.given_at_s, archive.given_at_s[1:], strict=False)]
    assert (min(gaps), median(gaps)) == pytest.approx((1.0, 1.0))


def test_an_archive_that_slows_down_is_asked_more_slowly_within_ten_images() -> None:
    archive = BusyArchive()
    pace = Pace(1.0, idle_answer_s(archive.ask, archive.clock), archive.clock, archive.sleep)
    for number in range(120):
        if number == 20:
            archive.others = 4.0  # from now on an image a second makes answers five times as long
        pace.wait(archive.ask)
        archive.give()
    gaps = [after - before for before, after in zip(archive.given_at_s, archive.given_at_s[1:], strict=False)]
    assert max(gaps[19:30]) > 1.9, "it did not become slower"
    assert median(pace.answers_s[20 // ASK_EVERY :]) <= 2 * IDLE_S
    archive.others = 0.0
    for _ in range(30):
        pace.wait(archive.ask)
    assert pace.factor == 1.0
