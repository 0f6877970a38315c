"""A budget that cannot be kept is refused with the rules that eat it, and no limits are proposed that find nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.site_limit import LimitProposal, OtherRule
from miqa_node.errors import ConflictError
from miqa_node.features.limits.budget import propose
from miqa_node.features.limits.budget_image import BudgetImage
from miqa_node.features.limits.page.findings import by_finding, unshown
from miqa_node.features.limits.second_side import without_blind
from miqa_node.runtime.site_records import site_limits
from miqa_node.runtime.store.database import Database
from tests.runtime.store.making import NOW, digest

NOISE, DARK = FindingName("noise"), FindingName("overexposure_saturation")
IMAGES = 100


def image(number: int, others: tuple[str, ...] = (), room: str = "ROOM1", **strengths: float) -> BudgetImage:
    return BudgetImage(
        digest(f"{room}{number}"), f"1.2.{number}", room, "PA", frozenset({NOISE, DARK}),
        {FindingName(name): one for name, one in strengths.items()}, bool(others), bool(others),
        always_by=frozenset(others),
    )  # fmt: skip


def images() -> list[BudgetImage]:
    """Of 100, 12 are flagged by a measurement, 5 by a contradiction, 2 of them by both."""
    eaten = [("deviation_index",)] * 10 + [("deviation_index", "voi_clips_image")] * 2 + [("voi_clips_image",)] * 3
    return [image(n, others=eaten[n] if n < len(eaten) else (), noise=0.3 + n / 300) for n in range(IMAGES)]


def test_a_budget_that_other_rules_exceed_is_refused_with_what_each_would_give() -> None:
    with pytest.raises(ConflictError) as refused:
        propose(images(), [NOISE], 0.08)
    text = str(refused.value)
    assert "A budget of 8.0 % cannot be kept: 15 of 100 images (15.0 %)" in text
    assert "deviation_index 12, of which 10 by it alone" in text
    assert "voi_clips_image 5, of which 3 by it alone" in text
    made = propose(images(), [NOISE], 0.2)
    assert made.others == (OtherRule("deviation_index", 12, 10), OtherRule("voi_clips_image", 5, 3))
    assert 15 < made.flagged <= 20


def tried(made: LimitProposal, hits: dict[FindingName, int], today: int = 2, tries: int = 4) -> LimitProposal:
    return replace(made, limits=tuple(
        replace(one, simulated=tries, found=hits[one.limit.finding], found_today=today) for one in made.limits
    ))  # fmt: skip


def plain() -> list[BudgetImage]:
    """Noise in all degrees; over-exposure that the policy flags on one in twenty."""
    return [
        replace(
            image(n, noise=n / IMAGES, overexposure_saturation=0.9 if n % 20 == 0 else 0.1),
            by_policy=frozenset({DARK} if n % 20 == 0 else ()),
        )
        for n in range(IMAGES)
    ]


def test_limits_that_find_nothing_give_way_to_those_of_the_policy() -> None:
    made = tried(propose(plain(), [NOISE, DARK], 0.1), {NOISE: 3, DARK: 0})
    proposal = without_blind(made, plain(), lambda one: tried(one, {NOISE: 3}))
    assert {one.limit.finding for one in proposal.limits} == {NOISE}
    assert proposal.budget == 0.1
    assert proposal.flagged <= 10
    seeing = tried(made, {NOISE: 3, DARK: 1})

    def never(one: LimitProposal) -> LimitProposal:
        raise AssertionError(one)

    assert without_blind(seeing, plain(), never) is seeing


def test_a_budget_that_only_blind_limits_keep_is_refused() -> None:
    flagged = [replace(one, by_policy=frozenset({DARK})) for one in plain()]
    made = tried(propose(flagged, [NOISE, DARK], 0.1), {NOISE: 3, DARK: 0})
    with pytest.raises(ConflictError, match="no simulated defect of overexposure_saturation"):
        without_blind(made, flagged, lambda one: one)


def test_less_than_today_needs_a_second_look() -> None:
    database = Database.in_memory()
    made = tried(propose(plain(), [NOISE, DARK], 0.1), {NOISE: 1, DARK: 2})
    assert made.less_found == (NOISE,)
    with database.begin() as transaction:
        number = site_limits.propose(transaction, made, NOW).number
        with pytest.raises(ConflictError, match="fewer simulated defects are found than today: noise"):
            site_limits.confirm(transaction, number, "mara", "", NOW)
        assert site_limits.current(transaction).number == 0
        site_limits.confirm(transaction, number, "mara", "", NOW, second_look=True)
        assert site_limits.current(transaction).number == number
    database.close()


def test_the_page_has_one_row_a_finding_and_none_without_data() -> None:
    rooms = [*plain(), *(replace(one, room="ROOM2", digest=digest(f"two {n}")) for n, one in enumerate(plain()))]
    without = [replace(one, strengths={NOISE: one.strengths[NOISE]}, by_policy=frozenset()) for one in rooms]
    made = propose(without, [NOISE, DARK], 0.1)
    [row] = by_finding(made)
    assert (row.finding, len(row.limits), row.present) == (NOISE, 3, 400), "two rooms, and all others"
    places = [place for place, _ in (*row.limits, *unshown(made))]
    assert sorted(places) == list(range(len(made.limits)))
    assert {one.limit.finding for _, one in unshown(made)} == {DARK}
