"""Limits of a folder hold for all images, whatever their headers say; a room's own look is not unusual there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide, decide_quality
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.model_identity import ModelIdentity
from miqa_node.core.domain.policy import Policy, rules_version
from miqa_node.core.domain.prediction import PendingReason, Prediction
from miqa_node.core.domain.room import Place, RoomLook, RoomState
from miqa_node.core.domain.routing import Routing, route
from miqa_node.core.domain.site_limit import RoomLimit, SiteLimits
from miqa_node.core.domain.verdict import Verdict
from tests.core.domain.test_decide import assessment
from tests.policies import ACCEPT, policy_of

NOISE = {"finding": "noise", "then": "REVIEW", "soft": True, "severe": 0.9, "evidence": "card"}
UNUSUAL = {"measurement": "anomaly", "min_percentile": 99.5, "learned": True, "then": "REVIEW", "evidence": "site"}
PREDICTION = Prediction("lungs-1.0.0", "ab" * 32, "Normal", 0.95, {"Normal": 0.95})


@pytest.fixture(scope="module")
def policy() -> Policy:
    return policy_of(ACCEPT, NOISE, UNUSUAL)


def image(
    station: str = "ROOM1", noise: float = 0.1, score: float = 0.1, package: str = "quality", **header: Any
) -> Assessment:
    one = assessment(noise=(noise, 1.0))
    return replace(
        one,
        header=replace(one.header, station_name=station, **header),
        model=ModelIdentity(package, "1.0.0", "ab" * 32),
        anomaly=AnomalyScore(score, 99.9 if score >= 0.5 else 10.0),
    )


def everywhere(state: RoomState = RoomState.LEARNED, **limits: float) -> SiteLimits:
    place, look = Place("quality"), RoomLook(Place(), state, 60, 50 if state is RoomState.LEARNING else 0, 0.8)
    own = tuple(RoomLimit.at(place, FindingName(name), limit, replaces=False) for name, limit in limits.items())
    return SiteLimits(limits=own, everywhere=look, name="folder-12345678")


@pytest.mark.parametrize("header", [{}, {"view_position": "AP"}, {"body_part_examined": "HAND"}, {"detector_id": "D"}])
def test_headers_do_not_count(policy: Policy, header: dict[str, Any]) -> None:
    limits = everywhere(noise=0.8)
    for station in ("ROOM1", "BEDSIDE", ""):
        quiet, loud = (image(station, noise=noise, **header) for noise in (0.7, 0.85))
        assert decide(quiet, policy).verdict is Verdict.REVIEW
        assert decide(quiet, policy.with_limits(limits)).verdict is Verdict.ACCEPT
        assert decide(loud, policy.with_limits(limits)).verdict is Verdict.REVIEW
        held = decide(loud, policy.with_limits(everywhere(RoomState.LEARNING, noise=0.8)))
        assert held.verdict is Verdict.NOT_ASSESSED


def test_strengths_of_another_package_have_no_limit_of_the_folder(policy: Policy) -> None:
    other = image(noise=0.7, package="any-radiograph")

    assert decide(other, policy.with_limits(everywhere(noise=0.8))).verdict is Verdict.REVIEW


def test_verdicts_say_that_limits_of_a_file_were_used(policy: Policy) -> None:
    disposition = decide(image(noise=0.9), policy.with_limits(everywhere(noise=0.8)))

    assert disposition.policy_version == f"{policy.version}+limits.folder-12345678"
    assert rules_version(disposition.policy_version) == policy.version
    assert "limit 0.80 of this room, learned from 60 images" in disposition.reasons[0].text


def pending(one: Assessment, policy: Policy) -> list[PendingReason]:
    routing = Routing(0.8, 99.0, accepted_only=True).in_room(one, policy.site_limits)
    return [cause.reason for cause in route(PREDICTION, one, decide_quality(one, policy), routing).pending]


def test_the_look_of_the_room_is_not_unusual_for_a_prediction(policy: Policy) -> None:
    strange, stranger = image(score=0.6), image(score=0.75)
    own = policy.with_limits(everywhere(anomaly=0.7))

    assert pending(strange, policy) == [PendingReason.QUALITY_FIRST, PendingReason.OUT_OF_DISTRIBUTION]
    assert pending(strange, own) == []
    assert pending(stranger, own) == [PendingReason.QUALITY_FIRST, PendingReason.OUT_OF_DISTRIBUTION]


def test_while_the_room_learns_the_prediction_waits(policy: Policy) -> None:
    learning = policy.with_limits(everywhere(RoomState.LEARNING, anomaly=0.7))

    assert PendingReason.QUALITY_FIRST in pending(image(score=0.6), learning)
    assert pending(image(score=0.1), learning) == []
