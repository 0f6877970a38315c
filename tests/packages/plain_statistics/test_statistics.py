"""Statistics against cases worked out by hand, and against scipy and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest

from miqa_node.libraries.plain_statistics.agreement import agreement
from miqa_node.libraries.plain_statistics.bins import bin_of, value_of
from miqa_node.libraries.plain_statistics.charts import change_points, p_chart
from miqa_node.libraries.plain_statistics.drift import drift, median, psi
from miqa_node.libraries.plain_statistics.level_shifts import level_shifts
from miqa_node.libraries.plain_statistics.rates import chi_square_quantile, rate, wilson
from miqa_node.libraries.plain_statistics.recurrence import Peak, recurrences
from miqa_node.libraries.plain_statistics.robust import limit_of, robust_range


@pytest.mark.parametrize(("count", "total"), [(0, 20), (20, 20), (1, 7), (8, 100), (123, 4567)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_wilson_is_that_of_scipy(count: int, total: int, confidence: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(count, total).proportion_ci(confidence, method="wilson")
    assert wilson(count, total, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_a_rate_of_nothing_is_no_rate() -> None:
    assert rate(0, 0).share is None
    assert rate(0, 0).percent is None
    with pytest.raises(ValueError, match="not a share"):
        wilson(5, 4)


@pytest.mark.parametrize("degrees", [3, 5, 9, 30])
def test_chi_square_quantiles_are_about_those_of_scipy(degrees: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert chi_square_quantile(0.95, degrees) == pytest.approx(stats.chi2.ppf(0.95, degrees), rel=0.01)


def test_kappa_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    first = rng.integers(0, 3, 200)
    second = np.where(rng.uniform(size=200) < 0.6, first, rng.integers(0, 3, 200))
    table: dict[tuple[int, int], int] = {}
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        table[a, b] = table.get((a, b), 0) + 1
    kappa = agreement(table)
    assert kappa.kappa == pytest.approx(metrics.cohen_kappa_score(first, second))
    assert kappa.observed == pytest.approx(float(np.mean(first == second)))


def test_the_limits_of_kappa_hold_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    # Both say "bad" of 30 %; the second repeats the first with 0.6, so that kappa is 0.6 by construction.
    inside = 0
    for _ in range(400):
        first = rng.uniform(size=150) < 0.3
        second = np.where(rng.uniform(size=150) < 0.6, first, rng.uniform(size=150) < 0.3)
        pairs = zip(first.tolist(), second.tolist(), strict=True)
        table: dict[tuple[bool, bool], int] = {}
        for pair in pairs:
            table[pair] = table.get(pair, 0) + 1
        kappa = agreement(table)
        assert kappa.low is not None
        assert kappa.high is not None
        inside += kappa.low <= 0.6 <= kappa.high
    assert 0.92 <= inside / 400 <= 0.985


def test_judges_who_always_say_the_same_one_thing_have_no_kappa() -> None:
    kappa = agreement({("good", "good"): 9})
    assert (kappa.observed, kappa.kappa) == (1.0, None)
    assert agreement({}).observed is None


def test_psi_by_hand() -> None:
    # Shares with the prior of a half: .5/.5 against 150.5/201, 50.5/201.
    expected = (150.5 / 201 - 0.5) * math.log(150.5 / 201 / 0.5) + (50.5 / 201 - 0.5) * math.log(50.5 / 201 / 0.5)
    assert psi([100, 100], [150, 50]) == pytest.approx(expected)
    assert psi([10, 20, 30], [10, 20, 30]) == 0.0


def counted(values: np.ndarray) -> dict[int, int]:
    numbers, counts = np.unique([bin_of(float(value)) for value in values], return_counts=True)
    return dict(zip(numbers.tolist(), counts.tolist(), strict=True))


def test_drift_finds_a_shift_of_half_a_standard_deviation_and_nothing_in_the_same_process() -> None:
    rng = np.random.default_rng(3)
    before, same, other = rng.normal(50, 5, 4000), rng.normal(50, 5, 800), rng.normal(52.5, 5, 800)
    steady, moved = drift(counted(before), counted(same)), drift(counted(before), counted(other))
    assert steady.word == "steady"
    assert moved.word in {"watch", "drifted"}
    # The index over tenths, from the values themselves.
    edges = np.quantile(before, np.arange(1, 10) / 10)
    shares = [np.histogram(v, [-np.inf, *edges, np.inf])[0] / len(v) for v in (before, other)]
    assert moved.psi == pytest.approx(float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum()), rel=0.15)
    assert moved.current_median == pytest.approx(float(np.median(other)), rel=0.011)


def test_without_drift_one_of_twenty_exceeds_what_chance_gives() -> None:
    rng = np.random.default_rng(4)
    exceeded = 0
    for _ in range(200):
        index = drift(counted(rng.lognormal(0, 0.5, 500)), counted(rng.lognormal(0, 0.5, 300)))
        assert index.psi is not None
        assert index.by_chance is not None
        exceeded += index.psi > index.by_chance
    assert 2 <= exceeded <= 20


def test_a_measurement_that_is_mostly_zero_has_fewer_groups_and_still_an_index() -> None:
    index = drift({0: 900, 500: 100}, {0: 500, 500: 500})
    assert index.word == "drifted"
    assert median({0: 900, 500: 100}) == 0.0
    assert drift({0: 10}, {0: 1000}).word == "too few"
    assert median({}) is None


@pytest.mark.parametrize("value", [0.0, 1e-12, 3e-5, 0.7, 1.0, 123.4, 1e9, -2.5])
def test_bins_keep_a_value_to_one_percent(value: float) -> None:
    assert value_of(bin_of(value)) == pytest.approx(value, rel=0.0101, abs=1e-9)


def test_bins_rise_with_the_value() -> None:
    numbers = [bin_of(value) for value in (-100.0, -1.0, -1e-3, 0.0, 1e-3, 1.0, 100.0, math.inf)]
    assert numbers == sorted(numbers)
    assert bin_of(math.nan) == 0


def test_a_p_chart_by_hand() -> None:
    chart = p_chart([(5, 100), (15, 100), (10, 100), (10, 100)])
    assert chart.centre == 0.1
    # Moving ranges of the scores ∓5/3, ±5/3, 0, 0 are 10/3, 5/3, 0: their mean over 1.128 is the inflation.
    assert chart.inflation == pytest.approx((10 / 3 + 5 / 3) / 3 / 1.128)
    point = chart.points[1]
    sigma = chart.inflation * 0.03
    assert point.low == pytest.approx(max(0.1 - 3 * sigma, 0))
    assert point.high == pytest.approx(0.1 + 3 * sigma)
    assert chart.points[0].ewma == pytest.approx(0.2 * 0.05 + 0.8 * 0.1)
    assert not any(point.outside or point.drifted for point in chart.points)


def test_a_day_out_of_limits_and_a_change_for_good_are_told_apart() -> None:
    rng = np.random.default_rng(5)
    usual = [(int(rng.binomial(300, 0.08)), 300) for _ in range(40)]
    one_day = [*usual[:30], (60, 300), *usual[31:]]
    chart = p_chart(one_day, reference=30)
    assert [i for i, p in enumerate(chart.points) if p.outside] == [30]
    assert not any(25 <= change.index <= 29 for change in chart.changes)
    more = [*usual, *((int(rng.binomial(300, 0.12)), 300) for _ in range(20))]
    chart = p_chart(more, reference=40)
    [change] = chart.changes
    assert abs(change.index - 40) <= 3
    assert change.before == pytest.approx(0.08, abs=0.01)
    assert change.after == pytest.approx(0.12, abs=0.015)
    assert any(point.drifted for point in chart.points[41:48])


def test_a_steady_process_seldom_has_a_change_point() -> None:
    rng = np.random.default_rng(6)
    alarms = sum(bool(change_points([(int(rng.binomial(200, 0.1)), 200) for _ in range(60)])) for _ in range(200))
    assert alarms <= 6


def test_days_without_images_are_gaps() -> None:
    chart = p_chart([(0, 0), (5, 50), (0, 0), (6, 50)])
    assert [point.share for point in chart.points] == [None, 0.1, None, 0.12]
    assert p_chart([(0, 0)]).centre is None
    assert p_chart([(0, 50), (0, 50), (0, 50)]).centre == 0.0


def test_a_defect_at_one_place_of_one_detector_is_found_among_the_others() -> None:
    rng = np.random.default_rng(7)
    peaks = [
        Peak(f"D{d}", f"P{d}-{i}", float(rng.uniform(0.1, 0.9)), float(rng.uniform(0.1, 0.9)))
        for d in range(6) for i in range(60)
    ]  # fmt: skip
    spot = [Peak("D3", f"S{i}", 0.7 + float(rng.normal(0, 0.005)), 0.2 + float(rng.normal(0, 0.005))) for i in range(8)]
    [recurrence] = recurrences([*peaks, *spot])
    assert (recurrence.detector, round(recurrence.x, 1), round(recurrence.y, 1)) == ("D3", 0.7, 0.2)
    assert 8 <= recurrence.patients <= 10
    assert recurrence.seen == 68
    assert recurrence.p_value < 1e-6
    assert recurrences(peaks) == []


def test_what_all_detectors_show_at_a_place_is_no_defect_of_one() -> None:
    rng = np.random.default_rng(8)
    corner = [Peak(f"D{d}", f"P{d}-{i}", 0.95, 0.05) for d in range(5) for i in range(10)]
    rest = [Peak(f"D{d}", f"Q{d}-{i}", *rng.uniform(0.1, 0.9, 2).tolist()) for d in range(5) for i in range(20)]
    assert recurrences([*corner, *rest]) == []


def test_a_defect_is_found_beside_a_place_that_all_detectors_share() -> None:
    """Only the fullest place was looked at: text in a corner hid every defect of a detector."""
    rng = np.random.default_rng(8)
    corner = [Peak(f"D{d}", f"P{d}-{i}", 0.95, 0.05) for d in range(5) for i in range(20)]
    rest = [Peak(f"D{d}", f"Q{d}-{i}", *rng.uniform(0.1, 0.9, 2).tolist()) for d in range(5) for i in range(30)]
    [recurrence] = recurrences([*corner, *rest, *(Peak("D3", f"S{i}", 0.7, 0.2) for i in range(12))])
    assert (recurrence.detector, recurrence.x, recurrence.y) == ("D3", 0.7, 0.2)


def test_one_patient_with_many_images_is_no_recurrence() -> None:
    assert recurrences([Peak("D1", "P1", 0.5, 0.5) for _ in range(50)]) == []


def test_what_is_rare_may_come_once_without_an_alarm() -> None:
    steady = [(0, 40)] * 28 + [(1, 40), (1, 40)]
    assert not any(point.outside for point in p_chart(steady).points)
    burst = [(0, 40)] * 29 + [(4, 40)]
    assert [point.outside for point in p_chart(burst).points][-1]


def test_a_robust_range_is_that_of_scipy_and_outliers_do_not_move_it() -> None:
    stats = pytest.importorskip("scipy.stats")
    numbers = np.random.default_rng(3).normal(50.0, 4.0, 101)
    usual = robust_range(list(numbers))
    mad = stats.median_abs_deviation(numbers, scale="normal")
    assert usual.median == float(np.median(numbers))
    assert usual.spread == pytest.approx(mad, rel=1e-3)
    assert (usual.low, usual.high) == pytest.approx(
        (usual.median - limit_of(101) * mad, usual.median + limit_of(101) * mad), rel=1e-3
    )
    numbers[:20] = 1e6
    assert robust_range(list(numbers)).high < 2.0 * usual.high


def test_the_least_spread_holds_for_constant_numbers() -> None:
    assert robust_range([10.0] * 30, 0.5).spread == 0.5
    assert robust_range([10.0] * 30, 0.1, 0.03).spread == pytest.approx(0.3)
    assert robust_range([0.0] * 30).high == 0.0


@pytest.mark.parametrize("count", [20, 50, 200])
def test_one_of_a_thousand_normal_numbers_or_fewer_is_outside_the_range_of_those_before(count: int) -> None:
    numbers = np.random.default_rng(count).normal(size=(20_000, count + 1))
    before, following = numbers[:, :-1], numbers[:, -1]
    medians = np.median(before, axis=1)
    spreads = 1.4826 * np.median(np.abs(before - medians[:, None]), axis=1)
    outside = np.mean(np.abs(following - medians) > limit_of(count) * spreads)
    assert 0.00005 < outside < 0.0015


def test_a_level_shift_is_found_where_it_is() -> None:
    random = np.random.default_rng(4)
    numbers = [*random.normal(10, 1, 60), *random.normal(13, 1, 25), *random.normal(10, 1, 60)]
    first, second = level_shifts(numbers)
    assert abs(first.index - 60) <= 2
    assert abs(second.index - 85) <= 2
    assert first.after - first.before == pytest.approx(3.0, abs=0.6)
    assert level_shifts(numbers, least_size=5.0) == ()
    assert level_shifts([*random.normal(10, 1, 400)]) == ()
    assert level_shifts([7.0] * 100) == ()
    assert level_shifts([1.0, 2.0]) == ()
    assert level_shifts([]) == ()


def test_the_statistic_of_a_level_shift_is_that_of_the_rank_sum_test() -> None:
    stats = pytest.importorskip("scipy.stats")
    numbers = [*np.random.default_rng(5).normal(0, 1, 30), *np.random.default_rng(6).normal(4, 1, 30)]
    [shift] = level_shifts(numbers)
    assert shift.statistic == pytest.approx(
        abs(stats.ranksums(numbers[: shift.index], numbers[shift.index :]).statistic), rel=1e-9
    )


@pytest.mark.more
def test_patients_with_many_findings_meet_at_a_place_by_chance() -> None:
    """Intensive-care patients have an image a day: three findings each named a place in most analyses."""
    rng = np.random.default_rng(9)
    for _ in range(20):
        peaks = [Peak(f"D{d}", f"P{d}-{i % 60}", *rng.uniform(0, 1, 2).tolist()) for d in range(3) for i in range(180)]
        assert recurrences(peaks) == []
