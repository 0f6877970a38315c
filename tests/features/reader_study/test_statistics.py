"""Sample size, agreement and the comparison of readings against published and brute-force figures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from miqa_node.errors import SettingsError
from miqa_node.features.reader_study.protocol import ExpectedAccuracy
from miqa_node.features.reader_study.sample_size import cases_needed, images_needed
from miqa_node.libraries.plain_statistics.agreement import agreement, gwet_ac1
from miqa_node.libraries.plain_statistics.mrmc import (
    ReaderVariance,
    area_under_curve,
    compare_readings,
    difference_of,
    variance_of,
)


@pytest.mark.parametrize(("expected", "least", "power"), [(0.9, 0.8, 0.8), (0.95, 0.9, 0.9), (0.85, 0.6, 0.8)])
def test_cases_have_the_power_that_was_asked_for(expected: float, least: float, power: float) -> None:
    cases = cases_needed(expected, least, power, 0.95)

    def shown(cases: int) -> float:
        """P(the lower exact limit lies above ``least``), with the limits of scipy."""
        counts = np.arange(cases + 1)
        low = stats.beta.ppf(0.025, counts, cases - counts + 1)
        return float(stats.binom.pmf(counts, cases, expected)[np.nan_to_num(low) > least].sum())

    assert all(shown(number) >= power for number in range(cases, cases + 20))
    assert shown(cases - 1) < power


def test_the_draw_holds_enough_of_both() -> None:
    expected = ExpectedAccuracy(
        prevalence=0.1, sensitivity=0.85, specificity=0.95, least_sensitivity=0.7, least_specificity=0.9
    )
    bad, good = cases_needed(0.85, 0.7, 0.8, 0.95), cases_needed(0.95, 0.9, 0.8, 0.95)
    number = images_needed(expected)

    def both(images: int) -> float:
        return float(stats.binom.cdf(images - good, images, 0.1) - stats.binom.cdf(bad - 1, images, 0.1))

    assert both(number) >= 0.9 > both(number - 1)


def test_what_cannot_be_shown_is_an_error() -> None:
    with pytest.raises(SettingsError, match="below the expected"):
        ExpectedAccuracy(prevalence=0.1, sensitivity=0.8, specificity=0.9, least_sensitivity=0.8, least_specificity=0.8)
    with pytest.raises(SettingsError, match="between 0 and 1"):
        ExpectedAccuracy(prevalence=0.0, sensitivity=0.8, specificity=0.9, least_sensitivity=0.7, least_specificity=0.8)
    rare = ExpectedAccuracy(
        prevalence=0.001, sensitivity=0.8, specificity=0.9, least_sensitivity=0.7, least_specificity=0.8
    )
    with pytest.raises(SettingsError, match="More than"):
        images_needed(rare)


def test_ac1_is_that_of_the_paper() -> None:
    """Gwet (2008): 125 subjects, 118 and 0 equal, 5 and 2 not: AC1 .94 where kappa is about −.02."""
    table = {("+", "+"): 118, ("+", "-"): 5, ("-", "+"): 2, ("-", "-"): 0}
    ac1, kappa = gwet_ac1(table), agreement(table)
    assert ac1.observed == pytest.approx(0.944)
    assert ac1.kappa == pytest.approx(0.941, abs=0.001)
    assert kappa.kappa == pytest.approx(-0.023, abs=0.001)
    assert ac1.low is not None
    assert ac1.high is not None
    assert ac1.low < 0.941 < ac1.high


def test_ac1_covers_the_truth() -> None:
    """Limits of 400 simulated tables hold the coefficient of the population about 95 times in 100."""
    rng = np.random.default_rng(1)
    shares = np.array([0.08, 0.04, 0.03, 0.85])
    pairs = [("b", "b"), ("b", "g"), ("g", "b"), ("g", "g")]
    truth = gwet_ac1(dict(zip(pairs, shares, strict=True))).kappa
    assert truth is not None
    inside = 0
    for counts in rng.multinomial(300, shares, 400):
        interval = gwet_ac1(dict(zip(pairs, counts.tolist(), strict=True)))
        assert interval.low is not None
        assert interval.high is not None
        inside += interval.low <= truth <= interval.high
    assert 0.91 <= inside / 400 <= 0.99


def test_difference_is_that_of_the_van_dyke_study() -> None:
    """Hillis (2007) and later papers: spin-echo against cine MRI, five readers, 114 patients, empirical areas."""
    variance = ReaderVariance(0.004796171, 0.0005510306, 0.0003440748, 0.0002390284, 5)
    difference = difference_of(np.array([0.8970370, 0.9408374]), variance)
    assert difference.difference == pytest.approx(0.0438, abs=1e-4)
    assert difference.degrees_of_freedom == pytest.approx(15.26, abs=0.01)
    assert difference.p_value == pytest.approx(0.0517, abs=1e-4)
    assert (difference.low, difference.high) == pytest.approx((-0.00036, 0.08796), abs=1e-4)


def test_covariances_are_those_of_a_slow_jackknife() -> None:
    rng = np.random.default_rng(2)
    truth = rng.uniform(size=40) < 0.4
    scores = rng.normal(size=(2, 3, 40)) + 1.2 * truth

    def area(values: np.ndarray, of: np.ndarray) -> float:
        good, bad = values[~of], values[of]
        return float(stats.mannwhitneyu(bad, good).statistic / (len(good) * len(bad)))

    areas = np.array([[area(scores[i, j], truth) for j in range(3)] for i in range(2)])
    keep = ~np.eye(40, dtype=bool)
    left_out = np.array([[[area(scores[i, j][k], truth[k]) for k in keep] for j in range(3)] for i in range(2)])
    slow = difference_of(areas.mean(1), variance_of(areas, left_out))
    fast = compare_readings(scores, np.array([truth] * 3))
    assert fast is not None
    assert (fast.difference, fast.low, fast.p_value) == pytest.approx((slow.difference, slow.low, slow.p_value))


def test_the_same_reading_twice_is_no_difference() -> None:
    truth = np.array([[False, False, True, True]] * 2)
    scores = np.array([[[1.0, 2.0, 3.0, 4.0]] * 2] * 2)
    comparison = compare_readings(scores, truth)
    assert comparison is not None
    assert (comparison.difference, comparison.p_value) == (0.0, 1.0)
    assert compare_readings(scores, np.array([[True, False, False, False]] * 2)) is None


def test_the_area_has_limits() -> None:
    rng = np.random.default_rng(3)
    truth = rng.uniform(size=300) < 0.3
    area = area_under_curve(rng.normal(size=300) + truth, truth)
    assert area.area is not None
    assert area.low is not None
    assert area.high is not None
    assert area.low < 0.76 < area.high
    assert area_under_curve(np.ones(3), np.array([True, False, False])).area is None
