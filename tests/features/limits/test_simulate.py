"""The second side of limits: simulated defects on a site's own images, and how many of them limits find."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from miqa_node.core.domain.assessment import Assessment, ModelIdentity
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.site_limit import ProposedLimit, RoomLimit, SiteLimits
from miqa_node.core.settings import share_dir
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.taxonomy.lookup import reason_code
from miqa_node.errors import InferenceError
from miqa_node.features.limits.defect_image import with_defect
from miqa_node.features.limits.own_limits import appraise
from miqa_node.features.limits.simulate import IMAGES, Judge, Read, originals, with_second_side
from tests.runtime.store.making import NOW, digest, header

NOISE = FindingName("noise")
SHAPE = (160, 200)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return read_policy(share_dir("config") / "policy.toml")


def radiograph(*, inverted: bool = False) -> Radiograph:
    """A smooth picture of 12 bits; ``inverted``: high stored values are dark, as of MONOCHROME1."""
    shown = np.hypot(*np.meshgrid(np.linspace(-1, 1, SHAPE[1]), np.linspace(-1, 1, SHAPE[0]))) / 1.5
    stored = np.rint(shown * 4000).astype(np.uint16)
    display = stored.astype(np.uint16) * 16
    return Radiograph(4095 - stored if inverted else stored, display, (0, 4095), (0.2, 0.2))


def image(number: int, strength: float = 0.0, *, package: str = "quality", room: str = "ROOM1") -> Assessment:
    findings = (Finding(NOISE, reason_code(NOISE), 1.0, strength, 0.1),)
    of = header(number, body_part_examined="CHEST", view_position="PA", station_name=room)
    model, is_left = ModelIdentity(package, "0.9.3", "ab" * 32), package != "quality"
    return Assessment(digest(f"{package}{number}"), of, NOW, findings=findings, model=model, has_figures=is_left)


def read(_: InstanceDigest) -> tuple[Header, Radiograph] | None:
    return header(1, body_part_examined="CHEST", view_position="PA", station_name="ROOM1"), radiograph()


def roughness(of: Radiograph) -> float:
    return float(np.median(np.abs(cv2.Laplacian(of.display.astype(np.float32), cv2.CV_32F)))) / 65535


def judge(of: Header, shown: Radiograph, name: InstanceDigest) -> Assessment:
    """The rougher, the stronger: not a model, but a judge that sees noise."""
    strength = min(1.0, roughness(shown) * 10)
    findings = (Finding(NOISE, reason_code(NOISE), 1.0, strength, 0.1),)
    return Assessment(name, of, NOW, findings=findings, model=ModelIdentity("quality", "0.9.3", "ab" * 32))


def side(
    images: list[Assessment], policy: Policy, limit: float, read: Read = read, judge: Judge = judge
) -> ProposedLimit:
    """Of a limit for all rooms what it finds, and what the policy finds."""
    proposal = appraise(images, [RoomLimit(NOISE, "", "", limit)], policy)
    assert not proposal.is_simulated, "not tried is not none found"
    return with_second_side(proposal, images, policy, SiteLimits(), read, judge).limits[0]


def test_a_low_limit_finds_simulated_noise_and_the_highest_one_none(policy: Policy) -> None:
    images = [image(n) for n in range(45)]
    keen, blind = (side(images, policy, limit) for limit in (0.05, 1.01))
    assert (keen.found, keen.simulated) == (IMAGES, IMAGES)
    assert (blind.found, blind.simulated, blind.found_today) == (0, IMAGES, keen.found_today)
    assert blind.finds_less is bool(keen.found_today)


def test_it_says_the_same_every_time_and_takes_no_image_that_is_flagged(policy: Policy) -> None:
    images = [image(n, 0.9 if n < 40 else 0.2) for n in range(45)]
    twice = [side(images, policy, 0.3) for _ in range(2)]
    assert twice[0] == twice[1]
    assert twice[0].simulated == 5


def test_what_is_found_today_is_so_with_the_limits_in_force(policy: Policy) -> None:
    images = [image(n) for n in range(45)]
    proposal = appraise(images, [RoomLimit(NOISE, "", "", 0.05)], policy)
    for limit, hits in ((0.05, IMAGES), (1.01, 0)):
        in_force = SiteLimits(3, (RoomLimit(NOISE, "", "", limit),), NOW, "mara")
        made = with_second_side(proposal, images, policy, in_force, read, judge)
        assert (made.limits[0].found, made.limits[0].found_today) == (IMAGES, hits)


def test_a_limit_of_a_measurement_that_a_room_learned_counts_the_defect_that_it_tells_of(policy: Policy) -> None:
    images = [image(n) for n in range(45)]
    made = appraise(images, [RoomLimit(NOISE, "", "", 0.05)], policy)
    learned = RoomLimit(FindingName("noise_share"), "ROOM1", "PA", 9.0, "quality", "CHEST", replaces=False)
    both = replace(made, limits=(*made.limits, replace(made.limits[0], limit=learned)))
    tried = with_second_side(both, images, policy, SiteLimits(), read, judge)
    assert [(one.simulated, one.found) for one in tried.limits] == [(IMAGES, IMAGES)] * 2, "noise, by either"


def test_originals_that_are_gone_are_replaced_by_others_of_each_package() -> None:
    both = [image(n, room=f"ROOM{n % 3}") for n in range(60)]
    both += [image(n, package="any-radiograph") for n in range(60)]
    gone = {one.digest for one in both[::2]}
    chosen = [one for one, _, _ in originals(both, lambda of: None if of in gone else read(of))]
    packages = [one.model.name for one in chosen if one.model is not None]
    assert packages.count("quality") == packages.count("any-radiograph") == IMAGES
    assert not gone & {one.digest for one in chosen}


def test_without_originals_nothing_is_claimed(policy: Policy) -> None:
    made = side([image(n, 0.2) for n in range(45)], policy, 0.3, lambda _: None)
    assert (made.simulated, made.found, made.found_today) == (0, 0, 0)


def test_pictures_that_a_package_cannot_judge_are_left_out(policy: Policy) -> None:
    def refuse(*_: object) -> Assessment:
        raise InferenceError("The network gave no number.")

    assert side([image(n, 0.2) for n in range(45)], policy, 0.3, judge=refuse).simulated == 0


@pytest.mark.parametrize("inverted", [False, True])
def test_stored_values_get_the_defect_that_is_shown(inverted: bool) -> None:
    before = radiograph(inverted=inverted)
    noisy = with_defect(before, NOISE, 1.0, (1,))
    assert noisy is not None
    assert roughness(noisy) > 2 * roughness(before)
    same = noisy.display == before.display
    assert np.array_equal(noisy.stored[same], before.stored[same])
    moved = noisy.stored.astype(int) - before.stored
    shown = (noisy.display.astype(int) - before.display) / 16
    sign = -1 if inverted else 1
    inside = (before.display > 3000) & (before.display < 60000)
    assert np.corrcoef(sign * moved[inside], shown[inside])[0, 1] > 0.95
    assert noisy.stored.dtype == before.stored.dtype
    assert with_defect(before, FindingName("foreign_object"), 1.0, (1,)) is None
