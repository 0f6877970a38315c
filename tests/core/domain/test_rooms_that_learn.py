"""While a room learns what is usual soft rules are held; then its own limits stand in place of the policy's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.decision import decide, shown_findings
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import Place, RoomLook, RoomState, kind_of
from miqa_node.core.domain.rule import Outcome
from miqa_node.core.domain.site_limit import RoomLimit, SiteLimits
from miqa_node.core.domain.verdict import HELD, Verdict
from miqa_node.errors import SettingsError
from tests.core.domain.test_decide import assessment
from tests.policies import ACCEPT, policy_of, rows_about

NOISE = {"finding": "noise", "then": "REVIEW", "min_severity": 0.2, "soft": True, "severe": 0.9, "evidence": "card"}
DARK = {
    "measurement": "crushed_dark_share", "above": 5, "severe": 30, "then": "REVIEW", "reason": "contrast_processing",
}  # fmt: skip
SHOWN = {
    "measurement": "displayed_contrast", "below": 12, "severe": 4, "then": "REVIEW", "reason": "contrast_processing",
}  # fmt: skip
UNUSUAL = {"measurement": "anomaly", "min_percentile": 99.5, "learned": True, "then": "REVIEW", "evidence": "site"}
GRAIN = {"measurement": "noise_share", "above": "usual", "learned": True, "then": "REVIEW", "reason": "noise"}
ROTATED = {"finding": "rotation_orientation", "then": "REVIEW", "min_probability": 0.5, "evidence": "card"}
OBJECT = {"finding": "foreign_object", "then": "REVIEW"}
UNITS = {"crushed_dark_share", "displayed_contrast", "noise_share"}
"""What is measured, in percent; others are findings."""
MOTION = {"finding": "motion_blur", "then": "REVIEW", "learned": False, "evidence": "card"}


@pytest.fixture(scope="module")
def policy() -> Policy:
    return policy_of(ACCEPT, NOISE, MOTION, DARK, SHOWN, UNUSUAL, GRAIN, ROTATED, OBJECT)


def seen(noise: float = 0.0, score: float = 0.1, **others: float) -> Assessment:
    """An image of ROOM1 with a strength of noise, measurements, and how unusual it is."""
    strengths = {name: (value, 1.0) for name, value in others.items() if name not in UNITS}
    one = assessment(**cast("Any", {"noise": (noise, 1.0), **strengths}))
    measured = [Measurement(name, value, "%") for name, value in others.items() if name in UNITS]
    percentile = 99.9 if score >= 0.5 else 10.0
    return replace(
        one,
        header=replace(one.header, station_name="ROOM1", view_position="PA", detector_id="D1"),
        measurements=tuple(measured),
        anomaly=AnomalyScore(score, percentile),
    )


def in_room(
    policy: Policy, image: Assessment, state: RoomState, *limits: tuple[str, float], share: float = 0.8
) -> Policy:
    place = kind_of(image).place
    look = RoomLook(place, state, 50, 31 if state is RoomState.LEARNING else 0, share)
    own = tuple(RoomLimit.at(place, FindingName(name), value, replaces=False) for name, value in limits)
    return policy.with_limits(SiteLimits(1, own, looks=(look,)))


@pytest.mark.parametrize(
    ("image", "what"),
    [
        (seen(noise=0.7), "Noisy"),
        (seen(crushed_dark_share=9.0), "Crushed dark"),
        (seen(displayed_contrast=9.0), "Displayed contrast"),
        (seen(score=0.6), "Unusual image"),
    ],
)
def test_what_a_room_learns_is_held_and_never_accepted(policy: Policy, image: Assessment, what: str) -> None:
    assert decide(image, policy).verdict is Verdict.REVIEW, "without a room"

    disposition = decide(image, in_room(policy, image, RoomState.LEARNING))

    assert disposition.verdict is Verdict.NOT_ASSESSED
    assert not disposition.flagged
    assert disposition.reasons[0].name == HELD
    assert disposition.reasons[0].text.startswith(what), disposition.reasons[0].text
    assert "held while this room learns: counts after 31 more images" in disposition.reasons[0].text
    assert [row.outcome for row in disposition.rules].count(Outcome.HELD) == 1


@pytest.mark.parametrize(
    "image",
    [
        seen(noise=0.95), seen(crushed_dark_share=40.0), seen(displayed_contrast=3.0), seen(foreign_object=0.9),
        seen(noise=0.7, motion_blur=0.9),
    ],
)  # fmt: skip
def test_severe_degrees_and_what_no_room_learns_flag_from_the_first_image(policy: Policy, image: Assessment) -> None:
    assert decide(image, in_room(policy, image, RoomState.LEARNING)).verdict is Verdict.REVIEW


def test_an_image_without_a_held_finding_is_accepted_while_the_room_learns(policy: Policy) -> None:
    assert decide(seen(), in_room(policy, seen(), RoomState.LEARNING)).verdict is Verdict.ACCEPT


def test_a_room_that_nobody_knows_learns_on_a_node_that_learns(policy: Policy) -> None:
    disposition = decide(seen(noise=0.7), policy.with_limits(SiteLimits(learns_from=50)))

    assert "after 50 more images" in disposition.reasons[0].text
    assert disposition.policy_version == policy.version, "no set of limits is in force"


@pytest.mark.parametrize("state", [RoomState.LEARNED, RoomState.CONFIRMED, RoomState.EXPIRED])
def test_the_rooms_own_limit_counts_where_it_flags_less_than_the_policy(policy: Policy, state: RoomState) -> None:
    own = ("noise", 0.8), ("crushed_dark_share", 12.0), ("displayed_contrast", 8.0), ("anomaly", 0.7)
    quiet = seen(noise=0.7, score=0.6, crushed_dark_share=9.0, displayed_contrast=9.0)

    assert decide(quiet, in_room(policy, quiet, state, *own)).verdict is Verdict.ACCEPT
    for loud in (seen(noise=0.85), seen(score=0.75), seen(crushed_dark_share=13.0), seen(displayed_contrast=7.0)):
        assert decide(loud, in_room(policy, loud, state, *own)).verdict is Verdict.REVIEW


@pytest.mark.parametrize("what", ["noise", "crushed_dark_share", "displayed_contrast", "noise_share"])
def test_a_limit_of_the_room_stands_in_place_of_the_policys_also_where_it_is_stricter(
    policy: Policy, what: str
) -> None:
    """What the policy passes is unusual in a room whose images never show it: its limit lies in that room's values."""
    own = {"noise": 0.05, "crushed_dark_share": 1.0, "displayed_contrast": 20.0, "noise_share": 0.4}[what]
    worse = {"noise": 0.06, "crushed_dark_share": 1.2, "displayed_contrast": 18.0, "noise_share": 0.5}[what]
    better = {"noise": 0.04, "crushed_dark_share": 0.9, "displayed_contrast": 22.0, "noise_share": 0.3}[what]
    beyond, within = seen(**{what: worse}), seen(**{what: better})

    assert not decide(beyond, policy).flagged, "without a room"
    assert decide(beyond, in_room(policy, beyond, RoomState.CONFIRMED, (what, own))).verdict is Verdict.REVIEW
    assert decide(within, in_room(policy, within, RoomState.CONFIRMED, (what, own))).verdict is Verdict.ACCEPT
    assert not decide(beyond, in_room(policy, beyond, RoomState.LEARNING, (what, own))).flagged, "it learns anew"


@pytest.mark.parametrize("what", ["anomaly", "rotation_orientation"])
def test_what_has_no_severe_degree_flags_beyond_both_limits(policy: Policy, what: str) -> None:
    def image(degree: float) -> Assessment:
        return seen(score=degree) if what == "anomaly" else seen(rotation_orientation=degree)

    for own in (0.1, 0.8):
        rooms = in_room(policy, image(0.0), RoomState.CONFIRMED, (what, own))
        assert not decide(image(0.3), rooms).flagged, "the policy's limit is .5"
        assert decide(image(0.9), rooms).flagged
    assert not decide(image(0.7), rooms).flagged, "the room's is .8"


def test_objects_are_the_rooms_own_only_beside_devices(policy: Policy) -> None:
    alone, beside = seen(foreign_object=0.6), seen(foreign_object=0.6, device_in_view=0.9)
    own = ("foreign_object", 0.8)

    assert decide(alone, in_room(policy, alone, RoomState.CONFIRMED, own)).flagged
    assert not decide(beside, in_room(policy, beside, RoomState.CONFIRMED, own)).flagged
    assert decide(beside, in_room(policy, beside, RoomState.LEARNING, own)).flagged, "no object is held"


def test_maps_and_reports_show_what_the_limit_of_the_room_flags(policy: Policy) -> None:
    image = seen(noise=0.06)
    (finding,) = (one for one in image.findings if one.name == "noise")
    assert not finding.present

    rooms = in_room(policy, image, RoomState.CONFIRMED, ("noise", 0.05))
    shown = next(one for one in shown_findings(image, rooms) if one.name == "noise")

    assert shown.present
    assert shown.threshold == pytest.approx(0.05)
    assert shown_findings(image, policy) == image.findings


def test_a_confirmed_limit_of_before_also_flags_more_and_holds_while_the_room_learns(policy: Policy) -> None:
    image = replace(seen(), findings=tuple(
        replace(one, probability=0.6, severity=0.1) if one.name == "noise" else one for one in seen().findings
    ))  # fmt: skip
    place, learning = Place(room="ROOM1"), RoomLook(kind_of(image).place, RoomState.LEARNING, lacking=50)
    before = SiteLimits(3, (RoomLimit.at(place, FindingName("noise"), 0.05),), looks=(learning,))

    assert decide(image, policy).verdict is Verdict.ACCEPT
    assert decide(image, policy.with_limits(before)).verdict is Verdict.REVIEW


def test_where_too_little_is_found_nothing_is_accepted(policy: Policy) -> None:
    disposition = decide(seen(), in_room(policy, seen(), RoomState.LEARNED, share=0.41))

    assert disposition.verdict is Verdict.NOT_ASSESSED
    assert "too few simulated defects are found for ACCEPT: 0.41" in disposition.reasons[0].text


def test_the_most_specific_place_of_a_limit_counts_the_detector_before_the_room() -> None:
    kind = kind_of(seen())
    places = (
        Place("", "CHEST", "ROOM1", "PA", "D1"),
        Place("", "CHEST", "ROOM1", "PA"),
        Place("", "CHEST", view="PA"),
        Place(),
    )
    limits = [RoomLimit.at(place, FindingName("noise"), number / 10) for number, place in enumerate(places)]

    chosen_limits = [SiteLimits(1, tuple(limits[skip:])).limit_of("noise", kind) for skip in range(4)]

    assert chosen_limits == limits
    assert (
        SiteLimits(1, (limits[0],)).limit_of("noise", replace(kind, place=replace(kind.place, detector="D2"))) is None
    )


def test_what_a_room_learns_is_written_in_the_policy() -> None:
    with pytest.raises(SettingsError, match="severe is 'much'"):
        policy_of(ACCEPT, {**NOISE, "severe": "much"})
    with pytest.raises(SettingsError, match="learned is 1"):
        policy_of(ACCEPT, {**NOISE, "learned": 1})
    assert not any(rule.is_learned for rule in policy_of(ACCEPT, {**NOISE, "learned": False}).rules)


def test_the_table_of_rules_says_what_is_held(policy: Policy) -> None:
    image = seen(noise=0.7)
    (row,) = rows_about(decide(image, in_room(policy, image, RoomState.LEARNING)), "noise")

    assert row.outcome is Outcome.HELD
    assert row.why == "held while this room learns: counts after 31 more images"
