"""Each measurement that decides, and each that reads pixels of CT and MR, has a proof in this folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from miqa_node.core.domain.measurand import MEASUREMENTS
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.stages.measure.base import FramesMeasure, SeriesMeasure
from tests.policies import numbered
from tests.stages.measure.proofs.agreement import agree
from tools.measurements_page import measurements_page

FOLDER = Path(__file__).parent
PROVEN_HERE = frozenset(
    name
    for path in FOLDER.glob("**/test_proofs_*.py")
    for name in re.findall(r'agree\(\s*"([a-z0-9_]+)"', path.read_text("utf-8"))
)


def deciding() -> set[str]:
    """Those with a rule in the shipped policy, and those that are asked for before ACCEPT."""
    policy = read_policy(load_settings().policy_file)
    return {
        *(rule.what for rule in numbered(policy)),
        *(name for rule in policy.rules if rule.acceptance is not None for name in rule.acceptance.measured),
    }


def of_pixels() -> set[str]:
    """Those that read pixels of CT or MR slices."""
    return {
        one.name
        for plugin in MEASUREMENTS.plugins()
        if plugin.built_in and isinstance(one := MEASUREMENTS.all()[plugin.name], SeriesMeasure)
        if not isinstance(one, FramesMeasure) and one.each is not None and one.needs != "header"
        if not one.modalities or {"CT", "MR"} & set(one.modalities)
    }


@pytest.mark.parametrize("name", sorted(deciding() | of_pixels()))
def test_it_has_a_proof(name: str) -> None:
    declared = MEASUREMENTS.all()[name]
    assert declared.is_proven, f"{name}: give it agreement and proof, and hold it against its source in {FOLDER.name}"
    assert declared.proof, name
    assert name in PROVEN_HERE, f'{name}: no test_proofs_*.py says agree("{name}", …)'


def test_what_says_it_is_proven_is_held_against_something() -> None:
    declared_names = {plugin.name for plugin in MEASUREMENTS.plugins() if plugin.built_in}
    declared_names = {name for name in declared_names if MEASUREMENTS.all()[name].is_proven}
    elsewhere = {"pt_suv_tags_missing"}  # headers, in frames/test_nuclear.py
    assert declared_names - PROVEN_HERE == elsewhere
    assert declared_names >= PROVEN_HERE


def test_agreement_is_held() -> None:
    agree("hu_air", -1001.9, -1000.0)
    with pytest.raises(AssertionError, match="hu_air: -1003 here, -1000 by the source, at most 2"):
        agree("hu_air", -1003.0, -1000.0)


def test_the_page_says_which_have_a_proof() -> None:
    rows = dict(re.findall(r"^\| `([a-z0-9_]+)` \| (.*)$", measurements_page(""), re.MULTILINE))
    for name, one in MEASUREMENTS.all().items():
        assert ("**Proof:**" in rows[name]) == one.is_proven, name
