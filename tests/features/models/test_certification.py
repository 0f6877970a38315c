"""From cases to a certificate: each label and population apart, and only what is right often enough."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from miqa_node.features.models.certification import (
    LEAST_CASES,
    CertificateWish,
    evidence_of,
    is_watchable,
    level_rows,
    make_certificate,
    missing,
    obstacles,
    passes,
)
from tests.features.models.simulated_sites import LABELS, older, passed, site

RNG = np.random.default_rng(7)
WISH = CertificateWish("lungs-1.0.0", "ab" * 32, "General", 0.8, 0.95, learned_known=True)
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def test_each_label_and_population_passes_alone() -> None:
    cases = site(1.0, 120, RNG)
    flipped = [
        replace(case, truth="Normal") if (case.label, case.population) == ("Pneumonia", "children") else case
        for case in cases
    ]
    made = make_certificate(flipped, LABELS, WISH, NOW)
    switched_on = {(population.name, one.label) for population, one in passes(made)}
    assert switched_on == {("adults", "Normal"), ("adults", "Pneumonia"), ("children", "Normal")}
    assert missing(made) == ["Pneumonia in children: 0 of 60 answers were right, too few."]
    assert made.ends_at - made.made_at == timedelta(days=180)
    assert (made.reader, made.stations, made.cases) == ("Dr. Bell", ("ROOM1",), 240)
    assert is_watchable(made)


def test_fifty_nine_answers_without_an_error_suffice_and_fifty_eight_do_not() -> None:
    for count, suffices in ((59, True), (58, False)):
        cases = [case for case in site(1.0, 400, RNG) if case.population == "adults"]
        some = [one for label in LABELS for one in [case for case in cases if case.label == label][:count]]
        assert bool(evidence_of(some, LABELS, 0.8, 0.95).populations[0].answers) is suffices
    made = make_certificate(some, LABELS, WISH, NOW)
    assert missing(made)[0].startswith("Normal in adults: 58 of 58 answers were right; about 59 answers")


def test_only_what_would_be_automated_counts() -> None:
    cases = site(1.0, 120, RNG)
    low = [replace(case, confidence=0.79) for case in cases]
    waiting = [replace(case, waits=True) for case in cases]
    for some, level, least_right in ((low, 0.8, 0.95), (waiting, 0.8, 0.95), (cases, 0.95, 0.95), (cases, 0.8, 0.96)):
        evidence = evidence_of(some, LABELS, level, least_right)
        assert [one.answers for one in evidence.populations] == [(), ()]
        assert evidence.stations == ("ROOM1",)


def test_a_child_among_adults_makes_it_none_for_children() -> None:
    cases = [case for case in site(1.0, 200, RNG) if case.population == "adults"]
    some = [older(case, 3) if number < 9 else case for number, case in enumerate(cases)]
    assert evidence_of(some, LABELS, 0.8, 0.95).populations[0].ages_years == (50, 50)
    more = [older(case, 3) if number < 10 else case for number, case in enumerate(cases)]
    assert evidence_of(more, LABELS, 0.8, 0.95).populations[0].ages_years == (3, 50)
    unknown = [older(case, None) if number < 9 else case for number, case in enumerate(cases)]
    assert not evidence_of(unknown, LABELS, 0.8, 0.95).populations[0].unknown_age


def test_a_station_of_few_cases_is_not_covered() -> None:
    cases = site(1.0, 120, RNG)
    rare = [replace(case, header=replace(case.header, station_name="ROOM2")) for case in cases[:9]]
    evidence = evidence_of([*rare, *cases[9:]], LABELS, 0.8, 0.95)
    assert evidence.stations == ("ROOM1",)
    assert len(evidence.covered) == len(cases) - 9


def test_what_labels_lack_is_said_in_one_sentence() -> None:
    cases = site(1.0, 120, RNG)
    assert obstacles(cases, 0, 0, 0) == []
    few = [case for case in cases if case.truth == "Normal"][: LEAST_CASES - 1]
    assert obstacles(few, 3, 2, 1) == [
        f"{len(few)} cases of different patients are few, 150 are needed",
        "they have one label, two are needed",
        "1 of them have no reader",
        "3 images are unknown to the node",
        "the package learned from images of 2 of the patients",
    ]  # fmt: skip


def test_levels_by_label_population_and_station() -> None:
    cases = site(0.5, 100, RNG)
    rows = {(row.by, row.name, row.level): row for row in level_rows(cases)}
    assert len(rows) == 4 * (1 + 2 + 2 + 1)
    every = rows["all", "all", 0.8]
    assert (every.cases, every.automated, every.right + every.wrong, every.share) == (200, 200, 200, 1.0)
    assert rows["station", "ROOM1", 0.95].automated == 0
    assert rows["label", "Normal", 0.9].cases == 100


@pytest.mark.more
def test_sites_with_too_many_errors_pass_seldom_and_good_ones_mostly() -> None:
    assert sum(map(bool, passed(0.94, 400, 40))) <= 6
    assert sum(count == 4 for count in passed(0.99, 800, 15)) >= 10
